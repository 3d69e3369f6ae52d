"""A run that is started again in its own output folder keeps its name, without being told it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import Env, ExitCode, File
from tenyson.jobs.outcome.run_of_folder import run_id_of
from tenyson.jobs.sft import SFTJob


def leave(folder: Path, name: str, content: Any) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text, encoding="utf-8")


def test_the_manifest_names_the_run_before_an_older_result_does(tmp_path: Path) -> None:
    leave(tmp_path, File.JOB_RESULT, {"run_id": "of the result", "job_type": "sft"})
    assert run_id_of(tmp_path, "sft") == "of the result"

    leave(tmp_path, File.MANIFEST, {"run_id": "of the manifest", "job_type": "sft"})
    assert run_id_of(tmp_path, "sft") == "of the manifest"


def test_what_another_kind_of_job_left_is_another_run(tmp_path: Path) -> None:
    leave(tmp_path, File.MANIFEST, {"run_id": "r", "job_type": "sft"})

    assert run_id_of(tmp_path, "eval") is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"run_id": null}', '{"run_id": "r"'])
def test_a_folder_whose_files_name_no_run_is_of_none(content: str, tmp_path: Path) -> None:
    leave(tmp_path, File.MANIFEST, content)

    assert run_id_of(tmp_path, "sft") is None
    assert run_id_of(tmp_path / "none", "sft") is None


@pytest.mark.parametrize("name", [None, "given"])
def test_the_runner_takes_the_folders_run_unless_it_is_given_one(
    name: str | None, run_runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(Env.RUN_ID, raising=False)
    wrong = {"model": "m", "training": {"max_steps": -1}}
    first = run_runner(wrong, extra=("--run-id", "first"))

    again = run_runner(wrong, extra=("--run-id", name) if name else ())

    assert first.code == again.code == ExitCode.CONFIG
    assert again.result.run_id == again.message.run_id == (name or "first")


@pytest.mark.train
def test_a_job_in_the_folder_of_a_run_is_its_next_attempt(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    checkpoint = {"every_steps": 2}
    first = SFTJob(
        make_config(training={"max_steps": 2}, checkpoint=checkpoint), sum_task, output_dir=tmp_path
    ).run()

    longer = make_config(training={"max_steps": 4}, checkpoint=checkpoint)
    again = SFTJob(longer, sum_task, output_dir=tmp_path).run()

    assert (again.run_id, again.attempt, again.resumed_from_step) == (first.run_id, 1, 2)
    assert json.loads((tmp_path / File.MANIFEST).read_text())["run_id"] == first.run_id
