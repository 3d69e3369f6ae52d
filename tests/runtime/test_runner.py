"""The runner's contract: exit codes, the result in every case, signals, the environment."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tenyson import runner, termination
from tenyson.contract import Env, ExitCode, File
from tenyson.jobs.result import JobResult


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("training: {learning_rat: 1}\nmodel: {name: x}", "did you mean 'learning_rate'"),
        ("- a list", "expected a mapping of sections"),
        ("model:\n\tname: x", "a tab stands where YAML wants spaces"),
        ("", "got nothing"),
        ("model: {name: x}\nmodel: {name: y}", "written twice"),
        ("training: {learning_rate: -1}", "training.learning_rate"),
        (None, "no such file"),
    ],
    ids=["unknown key", "list", "tab", "empty", "twice", "range", "missing"],
)
def test_a_wrong_configuration_ends_with_64_and_a_result(
    content: str | None, says: str, tmp_path: Path, run_runner: Any
) -> None:
    path = tmp_path / "config.yaml"
    if content is not None:
        path.write_text(content, encoding="utf-8")

    run = run_runner(path, **{Env.RUN_ID: "run-7", Env.ATTEMPT: "2"})

    assert run.code == run.result.exit_code == ExitCode.CONFIG
    assert says in run.result.failure.message
    assert says in run.said
    assert "Traceback" not in run.said
    assert (run.result.run_id, run.result.attempt, run.result.job_type) == ("run-7", 2, "sft")
    assert run.message == run.result


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (None, "there is no file"),
        ("import no_such_module_here", "No module named 'no_such_module_here'"),
        ("1 / 0", "ZeroDivisionError"),
        ("class Other: pass", "has no class 'Task'. "),
        ("class Task:\n  def __init__(self): raise OSError('no data')", "Task() raised OSError"),
        (
            "from tenyson.task import TaskPlugin\nclass Task(TaskPlugin):\n"
            "  def get_rl_dataset(self, config): pass",
            "lacks get_sft_dataset, needed by a job of type sft",
        ),
    ],
    ids=["missing", "import", "raises", "no class", "constructor", "no hook"],
)
def test_a_wrong_task_ends_with_65_and_a_result(
    module: str | None, says: str, tmp_path: Path, run_runner: Any, make_config: Any
) -> None:
    path = tmp_path / f"task_{abs(hash(module))}.py"
    if module is not None:
        path.write_text(module, encoding="utf-8")

    run = run_runner(make_config(), task=f"{path}:Task")

    assert run.code == run.result.exit_code == ExitCode.TASK
    assert says.strip() in run.result.failure.message + run.result.failure.hint
    assert run.message == run.result


@pytest.mark.parametrize(
    "arguments",
    [[], ["--job-type", "sfx"], ["--unknown"]],
    ids=["none", "choice", "unknown"],
)
def test_wrong_arguments_end_with_64_and_a_result(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(Env.OUTPUT_DIR, str(tmp_path))

    code = runner.main(arguments)

    assert code == ExitCode.CONFIG
    assert (
        "command line" in json.loads((tmp_path / File.JOB_RESULT).read_text())["failure"]["message"]
    )


def test_a_bad_attempt_number_is_a_configuration_error(run_runner: Any, make_config: Any) -> None:
    run = run_runner(make_config(), **{Env.ATTEMPT: "first"})

    assert run.code == ExitCode.CONFIG
    assert "TENYSON_ATTEMPT" in run.result.failure.message


def test_an_output_folder_that_cannot_be_written_still_leaves_the_message(
    tmp_path: Path, run_runner: Any, make_config: Any
) -> None:
    (tmp_path / "file").touch()

    run = run_runner(make_config(), output_dir=tmp_path / "file" / "out")

    assert run.code == ExitCode.CONFIG
    assert run.result is None
    assert "cannot be written" in run.message.failure.message
    assert "--output-dir" in run.said


def test_no_message_is_written_outside_a_pod(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(Env.RESULT_PATH, raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert termination.termination_path() is None

    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setattr(termination.PodPath, "TERMINATION_LOG", str(tmp_path / "termination-log"))
    assert termination.termination_path() is None

    (tmp_path / "termination-log").touch()
    assert termination.termination_path() == tmp_path / "termination-log"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_before_the_work_ends_at_once_with_75(
    name: str, run_runner: Any, make_config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenyson import task_loading

    def signalled(spec: str) -> Any:
        os.kill(os.getpid(), signal.Signals[name])
        raise AssertionError("the signal should have ended it")

    monkeypatch.setattr(task_loading, "load_task", signalled)

    run = run_runner(make_config())

    assert run.code == run.result.exit_code == ExitCode.STOPPED
    assert run.result.status == "stopped"
    assert name in run.result.stop_reason


@pytest.mark.parametrize("moment", ["telemetry", "upload", "result"])
def test_a_signal_after_the_work_leaves_a_finished_run_finished(
    moment: str, tmp_path: Path, run_runner: Any, make_config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenyson.jobs import job
    from tenyson.jobs.sft import SFTJob
    from tenyson.telemetry import Telemetry

    def signalled(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def signal_first(*args: Any) -> Any:
            os.kill(os.getpid(), signal.SIGTERM)
            return original(*args)

        monkeypatch.setattr(owner, name, signal_first)

    def work(self: Any, context: Any) -> None:
        context.options.stop.defer()  # as a job does once there is something to lose

    monkeypatch.setattr(SFTJob, "_train_or_evaluate", work)
    places = {
        "telemetry": (Telemetry, "close"),
        "upload": (job, "upload_results"),
        "result": (JobResult, "save"),
    }
    signalled(*places[moment])
    config = make_config(telemetry={"db_url": f"sqlite:///{tmp_path}/telemetry.db"})

    run = run_runner(config, **{Env.OUTPUT_URI: f"file://{tmp_path}/bucket"})

    assert run.code == 0
    assert run.result is not None
    assert run.result.status == run.message.status == "success"


@pytest.mark.train
@pytest.mark.parametrize("moment", ["quiet", "locate_model", "load_tokenizer", "load_model"])
def test_a_signal_while_the_model_is_loaded_stops_before_training(
    moment: str, run_runner: Any, make_config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenyson.jobs.models import _trained_model
    from tenyson.jobs.training import _sft

    def signalled(*args: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("it was not interrupted where it was")

    monkeypatch.setattr(_trained_model if moment == "load_model" else _sft, moment, signalled)

    run = run_runner(make_config())

    assert run.code == run.result.exit_code == ExitCode.STOPPED
    assert "SIGTERM" in run.result.stop_reason


@pytest.mark.train
def test_a_job_runs_to_its_end(run_runner: Any, make_config: Any) -> None:
    config = make_config(training={"max_steps": 2})

    run = run_runner(config, extra=("--run-id", "named"), **{Env.RUN_ID: "other"})

    assert run.code == 0
    assert run.result.run_id == run.message.run_id == "named"
    assert run.message.metrics["loss"] > 0
    assert "Done in" in run.said
    manifest = json.loads((run.folder / File.MANIFEST).read_text(encoding="utf-8"))
    assert "tenyson.runner" in manifest["command"]


@pytest.mark.train
def test_an_unknown_error_ends_with_70_and_its_traceback(
    run_runner: Any, make_config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenyson.jobs.training import _sft

    def broken(*args: Any) -> Any:
        raise ValueError("a bug")

    monkeypatch.setattr(_sft, "sft_arguments", broken)
    monkeypatch.setattr(_sft, "quiet", broken)

    run = run_runner(make_config())

    assert run.code == ExitCode.INTERNAL
    assert run.result.failure.type == "ValueError"
    assert "in broken" in (run.folder / File.FAILURE).read_text(encoding="utf-8")
    assert "Traceback" in run.said
    assert "in broken" not in run.said
