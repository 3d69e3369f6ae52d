import json
import logging
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import File
from tenyson.errors import (
    CheckpointError,
    ConfigError,
    DependencyError,
    DivergedError,
    StoppedError,
    TaskError,
)
from tenyson.files import sha256_of_file
from tenyson.jobs.options import RunOptions
from tenyson.jobs.result import JobResult
from tenyson.jobs.sft import SFTJob
from tenyson.jobs.stop import StopRequest
from tenyson.telemetry.tables import TABLES
from tests.runtime.left_behind import metric_rows

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: Any, tiny_model: str, sum_task: Any, build_config: Any) -> JobResult:
    """A finished run that many tests look at."""
    config = build_config(
        checkpoint={"every_steps": 2, "keep": 2},
        task={"sft_eval": True, "dataset_key": "sums-v1"},
        training={"max_steps": 6, "eval_steps": 3},
    )
    folder = tmp_path_factory.mktemp("sft") / "run"
    return SFTJob(config, sum_task, run_id="run-1", output_dir=folder).run()


def read_json(folder: str | Path | None, name: str) -> Any:
    return json.loads((Path(str(folder)) / name).read_text(encoding="utf-8"))


def test_a_run_succeeds_and_leaves_its_result(trained: JobResult) -> None:
    assert (trained.status, trained.exit_code, trained.global_step) == ("success", 0, 6)
    assert JobResult.load(Path(str(trained.local_output_dir)) / File.JOB_RESULT) == trained
    assert trained.metrics["eval_loss"] > 0
    assert all(type(value) is float for value in trained.metrics.values())
    assert trained.warnings == []
    assert len(trained.termination_message().encode()) <= 4096


def test_the_adapter_is_saved_with_its_tokenizer_and_hash(trained: JobResult) -> None:
    final = Path(str(trained.local_output_dir)) / File.FINAL_CHECKPOINT

    names = {path.name for path in final.iterdir()}

    assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json"} <= names
    assert File.CHECKPOINT_MANIFEST in names
    assert "README.md" not in names
    assert trained.adapter_sha256 == sha256_of_file(final / "adapter_model.safetensors")


def test_metrics_have_a_row_a_step(trained: JobResult) -> None:
    rows = metric_rows(trained.local_output_dir)

    steps = [row["step"] for row in rows if "loss" in row]
    assert steps == [1, 2, 3, 4, 5, 6]
    assert {"loss", "learning_rate", "grad_norm", "epoch", "time"} <= rows[0].keys()
    assert [row["step"] for row in rows if "eval_loss" in row] == [3, 6]


def test_the_manifest_says_what_the_run_was_made_of(trained: JobResult) -> None:
    manifest = read_json(trained.local_output_dir, File.MANIFEST)

    assert manifest["run_id"] == "run-1"
    assert manifest["created_at"].endswith("Z")
    assert manifest["dataset_key"] == "sums-v1"
    assert manifest["training_config"]["steps"] == 6
    assert manifest["recipe"] == "sum_task:SumTask"
    assert manifest["seed"] == 42
    assert manifest["datasets"]["train"]["rows"] == 64
    assert len(manifest["model"]["weights_sha256"]) == 64
    assert manifest["versions"]["torch"].startswith("2.")
    assert manifest["adapter_parent"] is None


def test_only_whole_checkpoints_are_left(trained: JobResult) -> None:
    folder = Path(str(trained.local_output_dir))
    names = [{p.name for p in f.iterdir() if p.is_dir()} for f in (folder, folder / "attempt-0")]

    assert names == [{"attempt-0", File.FINAL_CHECKPOINT}, {"checkpoint-4", "checkpoint-6"}]


