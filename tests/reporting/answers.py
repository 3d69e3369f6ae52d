"""Files of answers, of a base model and of what was trained from it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BASE = {"name": "m", "weights_sha256": "ab"}
Change = Callable[[list[dict[str, Any]]], Any]


def row(number: int, right: float, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"q{number}",
        "prompt": f"{number}+1=",
        "expected_answer": str(number + 1),
        "sample": 0,
        "completion": str(number + 1) if right else "no idea",
        "score": right,
        "scores": {"exact": right},
        "seed": 42,
        "model": {"name": "m", "base": BASE, "adapter_sha256": None},
        "settings": {"max_new_tokens": 8, "temperature": 0.0, "scorer": ["exact"], "engine": "hf"},
        "fingerprints": {"prompt": f"hash of {number}", "eval_set": "e1"},
        "run_id": "r",
        **changes,
    }  # fmt: skip


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


@pytest.fixture
def pair(tmp_path: Path) -> Any:
    """Writes both files: 40 of 100 right before, 60 after, all of the first among them."""

    def build(change: Change = lambda rows: None, right: int = 60, of: int = 100) -> list[Path]:
        tuned = {"name": "run/checkpoint-final", "base": BASE}
        before = [row(i, float(i < 40)) for i in range(of)]
        after = [
            row(i, float(i < right), model={**tuned, "adapter_sha256": "cd"}) for i in range(of)
        ]
        change(after)
        return [write(tmp_path / "before.jsonl", before), write(tmp_path / "after.jsonl", after)]

    return build
