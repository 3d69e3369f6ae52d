"""What is recorded of a round of sampling: its groups, each function's rewards, their sum."""

from typing import Any

import pytest

from tenyson.distributed.ranks import Ranks
from tenyson.errors import RewardError
from tenyson.jobs.sampling._generations import GenerationRecorder, weighted_sum
from tenyson.jobs.sampling._rewards import checked_rewards
from tenyson.jobs.sampling.round_facts import RoundFacts
from tests.telemetry.rewards import COMPLETIONS, PROMPTS, call, exact, slow


class Recorded:
    """Stands where Telemetry would, and keeps what it is given."""

    enabled = True

    def __init__(self) -> None:
        self.rounds: list[tuple[int, Any, str, int]] = []
        self.weights: Any = None
        self.policy_version: Any = None

    def record_rollouts(
        self,
        step: int,
        groups: Any,
        *,
        phase: str,
        sampling_round: int,
        weights: Any,
        policy_version: int,
    ) -> None:
        self.rounds.append((step, groups, phase, sampling_round))
        self.weights, self.policy_version = weights, policy_version


def watch(*funcs: Any, size: int = 2, **options: Any) -> tuple[list[Any], Recorded]:
    telemetry = Recorded()
    weights = options.pop("weights", None)
    recorder = GenerationRecorder(telemetry, size, weights, **options)  # type: ignore[arg-type]
    return checked_rewards(funcs, recorder, weights), telemetry


def test_groups_hold_every_functions_reward_and_the_weighted_total() -> None:
    wrapped, telemetry = watch(exact, slow, weights=[2.0, 0.5])
    call(wrapped[0])
    assert telemetry.rounds == []
    call(wrapped[1])
    ((step, groups, phase, number),) = telemetry.rounds
    assert (step, phase, number) == (3, "rl", 0)
    assert telemetry.weights == {"exact": 2.0, "slow": 0.5}
    assert telemetry.policy_version == 3
    assert [(g.index, g.prompt, len(g.completions)) for g in groups] == [
        (0, "2+2=", 2),
        (1, "3+3=", 2),
    ]
    assert [c.rewards for g in groups for c in g.completions] == [
        {"exact": 1.0, "slow": 1.0},
        {"exact": 0.0, "slow": 1.0},
        {"exact": 1.0, "slow": None},
        {"exact": 0.0, "slow": None},
    ]
    assert [c.total for g in groups for c in g.completions] == [2.5, 0.5, 2.0, 0.0]
    assert {c.tokens for g in groups for c in g.completions} == {2}


def test_a_round_waits_for_what_the_trainer_knows_of_it() -> None:
    recorder = GenerationRecorder(telemetry := Recorded(), 2)  # type: ignore[arg-type]
    recorder.waits_for_facts = True
    (wrapped,) = checked_rewards([exact], recorder)
    call(wrapped, completion_ids=[[5, 1], [5, 5], [1], []])
    assert telemetry.rounds == []
    recorder.complete(RoundFacts([0.1, -0.1, 0.2, -0.2], [0.5, None, 0.0, 0.25], {1}, 2.0))
    recorder.complete(RoundFacts())
    ((_, groups, _, _),) = telemetry.rounds
    found = [c for g in groups for c in g.completions]
    assert [c.truncated for c in found] == [False, True, False, False]
    assert [c.advantage for c in found] == [0.1, -0.1, 0.2, -0.2]
    assert [c.logprob_gap for c in found] == [0.5, None, 0.0, 0.25]
    assert {c.latency_seconds for c in found} == {2.0}


def test_the_gap_leaves_out_what_vllm_could_not_score_and_the_environment_wrote() -> None:
    import torch

    from tenyson.jobs.sampling._round_facts import logprob_gaps

    nan = float("nan")
    batch = {
        "completion_mask": torch.tensor([[1, 1, 1], [1, 0, 0], [1, 1, 0]]),
        "tool_mask": torch.tensor([[1, 0, 1], [1, 1, 1], [1, 1, 1]]),
        "old_per_token_logps": torch.tensor([[-1, -1, -1], [-2, 9, 9], [-1, -1, 0.0]]),
        "sampling_per_token_logps": torch.tensor([[-1.5, 9, -2], [nan, 0, 0], [-1, nan, 0]]),
    }
    assert logprob_gaps(batch) == [0.75, None, 0.0]
    del batch["sampling_per_token_logps"]
    assert logprob_gaps(batch) is None


def test_asynchronous_functions_may_answer_first() -> None:
    wrapped, telemetry = watch(exact, slow)
    call(wrapped[1])
    call(wrapped[0])
    assert len(telemetry.rounds) == 1


def test_rounds_of_one_step_are_numbered() -> None:
    (wrapped,), telemetry = watch(exact)
    for step in (0, 0, 1):
        call(wrapped, step=step, prompts=list(PROMPTS))
    assert [(step, number) for step, _, _, number in telemetry.rounds] == [(0, 0), (0, 1), (1, 0)]


def test_a_round_in_which_a_function_failed_is_forgotten() -> None:
    def fails_at_step_0(trainer_state: Any, completions: Any, **columns: Any) -> list[float]:
        return [1 / trainer_state.global_step for _ in completions]

    wrapped, telemetry = watch(exact, fails_at_step_0)
    call(wrapped[0], step=0)
    with pytest.raises(RewardError):
        call(wrapped[1], step=0)
    prompts = list(PROMPTS)
    for func in wrapped:
        call(func, step=1, prompts=prompts)
    assert [step for step, *_ in telemetry.rounds] == [1]


class Halves(Ranks):
    """Stands for two ranks that have sampled the same."""

    def gather(self, value: Any) -> list[Any]:
        return [value, value]


def test_a_group_on_two_ranks_is_recorded_as_one() -> None:
    (wrapped,), telemetry = watch(exact, size=8, ranks=Halves())
    call(wrapped)
    ((_, groups, _, _),) = telemetry.rounds
    assert [(g.index, len(g.completions)) for g in groups] == [(0, 8)]


def test_conversations_are_recorded_as_text() -> None:
    prompts = [[{"role": "system", "content": "Add."}, {"role": "user", "content": "2+2"}]] * 4
    completions = [[{"role": "assistant", "content": c}] for c in COMPLETIONS]
    (wrapped,), telemetry = watch(lambda completions, **columns: [1.0] * len(completions))
    call(wrapped, prompts=prompts, completions=completions)
    ((_, groups, _, _),) = telemetry.rounds
    assert groups[0].prompt.startswith('[{"role": "system"')
    assert groups[0].completions[0].text == "4"


def test_a_completion_that_no_function_scores_has_no_total() -> None:
    assert weighted_sum([None, None], [1.0, 1.0]) is None
    assert weighted_sum([None, 2.0], [1.0, 0.5]) == 1.0
