from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.distributed.processes import Pods


@pytest.fixture
def pods(tmp_path: Path, task_file: Path) -> Iterator[Pods]:
    made = Pods(tmp_path, task_file)
    yield made
    made.close()
