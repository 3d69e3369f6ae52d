"""A step that does not fit in memory is tried once in smaller parts, and comes out the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import ExitCode, File
from tenyson.errors import OutOfMemoryError
from tenyson.jobs.result import JobResult
from tenyson.jobs.rl import RLJob
from tenyson.jobs.sft import SFTJob

pytestmark = pytest.mark.train


@pytest.fixture
def memory() -> Iterator[Any]:
    """A device that holds `limit` rows: more of them raise torch's own error within the model."""
    import torch

    class Memory:
        limit: int | None = None
        after = 0
        """Larger batches that pass before the limit counts."""
        only_training = False
        refused = 0

        def look(self, module: Any, inputs: tuple[Any, ...]) -> None:
            if self.limit is None or not isinstance(module, torch.nn.Embedding):
                return
            if inputs[0].shape[0] <= self.limit or (
                self.only_training and not torch.is_grad_enabled()
            ):
                return
            if self.after > 0:
                self.after -= 1
                return
            self.refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    found = Memory()
    hook = torch.nn.modules.module.register_module_forward_pre_hook(found.look)
    yield found
    hook.remove()


HALVED = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}


def test_sft_goes_on_in_smaller_parts_with_the_same_weights(
    make_config: Any,
    sum_task: Any,
    tmp_path: Path,
    memory: Any,
    weights_of: Any,
    largest_difference: Any,
) -> None:
    SFTJob(make_config(training=HALVED), sum_task, output_dir=tmp_path / "small").run()
    memory.limit = 4

    result = SFTJob(make_config(), sum_task, output_dir=tmp_path / "large").run()

    assert result.succeeded
    assert memory.refused == 1
    assert (
        "per_device_train_batch_size is 4 and training.gradient_accumulation_steps 2"
        in (result.warnings[0])
    )
    small, large = (weights_of(tmp_path / name) for name in ("small", "large"))
    assert largest_difference(small, large) == 0.0


def test_sft_goes_back_to_its_last_checkpoint_and_the_next_attempt_stays_small(
    make_config: Any,
    sum_task: Any,
    tmp_path: Path,
    memory: Any,
    weights_of: Any,
    largest_difference: Any,
) -> None:
    saved = {"every_seconds": None, "every_steps": 2}
    first = make_config(training={"max_steps": 2, "lr_scheduler_type": "constant"})
    rest = {"lr_scheduler_type": "constant"}
    SFTJob(
        {**first, "checkpoint": saved}, sum_task, output_dir=tmp_path / "small", run_id="a"
    ).run()
    small = make_config(training={**HALVED, **rest}, checkpoint=saved)
    SFTJob(small, sum_task, output_dir=tmp_path / "small", run_id="a", attempt=1).run()
    memory.limit, memory.after = 4, 3  # the fourth step

    result = SFTJob(
        make_config(training=rest, checkpoint=saved), sum_task, output_dir=tmp_path / "large"
    ).run()

    assert memory.refused == 1
    assert "after step 3" in result.warnings[0]
    assert (tmp_path / "large" / File.AMENDMENTS).is_file()
    parts = (weights_of(tmp_path / name) for name in ("small", "large"))
    assert largest_difference(*parts) == 0.0
    longer = make_config(training={**rest, "max_steps": 8}, checkpoint=saved)
    again = SFTJob(longer, sum_task, output_dir=tmp_path / "large", attempt=1).run()
    assert again.global_step == 8
    assert memory.refused == 1


@pytest.mark.parametrize("where", ["training", "sampling"])
def test_rl_goes_on_in_smaller_parts_with_the_same_weights(
    where: str,
    make_config: Any,
    sum_task: Any,
    tmp_path: Path,
    memory: Any,
    weights_of: Any,
    largest_difference: Any,
) -> None:
    sampling = {"sampling_batch_size": 4} if where == "sampling" else {}
    small = make_config(training={**HALVED, "max_steps": 3}, rl=sampling)
    RLJob(small, sum_task, output_dir=tmp_path / "small").run()
    memory.limit, memory.only_training = 4, where == "training"

    result = RLJob(
        make_config(training={"max_steps": 3}), sum_task, output_dir=tmp_path / "large"
    ).run()

    assert result.succeeded
    assert memory.refused == 1
    assert f"while {where}" in result.warnings[0]
    parts = (weights_of(tmp_path / name) for name in ("small", "large"))
    assert largest_difference(*parts) == 0.0


def test_inside_a_round_of_sampling_the_completions_at_hand_are_cut_anew(
    make_config: Any,
    sum_task: Any,
    tmp_path: Path,
    memory: Any,
    weights_of: Any,
    largest_difference: Any,
) -> None:
    """The checkpoint of step 3 holds a round whose last quarter is still to be trained."""
    saved = {"every_seconds": None, "every_steps": 3}
    steady = {"lr_scheduler_type": "constant"}

    def config(steps: int, micro: dict[str, Any], rounds: int) -> dict[str, Any]:
        training = {**steady, **micro, "max_steps": steps}
        return make_config(training=training, rl={"steps_per_generation": rounds}, checkpoint=saved)

    RLJob(config(3, {}, 4), sum_task, output_dir=tmp_path / "small", run_id="a").run()
    RLJob(
        config(6, HALVED, 8), sum_task, output_dir=tmp_path / "small", run_id="a", attempt=1
    ).run()
    memory.limit, memory.only_training, memory.after = 4, True, 4

    result = RLJob(config(6, {}, 4), sum_task, output_dir=tmp_path / "large").run()

    assert memory.refused == 1
    assert "after step 4" in result.warnings[0]
    parts = (weights_of(tmp_path / name) for name in ("small", "large"))
    assert largest_difference(*parts) == 0.0


def test_a_second_time_ends_the_run_and_says_what_to_change(
    make_config: Any, run_runner: Any, memory: Any
) -> None:
    memory.limit = 2

    ended = run_runner(make_config())

    assert ended.code == ExitCode.OUT_OF_MEMORY
    assert memory.refused == 2
    failure = ended.result.failure
    assert failure.type == "OutOfMemoryError"
    assert "CUDA out of memory" in failure.message
    assert "per_device_train_batch_size" in failure.hint
    assert "4 and training.gradient_accumulation_steps 2" in ended.result.warnings[0]


def test_an_attempt_after_one_that_ran_out_starts_small(
    make_config: Any, sum_task: Any, tmp_path: Path, memory: Any
) -> None:
    """As of several ranks, none of which can go back by itself."""
    memory.limit = 0
    with pytest.raises(OutOfMemoryError):
        SFTJob(make_config(), sum_task, output_dir=tmp_path).run()
    (tmp_path / File.AMENDMENTS).unlink()
    assert JobResult.load(tmp_path / File.JOB_RESULT).exit_code == ExitCode.OUT_OF_MEMORY
    memory.limit, memory.refused = 4, 0

    result = SFTJob(make_config(), sum_task, output_dir=tmp_path, attempt=1).run()

    assert memory.refused == 0
    assert "attempt before this one ran out of memory" in result.warnings[0]
