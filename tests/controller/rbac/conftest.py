from collections.abc import Iterator
from typing import Any

import pytest

from tests.controller.api import OperatorProcess, eventually
from tests.controller.faults.fixtures import api, cluster, faulty, make_operator, proxy, unharmed
from tests.controller.faults.proxy import FaultProxy
from tests.controller.rbac.actions import ENVIRONMENT

__all__ = ["api", "cluster", "faulty", "operator", "proxy", "unharmed"]


@pytest.fixture(scope="package")
def operator(
    cluster: Any, faulty: FaultProxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """The operator behind the proxy, with its certificate in a Secret as the chart has it."""
    process = make_operator(cluster, faulty, tmp_path_factory.mktemp("operator"), **ENVIRONMENT)
    process.start()
    eventually(process.health)
    yield process
    process.stop()
