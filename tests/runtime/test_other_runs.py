"""A checkpoint that this attempt must not go on from, and what may change between two attempts."""

import logging
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tenyson.config import parse_config
from tenyson.contract import ExitCode, JobType
from tenyson.errors import CheckpointError
from tenyson.jobs.resume.recipe import changed_settings, recipe, refuse_another_run
from tenyson.jobs.sft import SFTJob
from tests.runtime.sum_task import rows
from tests.tiny_model import make_tiny_model


class ThisTask:
    """A task."""


class AnotherTask:
    """Another one."""


ARGUMENTS = {
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 2,
    "seed": 42,
    "packing": False,
}


def recipe_with(
    *,
    task: Any = None,
    ranks: int = 1,
    data: str = "a" * 64,
    arguments: Mapping[str, Any] | None = None,
    base: str = "b" * 64,
    **sections: Any,
) -> dict[str, Any]:
    config = parse_config({"model": {"name": "m"}, **sections}, JobType.SFT)
    context: Any = SimpleNamespace(
        config=config,
        plain_config=config.model_dump(),
        job_type=JobType.SFT,
        task=task or ThisTask(),
        ranks=SimpleNamespace(size=ranks),
        result=SimpleNamespace(run_id="r", attempt=1),
    )
    given = SimpleNamespace(**{**ARGUMENTS, **(arguments or {})})
    return {**recipe(context, given, {"train": data}), "base_fingerprint": base}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": {"name": "n"}}, "its model is 'm', this run's is 'n'"),
        ({"model": {"name": "m", "revision": "v2"}}, "its revision is 'main'"),
        ({"base": "c" * 64}, "base model's fingerprint"),
        ({"adapter": {"r": 8}}, "its adapter is"),
        ({"adapter": {"kind": "dora"}}, "its adapter is"),
        ({"ranks": 2}, "saved on 1 rank"),
        ({"task": AnotherTask()}, "its task is"),
        (
            {"data": "d" * 64},
            "trained on other data: the fingerprint of the rows was train aaa",
        ),
        ({"arguments": {"seed": 43}}, "with seed 42, this attempt has 43"),
        ({"arguments": {"packing": True}}, "saved with packing off"),
        ({"arguments": {"gradient_accumulation_steps": 1}}, "with examples_per_step 16"),
    ],
    ids=str,
)
def test_what_would_make_another_run_of_it_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(CheckpointError) as raised:
        refuse_another_run("checkpoint-4", recipe_with(), recipe_with(**change))

    assert says in raised.value.message
    assert "checkpoint-4" in raised.value.message
    assert raised.value.hint


@pytest.mark.parametrize("was_split", [True, False])
def test_ranks_that_split_weights_and_ranks_that_do_not_leave_different_checkpoints(
    was_split: bool,
) -> None:
    saved, own = (
        recipe_with(ranks=2, training={"fsdp": splits}) for splits in (was_split, not was_split)
    )

    with pytest.raises(CheckpointError) as raised:
        refuse_another_run("checkpoint-4", saved, own)

    assert f"saved with training.fsdp: {str(was_split).lower()}" in raised.value.message
    assert f"Set training.fsdp: {str(was_split).lower()}" in (raised.value.hint or "")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"training": {"fsdp": True}},
        {"training": {"learning_rate": 0.5, "max_steps": 9}},
        {"arguments": {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 4}},
        {"guards": {}},
    ],
    ids=str,
)
def test_what_leaves_it_the_same_run_is_not(change: dict[str, Any]) -> None:
    refuse_another_run("checkpoint-4", recipe_with(), recipe_with(**change))


def test_settings_that_changed_are_listed() -> None:
    now = recipe_with(training={"learning_rate": 0.5})

    assert changed_settings(recipe_with(), now) == ["training.learning_rate 2e-05 → 0.5"]
    assert changed_settings({}, now) == []


@pytest.mark.train
def test_a_checkpoint_on_other_rows_or_another_base_model_is_refused_by_a_run(
    make_config: Any, sum_task: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    model = make_tiny_model(tmp_path / "model")
    config = make_config(model={"name": str(model)}, checkpoint={"every_steps": 2})
    SFTJob(config, sum_task, run_id="r", output_dir=tmp_path / "run").run()
    # It has trained to the end; with other rows it would train anew.
    other_rows = {**config, "task": {"sft_rows": rows(64, seed=5)}}
    job = SFTJob(other_rows, sum_task, run_id="r", output_dir=tmp_path / "run")

    with pytest.raises(CheckpointError, match="other data") as raised:
        job.run()

    assert raised.value.exit_code == ExitCode.TASK
    assert "which trained to the end (step 6) with another configuration" in caplog.text
    scale_weights(model)
    longer = {**config, "training": {**config["training"], "max_steps": 8}}
    with pytest.raises(CheckpointError, match="base model's fingerprint"):
        SFTJob(longer, sum_task, run_id="r", output_dir=tmp_path / "run").run()


def scale_weights(model: Path) -> None:
    """Makes another model under the same name."""
    from safetensors.torch import load_file, save_file

    tensors = {n: t * 1.01 for n, t in load_file(model / "model.safetensors").items()}
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
