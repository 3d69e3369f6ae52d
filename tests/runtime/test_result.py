import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tenyson.contract import TERMINATION_MESSAGE_BYTES
from tenyson.jobs.result import Failure, JobResult
from tenyson.numbers import is_number


@pytest.fixture
def result() -> JobResult:
    return JobResult(
        run_id="r",
        status="failed",
        total_time_seconds=1.5,
        metrics={"loss": 0.5},
        failure=Failure("TaskError", "no rows", "add some"),
        artifacts=[{"kind": "adapter", "path": "checkpoint-final"}],
    )


def test_a_saved_result_loads_as_it_was(result: JobResult, tmp_path: Path) -> None:
    result.save(tmp_path / "deep" / "job_result.json")

    assert JobResult.load(tmp_path / "deep" / "job_result.json") == result


def test_the_documents_fields_come_first(result: JobResult) -> None:
    assert list(result.to_dict())[:8] == [
        "run_id",
        "status",
        "total_time_seconds",
        "metrics",
        "hf_repo_id",
        "hf_revision",
        "wandb_url",
        "local_output_dir",
    ]


def test_fields_of_a_newer_version_are_ignored(result: JobResult) -> None:
    assert JobResult.from_dict({**result.to_dict(), "mood": 3}) == result


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"run_id": 1'])
def test_a_file_that_is_no_result_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "job_result.json"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(ValueError, match="holds no JobResult"):
        JobResult.load(path)


@pytest.mark.parametrize("text", ["a" * 5000, "é" * 5000, "\0" * 5000])
def test_a_long_result_still_fits_a_termination_message_as_json(
    text: str, result: JobResult
) -> None:
    result.metrics = {f"metric/{i}": i / 7 for i in range(500)}
    result.warnings = ["warning " * 300] * 20
    result.failure = Failure("TaskError", text, "hint " * 500)
    result.artifacts = [{"kind": "file", "path": f"file-{i}"} for i in range(200)]

    message = result.termination_message()

    assert len(message.encode()) <= TERMINATION_MESSAGE_BYTES
    loaded = JobResult.from_dict(json.loads(message))
    assert (loaded.run_id, loaded.status) == ("r", "failed")
    assert loaded.failure is not None


def test_what_says_nothing_takes_no_room_in_a_termination_message(result: JobResult) -> None:
    said = json.loads(result.termination_message())

    assert said["attempt"] == 0
    assert not {"hf_repo_id", "stop_reason", "warnings", "cost", "metrics_ci"} & said.keys()


def test_a_long_result_loses_its_files_before_its_tokens_and_its_cost(result: JobResult) -> None:
    result.artifacts = [{"kind": "file", "path": f"file-{i}"} for i in range(200)]
    result.dataset_fingerprints = {"train": "f" * 64}
    result.tokens = {"prompt": 10, "completion": 20, "trained": 20}
    result.cost = {"currency": "USD", "rate": 2.0, "amount": 0.0}

    loaded = JobResult.from_dict(json.loads(result.termination_message()))

    assert loaded.artifacts == []
    assert (loaded.tokens, loaded.cost) == (result.tokens, result.cost)
    assert loaded.dataset_fingerprints == result.dataset_fingerprints


def test_a_failure_of_a_newer_version_loads(result: JobResult) -> None:
    values = result.to_dict()
    values["failure"]["severity"] = "high"

    assert JobResult.from_dict(values) == result


def test_a_short_result_is_whole_in_its_termination_message(result: JobResult) -> None:
    assert JobResult.from_dict(json.loads(result.termination_message())) == result


@pytest.mark.parametrize(
    ("value", "counts"),
    [
        (1, True),
        (0.5, True),
        (np.float32(0.5), True),
        (float("nan"), False),
        (float("inf"), False),
        (10**400, False),
        ("1.5", False),
        (None, False),
        ([], False),
    ],
    ids=lambda value: str(value)[:10],
)
def test_a_metric_is_a_finite_number(value: Any, counts: bool) -> None:
    assert is_number(value) is counts
