"""Files to build data sets from, and a store for them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import Env

Rows = list[dict[str, Any]]


def sums(count: int, **more: Any) -> Rows:
    return [{"id": f"s{i}", "prompt": f"{i}+1=", "completion": str(i + 1), **more}
            for i in range(count)]  # fmt: skip


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store that is used where none is named."""
    monkeypatch.setenv(Env.DATASETS, str(tmp_path / "store"))
    monkeypatch.setenv(Env.CACHE_DIR, str(tmp_path / "cache"))
    return tmp_path / "store"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes rows, or bytes as they are, to a file and returns its path."""

    def write_file(content: Rows | bytes, name: str = "rows.jsonl") -> str:
        path = tmp_path / name
        if not isinstance(content, bytes):
            content = "".join(f"{json.dumps(row)}\n" for row in content).encode()
        path.write_bytes(content)
        return str(path)

    return write_file
