"""What a checkpoint's manifest says of the state is compared with what was loaded, each part."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenyson.checkpoints import manifest
from tenyson.contract import ExitCode
from tenyson.errors import CheckpointError
from tenyson.jobs.sft import SFTJob

pytestmark = pytest.mark.train
DROPOUT = {"adapter": {"dropout": 0.1}}
"""So that a step draws random numbers."""


@pytest.fixture(scope="module")
def half_trained(build_config: Any, sum_task: Any, tmp_path_factory: Any) -> Path:
    """The output folder of a run of six steps that has only its checkpoint of step 3 left."""
    folder: Path = tmp_path_factory.mktemp("half") / "run"
    config = build_config(**DROPOUT, checkpoint={"every_steps": 3})
    SFTJob(config, sum_task, run_id="r", output_dir=folder).run()
    shutil.rmtree(folder / "attempt-0/checkpoint-6")
    shutil.rmtree(folder / "checkpoint-final")
    return folder


def change_adapter(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    name = min(tensors)
    tensors[name][0, 0] += 1e-3
    save_file(tensors, path, metadata={"format": "pt"})


def change_saved(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def change_file(folder: Path) -> None:
        import torch

        state = torch.load(folder / name, weights_only=False)
        change(state)
        torch.save(state, folder / name)

    return change_file


def change_text(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")

    return change


def drop(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def other_moment(state: Any) -> None:
    state["state"][0]["exp_avg"] += 1e-6


def other_python(state: Any) -> None:
    import random

    state["python"] = random.Random(1).getstate()


def other_numpy(state: Any) -> None:
    import numpy

    state["numpy"] = numpy.random.RandomState(1).get_state()


def other_torch(state: Any) -> None:
    import torch

    state["cpu"] = torch.Generator().manual_seed(1).get_state()


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "weights": (change_adapter, "says: the trained weights. No step"),
    "step": (
        change_text("trainer_state.json", '"global_step": 3', '"global_step": 2'),
        "says: the global step. No step",
    ),
    "optimiser": (change_saved("optimizer.pt", other_moment), "says: the optimiser's state. No"),
    "no optimiser": (drop("optimizer.pt"), "the optimiser's state, the schedule's step, the lear"),
    "learning rate": (
        change_saved("scheduler.pt", lambda state: state.update(last_epoch=2)),
        "says: the schedule's step, the learning rate of the next step. No step",
    ),
    "python": (change_saved("rng_state.pth", other_python), "random state of python. No step"),
    "numpy": (change_saved("rng_state.pth", other_numpy), "says: the random state of numpy. No"),
    "torch": (change_saved("rng_state.pth", other_torch), "says: the random state of torch. No"),
    "no random states": (drop("rng_state.pth"), "says: the random state of torch. No"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_state_that_is_not_what_was_saved_is_refused_before_the_first_step(
    what: str, half_trained: Path, make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    """The files are sealed anew: by their hashes alone the checkpoint is whole."""
    change, says = CHANGES[what]
    folder = Path(shutil.copytree(half_trained, tmp_path / "run"))
    checkpoint = folder / "attempt-0/checkpoint-3"
    change(checkpoint)
    facts = manifest.read(checkpoint)
    manifest.seal(checkpoint, **{n: v for n, v in facts.items() if n not in ("files",)})
    assert manifest.verify(checkpoint)
    job = SFTJob(make_config(**DROPOUT), sum_task, run_id="r", output_dir=folder)

    with pytest.raises(CheckpointError) as raised:
        job.run()

    assert says in raised.value.message
    assert raised.value.exit_code == ExitCode.TASK
    assert job.result is not None
    assert job.result.global_step == 3
    assert checkpoint.is_dir(), "nothing that was saved is destroyed"


def test_a_library_that_restores_no_random_states_is_found_out(
    half_trained: Path,
    make_config: Any,
    sum_task: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tenyson.jobs.resume._exact import ExactResume

    monkeypatch.setattr(ExactResume, "_load_rng_state", lambda *args: None)
    folder = Path(shutil.copytree(half_trained, tmp_path / "run"))

    with pytest.raises(CheckpointError, match="loaded without its random states"):
        SFTJob(make_config(**DROPOUT), sum_task, run_id="r", output_dir=folder).run()


def test_a_checkpoint_of_before_there_were_facts_is_gone_on_with(
    half_trained: Path, make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(half_trained, tmp_path / "run"))
    checkpoint = folder / "attempt-0/checkpoint-3"
    facts = manifest.read(checkpoint)
    old = ("run_id", "attempt", "job_type", "model", "adapter", "ranks", "step")
    manifest.seal(checkpoint, **{name: facts[name] for name in old})

    result = SFTJob(make_config(**DROPOUT), sum_task, run_id="r", output_dir=folder).run()

    assert (result.resumed_from_step, result.global_step) == (3, 6)


def test_a_learning_rate_that_was_changed_takes_effect_and_is_said(
    half_trained: Path, make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    """By itself torch brings the old one back with the optimiser's state."""
    folder = Path(shutil.copytree(half_trained, tmp_path / "run"))
    config = make_config(**DROPOUT, training={"learning_rate": 0.002, "weight_decay": 0.25})
    job = SFTJob(config, sum_task, run_id="r", output_dir=folder)

    result = job.run()

    assert result.metrics["learning_rate"] == pytest.approx(0.002 / 4)
    assert (
        "training.learning_rate 0.01 → 0.002; training.weight_decay 0.0 → 0.25"
        in (result.warnings[0])
    )
