"""An adapter to evaluate, and what an evaluation left."""

import json
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import File
from tenyson.jobs.result import JobResult
from tenyson.jobs.sft import SFTJob


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: Any, sum_task: Any, build_config: Any) -> JobResult:
    """An adapter trained long enough to answer otherwise than its base model."""
    config = build_config(training={"max_steps": 60, "learning_rate": 0.03})
    return SFTJob(config, sum_task, output_dir=tmp_path_factory.mktemp("adapter")).run()


def results_of(folder: Path, name: str = File.RESULTS) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return content