def test_training_lowers_the_loss(make_config: Any, sum_task: Any, tmp_path: Path) -> None:
    training = {"max_steps": 15, "learning_rate": 0.01}
    config = make_config(adapter={"kind": "full"}, training=training)

    SFTJob(config, sum_task, output_dir=tmp_path).run()

    losses = [row["loss"] for row in metric_rows(tmp_path)]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_two_runs_of_one_seed_are_the_same(
    trained: JobResult, make_config: Any, sum_task: Any, tmp_path: Path, weights_of: Any
) -> None:
    same = SFTJob(make_config(), sum_task, output_dir=tmp_path / "same").run()
    other = SFTJob(make_config(training={"seed": 7}), sum_task, output_dir=tmp_path / "other").run()

    assert same.adapter_sha256 == trained.adapter_sha256
    assert other.adapter_sha256 != trained.adapter_sha256


def test_a_run_goes_on_from_an_adapter(
    trained: JobResult, make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    source = f"file://{trained.local_output_dir}/{File.FINAL_CHECKPOINT}"
    options = RunOptions(adapter_path=source, adapter_sha256=trained.adapter_sha256)

    result = SFTJob(make_config(), sum_task, output_dir=tmp_path, options=options).run()

    parent = read_json(tmp_path, File.MANIFEST)["adapter_parent"]
    assert parent == {"path": source, "sha256": trained.adapter_sha256}
    assert metric_rows(tmp_path)[0]["loss"] < metric_rows(trained.local_output_dir)[0]["loss"]
    assert result.adapter_sha256 != trained.adapter_sha256


def test_an_adapter_of_another_hash_is_refused(
    trained: JobResult, make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    options = RunOptions(adapter_path=trained.local_output_dir, adapter_sha256="0" * 64)

    with pytest.raises(CheckpointError, match="expected 0000"):
        SFTJob(make_config(), sum_task, output_dir=tmp_path, options=options).run()


def test_a_checkpoint_of_another_run_is_refused(
    trained: JobResult, make_config: Any, sum_task: Any
) -> None:
    config = make_config(adapter={"r": 8})
    saved = Path(str(trained.local_output_dir)) / File.JOB_RESULT
    before = saved.read_bytes()

    with pytest.raises(CheckpointError, match="its adapter is"):
        SFTJob(config, sum_task, output_dir=trained.local_output_dir).run()

    saved.write_bytes(before)


@pytest.mark.parametrize(
    "case",
    [
        {"task": {"sft_rows": [{"messages": [{"role": "user", "content": "1+1"},
                                             {"role": "assistant", "content": "2"}]}] * 8}},
        {"task": {"sft_rows": [{"text": "1+1=2"}] * 8}},
        {"task": {"formats": True}},
        {"task": {"collator": True}},
        {"data": {"packing": True}},
        {"adapter": {"kind": "full"}},
        {"training": {"max_steps": None, "num_train_epochs": 0.5}},
    ],
    ids=["messages", "text", "formatting", "collator", "packing", "full", "epochs"],
)  # fmt: skip
def test_every_form_of_data_and_training_works(
    case: dict[str, Any], make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(**{"training": {"max_steps": 2}, **case})

    result = SFTJob(config, sum_task, output_dir=tmp_path).run()

    assert result.status == "success"
    assert result.global_step == (4 if "training" in case else 2)
    assert (result.adapter_sha256 is None) == ("adapter" in case)


@pytest.mark.parametrize(
    ("case", "error", "says"),
    [
        (
            {"task": {"sft_rows": [{"question": "1+1", "answer": "2"}]}},
            TaskError,
            "get_sft_dataset returned rows without the columns it needs. Found: question, answer. "
            "Expected: prompt and completion, or messages, or text",
        ),
        ({"task": {"sft_rows": []}}, TaskError, "get_sft_dataset returned no rows"),
        ({"task": {"sft_rows": 7}}, TaskError, "get_sft_dataset raised"),
        (
            {"data": {"max_length": 2}},
            TaskError,
            "No example of get_sft_dataset has a token left to train on",
        ),
        (
            {"task": {"formats": True}, "data": {"completion_only_loss": True}},
            ConfigError,
            "data.completion_only_loss",
        ),
        ({"adapter": {"target_modules": ["nowhere"]}}, ConfigError, "adapter.target_modules"),
        ({"model": {"name": "/no/such/folder"}}, ConfigError, "there is no folder"),
        ({"model": {"name": "nobody/no-model"}}, DependencyError, "looked in the cache"),
        ({"adapter": {"path": "/no/such/adapter"}}, DependencyError, "no adapter folder"),
        ({"checkpoint": {"resume": 4}}, CheckpointError, "no checkpoint of step 4"),
        (
            {"training": {"max_steps": 20, "learning_rate": 10, "max_grad_norm": 0}},
            DivergedError,
            "training stopped before it reached the weights",
        ),
    ],
    ids=[
        "columns", "empty", "raises", "too long", "formatting", "layers", "no folder", "no model",
        "no adapter", "no step", "diverges",
    ],
)  # fmt: skip
def test_bad_input_is_a_clear_error_with_a_result(
    case: dict[str, Any],
    error: type[Exception],
    says: str,
    make_config: Any,
    sum_task: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if error is DivergedError:
        poison_the_loss(monkeypatch, step=3)
    job = SFTJob(make_config(**case), sum_task, output_dir=tmp_path)

    with pytest.raises(error) as raised:
        job.run()

    result = JobResult.load(tmp_path / File.JOB_RESULT)
    assert says in str(raised.value)
    assert result.failure is not None
    assert says in result.failure.message
    assert result.exit_code == raised.value.exit_code  # type: ignore[attr-defined]
    assert result.status == ("diverged" if error is DivergedError else "failed")
    assert error.__name__ in (tmp_path / File.FAILURE).read_text(encoding="utf-8")


def poison_the_loss(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Makes the loss of a step NaN, as an overflow would."""
    from trl import SFTTrainer

    compute_loss = SFTTrainer.compute_loss

    def poisoned(self: Any, *args: Any, **kwargs: Any) -> Any:
        loss = compute_loss(self, *args, **kwargs)
        return loss * float("nan") if self.state.global_step + 1 == step else loss

    monkeypatch.setattr(SFTTrainer, "compute_loss", poisoned)


def test_a_stop_before_the_start_does_no_work(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    stop = StopRequest()
    stop.make("SIGTERM")
    job = SFTJob(make_config(), sum_task, output_dir=tmp_path, options=RunOptions(stop=stop))

    with pytest.raises(StoppedError):
        job.run()

    assert job.result is not None
    assert (job.result.status, job.result.exit_code) == ("stopped", 75)
    assert not (tmp_path / File.METRICS).exists()


@pytest.mark.parametrize("moment", ["trainer", "checkpoint"])
def test_a_stop_while_training_is_prepared_trains_no_step(
    moment: str, make_config: Any, sum_task: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenyson.jobs.training import _sft, _training

    stop = StopRequest()
    owner, name = {
        "trainer": (_sft, "TenysonSFTTrainer"),
        "checkpoint": (_training, "_start_from"),
    }[moment]
    original = getattr(owner, name)

    def asked(*args: Any, **kwargs: Any) -> Any:
        stop.make("SIGTERM")
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, asked)
    job = SFTJob(make_config(), sum_task, output_dir=tmp_path, options=RunOptions(stop=stop))

    with pytest.raises(StoppedError):
        job.run()

    assert job.result is not None
    assert (job.result.exit_code, job.result.global_step) == (75, 0)
    assert not (tmp_path / File.METRICS).exists()


def test_telemetry_is_written_under_the_run(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/telemetry.db"
    config = make_config(telemetry={"db_url": url}, training={"max_steps": 2})

    result = SFTJob(config, sum_task, run_id="r", output_dir=tmp_path / "out").run()

    with sqlite3.connect(tmp_path / "telemetry.db") as database:
        steps = database.execute("select run_id, step from sft_metrics order by step").fetchall()
        counts = [database.execute(f"select count(*) from {t}").fetchone()[0] for t in TABLES]
    assert steps == [("r", 1), ("r", 2)]
    again = 3  # the run's row once more when its manifest is there, the attempt's then and at last
    assert result.telemetry == {"written": sum(counts) + again, "spooled": 0}


def test_an_unreachable_database_does_not_stop_training(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    url = "postgresql+psycopg://user:secret-word@127.0.0.1:9/none"
    config = make_config(telemetry={"db_url": url}, training={"max_steps": 2})

    result = SFTJob(config, sum_task, output_dir=tmp_path).run()

    assert result.status == "success"
    lines = (tmp_path / File.TELEMETRY_SPOOL).read_text(encoding="utf-8").splitlines()
    assert result.telemetry["spooled"] == len(lines)
    assert [json.loads(line)["table"] for line in lines].count("sft_metrics") == 2
    assert result.warnings
    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert b"secret-word" not in written


def test_telemetry_that_waits_reaches_the_database_from_another_folder(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    options = RunOptions(output_uri=f"file://{tmp_path}/bucket")
    url = f"sqlite:///{tmp_path}/later/telemetry.db"
    (tmp_path / "later").touch()  # no folder: the database cannot be opened
    sections = {"telemetry": {"db_url": url}, "checkpoint": {"every_steps": 1}}
    first = make_config(**sections, training={"max_steps": 2})
    SFTJob(first, sum_task, run_id="r", output_dir=tmp_path / "one", options=options).run()
    (tmp_path / "later").unlink()
    (tmp_path / "later").mkdir()

    longer = make_config(**sections, training={"max_steps": 3})
    again = SFTJob(
        longer, sum_task, run_id="r", attempt=1, output_dir=tmp_path / "two", options=options
    ).run()

    with sqlite3.connect(tmp_path / "later/telemetry.db") as database:
        steps = database.execute("select step from sft_metrics order by step").fetchall()
    assert steps == [(1,), (2,), (3,)]
    assert again.telemetry["spooled"] == 0


def test_results_and_checkpoints_are_copied_to_the_uri(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    options = RunOptions(output_uri=f"file://{tmp_path}/bucket")
    config = make_config(checkpoint={"every_steps": 1, "keep": 1}, training={"max_steps": 2})
    SFTJob(config, sum_task, output_dir=tmp_path / "one", options=options).run()

    longer = make_config(checkpoint={"every_steps": 1, "keep": 1}, training={"max_steps": 3})
    again = SFTJob(longer, sum_task, output_dir=tmp_path / "two", options=options).run()

    names = {path.name for path in (tmp_path / "bucket").iterdir()}
    assert names == {
        File.JOB_RESULT, File.MANIFEST, File.METRICS, File.FINAL_CHECKPOINT, File.NEWEST_ATTEMPT,
        File.USAGE, "attempt-0", "attempt-1",
    }  # fmt: skip
    own = {path.name for path in (tmp_path / "bucket/attempt-1").iterdir()}
    assert own == {"checkpoint-3", File.FINAL_CHECKPOINT, File.JOB_RESULT, File.MANIFEST}
    first = {path.name for path in (tmp_path / "bucket/attempt-0").iterdir()}
    assert first == {File.JOB_RESULT, File.MANIFEST}
    assert again.resumed_from_step == 2
    assert [row["step"] for row in metric_rows(tmp_path / "two")] == [1, 2, 3]


def test_a_model_of_the_tasks_own(
    make_config: Any, sum_task: Any, tmp_path: Path, tiny_model: str
) -> None:
    task = {"base_models": {"tiny": tiny_model}}
    config = make_config(model={"name": "task:tiny"}, task=task, training={"max_steps": 1})

    SFTJob(config, sum_task, output_dir=tmp_path).run()

    model = read_json(tmp_path, File.MANIFEST)["model"]
    assert (model["name"], model["source"]) == ("task:tiny", tiny_model)


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_libraries_keep_quiet(
    kind: str, make_config: Any, sum_task: Any, tmp_path: Path, capfd: Any, caplog: Any
) -> None:
    config = make_config(
        adapter={"kind": kind}, training={"max_steps": 1}, checkpoint={"every_steps": 1}
    )
    with caplog.at_level(logging.WARNING):
        SFTJob(config, sum_task, output_dir=tmp_path).run()

    said = capfd.readouterr()
    assert said.out == ""
    assert all(line.startswith("SFT step") for line in said.err.splitlines()), said.err
