"""Parts of the trainers whose several ranks are stood in for by one process."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tenyson.checkpoints import manifest
from tenyson.checkpoints.fence import Fence
from tenyson.config import parse_config
from tenyson.contract import ExitCode, File, JobType
from tenyson.distributed.place import RankPlace
from tenyson.distributed.ranks import Ranks
from tenyson.errors import CheckpointError, DivergedError
from tenyson.jobs.result import JobResult
from tenyson.jobs.training.amendments import Amendments

pytestmark = pytest.mark.train


class TwoRanks(Ranks):
    """This rank, and a peer."""

    def __init__(self, *, is_peer_broken: bool) -> None:
        super().__init__(RankPlace(rank=0, size=2))
        self._is_peer_broken = is_peer_broken

    def any_of(self, *flags: bool) -> tuple[bool, ...]:
        return tuple(bool(flag) or self._is_peer_broken for flag in flags)


@pytest.fixture
def guarded() -> Any:
    """Makes a guarded trainer whose micro-step has a given loss."""
    import torch

    from tenyson.jobs.training._trainers import _Guarded

    class Step:
        def training_step(self) -> Any:
            return torch.tensor(self.loss)

    class Trainer(_Guarded, Step):
        pass

    def make(loss: float, ranks: Ranks, *, fp16: bool) -> Any:
        trainer: Any = Trainer()
        trainer.loss, trainer.ranks = loss, ranks
        trainer.args = SimpleNamespace(fp16=fp16)
        trainer.state = SimpleNamespace(global_step=3)
        return trainer

    return make


@pytest.mark.parametrize(
    ("loss", "peer", "said"),
    [(float("nan"), False, "is nan"), (1.0, True, "is not finite on another rank")],
)
def test_with_float16_all_ranks_leave_where_one_loss_is_not_finite(
    guarded: Any, loss: float, peer: bool, said: str
) -> None:
    trainer = guarded(loss, TwoRanks(is_peer_broken=peer), fp16=True)

    with pytest.raises(DivergedError, match=f"The loss of step 4 {said}"):
        trainer.training_step()


@pytest.mark.parametrize("fp16", [True, False])
def test_ranks_whose_losses_are_finite_go_on(guarded: Any, fp16: bool) -> None:
    trainer = guarded(1.0, TwoRanks(is_peer_broken=False), fp16=fp16)

    assert float(trainer.training_step()) == 1.0


@pytest.mark.parametrize("saved_in_parts", [True, False])
def test_weights_that_were_saved_in_parts_are_not_compared_whole(
    tmp_path: Path, saved_in_parts: bool
) -> None:
    import torch

    from tenyson.jobs.resume._exact import ExactResume

    if saved_in_parts:
        (tmp_path / "fsdp_part_0.pt").touch()
    manifest.seal(tmp_path, states=[{"weights_sha256": "of this rank's part"}])
    resume: Any = ExactResume()
    resume.model, resume.ranks = torch.nn.Linear(2, 2), Ranks()

    if saved_in_parts:
        resume.check_weights(tmp_path)
    else:
        with pytest.raises(CheckpointError, match="the trained weights"):
            resume.check_weights(tmp_path)


@pytest.mark.parametrize("resume", ["auto", "never"])
def test_the_attempt_after_a_lack_of_memory_starts_smaller(tmp_path: Path, resume: str) -> None:
    from tenyson.jobs.training._recovery import _amendments_so_far

    out_of_memory = JobResult("run", "failed", 1.0, exit_code=int(ExitCode.OUT_OF_MEMORY))
    out_of_memory.save(tmp_path / "attempt-0" / File.JOB_RESULT)
    (tmp_path / File.AMENDMENTS).write_text(Amendments(learning_rate_scale=0.5).to_json())
    sections = {
        "model": {"name": "m"},
        "training": {"per_device_train_batch_size": 4},
        "checkpoint": {"resume": resume},
    }
    config = parse_config(sections, JobType.SFT)
    context: Any = SimpleNamespace(
        **{"ranks": Ranks(), "output_dir": tmp_path, "mirror": None, "job_type": JobType.SFT},
        **{"fence": Fence(tmp_path, 1), "warn": lambda message, **event: None},
    )

    amendments = _amendments_so_far(context, config)

    assert amendments is not None
    assert amendments.apply(config).training.per_device_train_batch_size == 2
    assert amendments.has_rolled_back == (resume == "auto")
