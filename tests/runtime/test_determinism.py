"""Random draws follow from the run's seed and the place; `strict` allows no other kernels."""

from pathlib import Path
from typing import Any

import pytest

from tenyson.config import parse_config
from tenyson.contract import ExitCode, JobType
from tenyson.errors import ConfigError
from tenyson.jobs.rl import RLJob
from tenyson.jobs.sft import SFTJob
from tenyson.jobs.training.determinism import as_refusal, with_strict_engine
from tests.runtime import sum_task as sums
from tests.runtime.left_behind import BY_CLOCK, metric_rows

STRICT = {"determinism": "strict"}


@pytest.mark.train
@pytest.mark.parametrize(
    ("job", "sections"),
    [
        (SFTJob, {"adapter": {"dropout": 0.1}}),
        (RLJob, {"adapter": {"dropout": 0.1}}),
        (SFTJob, {"training": STRICT}),
        (RLJob, {"training": STRICT}),
    ],
    ids=["sft", "rl", "sft, strict", "rl, strict"],
)
def test_two_runs_of_one_configuration_have_the_same_metrics_and_weights(
    job: Any, sections: dict[str, Any], make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    import torch

    config = make_config(**sections)

    first = job(config, sum_task, output_dir=tmp_path / "a").run()
    torch.rand(7)  # what else the process does is of no matter
    second = job(config, sum_task, output_dir=tmp_path / "b").run()

    assert first.adapter_sha256 == second.adapter_sha256
    assert metric_rows(tmp_path / "a", without=BY_CLOCK) == metric_rows(
        tmp_path / "b", without=BY_CLOCK
    )
    assert len(metric_rows(tmp_path / "a", without=BY_CLOCK)) == 6
    assert not torch.are_deterministic_algorithms_enabled(), "strict ends with its run"


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The completions of each round of sampling."""
    seen: list[list[str]] = []

    def note(completions: list[str], **columns: Any) -> list[float]:
        seen.append(list(completions))
        return sums.length_reward(completions)

    monkeypatch.setitem(sums.REWARDS, "note", note)
    return seen


@pytest.mark.train
def test_what_else_draws_random_numbers_does_not_change_what_is_sampled(
    make_config: Any,
    task_file: Path,
    tmp_path: Path,
    recorded: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a task that draws numbers in its rewards would not see the same samples twice."""
    import torch

    from tenyson.jobs.sampling._generations import GenerationRecorder

    config = make_config(training={"learning_rate": 1e-9, "max_steps": 3}, task={"reward": "note"})
    RLJob(config, sums.SumTask(), output_dir=tmp_path / "a").run()
    quiet = list(recorded)
    recorded.clear()
    add = GenerationRecorder.add
    monkeypatch.setattr(GenerationRecorder, "add", lambda *args: (torch.rand(13), add(*args))[1])

    RLJob(config, sums.SumTask(), output_dir=tmp_path / "b").run()

    assert recorded == quiet
    assert len({tuple(round_) for round_ in quiet}) == 3, "each round draws numbers of its own"


@pytest.mark.train
def test_each_request_to_vllm_has_a_seed_of_its_own_that_a_restart_does_not_change() -> None:
    from tenyson.jobs.resume._round_seeds import RoundSeeds, seeded_requests

    class Parameters:
        seed: int | None = None

        def clone(self) -> "Parameters":
            return Parameters()

    class Engine:
        def generate(self, prompts: list[Any], sampling_params: Any, use_tqdm: bool) -> list[int]:
            return [parameters.seed for parameters in sampling_params]

    def seeds_of(step: int, rank: int = 0) -> list[int]:
        llm = Engine()
        with seeded_requests(llm, RoundSeeds(42, rank).next("rl", step)):
            drawn = llm.generate(["a", "a", "b"], sampling_params=Parameters(), use_tqdm=False)
        assert llm.generate.__func__ is Engine.generate
        return drawn

    assert len(set(seeds_of(3))) == 3, "one seed for all would make a prompt's completions alike"
    assert seeds_of(3) == seeds_of(3)
    assert not {*seeds_of(3)} & {*seeds_of(4), *seeds_of(3, rank=1)}


@pytest.mark.train
def test_rounds_within_one_step_draw_by_other_seeds_and_leave_the_generator_alone() -> None:
    import torch

    from tenyson.jobs.resume._round_seeds import RoundSeeds

    seeds = RoundSeeds(42, 0)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    drawn = []
    for step in (0, 0, 1, 1, 0):
        with seeds.round("rl", step):
            drawn.append(torch.rand(4).tolist())

    assert drawn[0] == drawn[4], "a step that is trained again"
    assert len({tuple(numbers) for numbers in drawn}) == 4
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.train
def test_each_epoch_has_an_order_of_its_own_that_follows_from_its_number() -> None:
    from tenyson.jobs.resume._round_seeds import EpochSampler

    def order(epoch: int) -> list[int]:
        sampler = EpochSampler(list(range(16)), mini_repeat_count=1, batch_size=4, seed=42)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(0) != order(1)
    assert order(1) == order(1)
    assert sorted(order(1)) == list(range(16))


@pytest.mark.train
def test_an_operation_without_a_deterministic_kernel_is_refused_with_its_name(
    make_config: Any, task_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    collate = sums.Collator.__call__

    def collate_and_put(self: Any, examples: Any) -> Any:
        batch = collate(self, examples)
        place = torch.tensor([0])
        batch["input_ids"].put_(place, batch["input_ids"].take(place))
        return batch

    monkeypatch.setattr(sums.Collator, "__call__", collate_and_put)
    config = make_config(training=STRICT, task={"collator": True})
    job = SFTJob(config, sums.SumTask(), output_dir=tmp_path / "strict")

    with pytest.raises(ConfigError, match="strict, but put_ has no determ") as e:
        job.run()

    assert e.value.exit_code == ExitCode.CONFIG
    assert "determinism: best" in e.value.hint
    best = make_config(training={"max_steps": 1}, task={"collator": True})
    assert SFTJob(best, sums.SumTask(), output_dir=tmp_path / "best").run().global_step == 1


def test_an_engine_that_was_set_up_too_early_is_refused_and_other_errors_are_not() -> None:
    refusal = as_refusal(RuntimeError("Deterministic behavior was enabled with either `torch.use"))

    assert refusal is not None
    assert "CUBLAS_WORKSPACE_CONFIG" in str(refusal)
    assert as_refusal(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None


def test_strict_leaves_out_cuda_graphs() -> None:
    config = parse_config({"model": {"name": "m"}, "training": STRICT}, JobType.RL)
    best = parse_config({"model": {"name": "m"}}, JobType.RL)

    assert with_strict_engine(config).vllm.enforce_eager
    assert with_strict_engine(best) == best
