import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.controller.api import Api, Namespace
from tests.controller.conftest import api, cluster, ns, operator

__all__ = ["api", "cluster", "ns", "operator", "policy"]

DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"


@pytest.fixture
def policy(cluster: Any, api: Api) -> Iterator[Any]:
    """Applies the document's admission policy, and puts a namespace under it."""
    (text,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    wanted = list(yaml.safe_load_all(text))
    cluster.kubectl("apply", "--validate=strict", "-f", "-", stdin=text)
    labels = wanted[1]["spec"]["matchResources"]["namespaceSelector"]["matchLabels"]

    def put_under_it(ns: Namespace) -> None:
        api.merge(f"/api/v1/namespaces/{ns.name}", {"metadata": {"labels": labels}})

    yield put_under_it
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": wanted})
    cluster.kubectl("delete", "-f", "-", stdin=items)
