import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import File
from tenyson.errors import (
    CheckpointError,
)
from tenyson.files import sha256_of_file
from tenyson.jobs.options import RunOptions
from tenyson.jobs.result import JobResult
from tenyson.jobs.sft import SFTJob
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
