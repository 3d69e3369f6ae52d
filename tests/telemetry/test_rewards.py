"""Reward functions under watch: what passes, what is refused, what is recorded."""

import asyncio
import functools
import inspect
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tenyson.distributed.ranks import Ranks
from tenyson.errors import DependencyError, RewardError
from tenyson.jobs.sampling._generations import GenerationRecorder, weighted_sum
from tenyson.jobs.sampling._rewards import checked_rewards, distinct_names
from tenyson.jobs.sampling.round_facts import RoundFacts

PROMPTS = ["2+2=", "2+2=", "3+3=", "3+3="]
COMPLETIONS = ["4", "5", "6", "seven"]
TARGETS = ["4", "4", "6", "6"]


def call(func: Any, step: int = 3, **columns: Any) -> Any:
    """Calls a reward as TRL does."""
    inputs: dict[str, Any] = {
        "prompts": PROMPTS,
        "completions": COMPLETIONS,
        "completion_ids": [[1, 2]] * 4,
        "target": TARGETS,
        "trainer_state": SimpleNamespace(global_step=step),
    }
    answer = func(**(inputs | columns))
    return asyncio.run(answer) if inspect.isawaitable(answer) else answer


def exact(completions: list[str], target: list[str], **columns: Any) -> list[float]:
    """Whether the answer is the target."""
    return [float(c == t) for c, t in zip(completions, target, strict=True)]


async def slow(prompts: list[str], completions: list[str], **columns: Any) -> list[float | None]:
    return [None if p == "3+3=" else len(c) for p, c in zip(prompts, completions, strict=True)]


class Judge:
    def __call__(self, completions: list[str], **columns: Any) -> list[float]:
        return [0.5 for _ in completions]


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


def test_a_wrapped_function_keeps_its_name_signature_and_values() -> None:
    (wrapped,) = checked_rewards([exact])
    assert wrapped.__name__ == "exact"
    assert wrapped.__doc__ == exact.__doc__
    assert inspect.signature(wrapped) == inspect.signature(exact)
    assert call(wrapped) == [1.0, 0.0, 1.0, 0.0]


def test_a_function_stays_synchronous_or_asynchronous_as_trl_sees_it() -> None:
    from trl.trainer.utils import get_callable_name, is_async_callable

    funcs = [exact, slow, functools.partial(slow), Judge()]
    wrapped = checked_rewards(funcs)
    assert [is_async_callable(w) for w in wrapped] == [is_async_callable(f) for f in funcs]
    assert [get_callable_name(w) for w in wrapped] == ["exact", "slow", "slow_2", "Judge"]
    assert call(wrapped[2]) == [1.0, 1.0, None, None]


def test_names_are_made_distinct_without_taking_one_that_exists() -> None:
    assert distinct_names(["a", "a", "a_2", "a"]) == ["a", "a_2", "a_2_2", "a_3"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([1.0], "returned 1 values, expected a list of 4 numbers"),
        ([1.0] * 5, "returned 5 values, expected a list of 4 numbers"),
        (1.0, "returned float, expected a list of 4 numbers"),
        (None, "returned NoneType, expected a list"),
        ({"a": 1}, "returned dict, expected a list"),
        ([1, float("nan"), 1, 1], "returned nan for row 1: prompt '2+2=', completion '5'"),
        ([1, 1, 1, float("inf")], "returned inf for row 3: prompt '3+3=', completion 'seven'"),
        ([1, 1, "1.0", 1], "returned '1.0' for row 2"),
        ([1, 1, 1, [1]], "returned [1] for row 3"),
        ([1, 1e39, 1, 1], "returned 1e+39 for row 1"),
        ([1, -1e39, 1, 1], "returned -1e+39 for row 1"),
        ([1, 1, 10**400, 1], "returned 1000"),
        ([np.str_("a"), 1, 1, 1], "returned np.str_('a') for row 0"),
        ([np.str_("1.0"), 1, 1, 1], "returned np.str_('1.0') for row 0"),
    ],
)
def test_what_is_no_reward_is_refused_under_the_functions_name(answer: Any, said: str) -> None:
    def wrong(**columns: Any) -> Any:
        return answer

    with pytest.raises(RewardError) as caught:
        call(checked_rewards([wrong])[0])
    assert f"Reward 'wrong' {said}" in str(caught.value)


def test_numbers_of_every_library_become_floats() -> None:
    import torch

    for answer in (
        np.array([1, 0, 1, 0]),
        torch.tensor([1.0, 0.0, 1.0, 0.0]),
        [np.float32(1), False, True, torch.tensor(0.0)],
        (1, 0, 1, 0),
    ):
        values = call(checked_rewards([lambda answer=answer, **columns: answer])[0])
        assert values == [1.0, 0.0, 1.0, 0.0]
        assert {type(v) for v in values} == {float}


@pytest.mark.parametrize("row", range(4))
def test_an_error_names_the_function_the_row_and_its_cause(row: int) -> None:
    def parse(text: str) -> float:
        return float({"4": 1, "5": 2, "6": 3, "seven": 4}[text])

    def brittle(completions: list[str], target: list[str], **columns: Any) -> list[float]:
        return [parse(c) * len(t) for c, t in zip(completions, target, strict=True)]

    completions = list(COMPLETIONS)
    completions[row] = "what?" * 100
    with pytest.raises(RewardError) as caught:
        call(checked_rewards([brittle])[0], completions=completions)
    assert "Reward 'brittle' raised KeyError: 'what?" in str(caught.value)
    assert f"for row {row}: prompt {PROMPTS[row]!r}, completion 'what?" in str(caught.value)
    assert len(str(caught.value)) < 1100
    assert isinstance(caught.value.__cause__, KeyError)


def test_an_error_names_the_rows_own_id() -> None:
    def brittle(completions: list[str], **columns: Any) -> list[float]:
        return [1 / (len(c) - 5) for c in completions]

    with pytest.raises(RewardError, match=r"for row 3 \(id r9\): prompt '3\+3='"):
        call(checked_rewards([brittle])[0], id=["r1", "r2", "r3", "r9"])


def count_for_ever() -> None:
    while True:
        pass


HANGING = {
    "sleeps": lambda: time.sleep(60),
    "waits": lambda: threading.Event().wait(60),
    "computes": count_for_ever,
    "backtracks": lambda: re.match(r"(x+x+)+y", "x" * 30),
}


@pytest.mark.parametrize("kind", HANGING)
def test_a_function_that_hangs_is_ended_with_its_name(kind: str) -> None:
    def hanging(**columns: Any) -> Any:
        try:
            HANGING[kind]()
        except Exception:  # noqa: BLE001 - a reward that forgives everything must not forgive this
            return [0.0] * 4

    (wrapped,) = checked_rewards([hanging], timeout_seconds=0.1)
    with pytest.raises(RewardError, match=r"'hanging' did not answer within .* = 0.1 for a batch"):
        call(wrapped)


def test_a_function_that_hangs_off_the_main_thread_is_left_behind() -> None:
    let_go = threading.Event()

    def hanging(**columns: Any) -> None:
        let_go.wait(60)

    (wrapped,) = checked_rewards([hanging], timeout_seconds=0.1)
    with pytest.raises(RewardError, match="'hanging' did not answer within"):
        on_a_thread(call)(wrapped)
    let_go.set()


def on_a_thread(function: Any) -> Any:
    def run(*arguments: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(function, *arguments).result()

    return run


def test_an_asynchronous_function_that_hangs_is_ended_too() -> None:
    async def hanging(**columns: Any) -> None:
        await asyncio.sleep(60)

    (wrapped,) = checked_rewards([hanging], timeout_seconds=0.05)
    with pytest.raises(RewardError, match="'hanging' did not answer within"):
        call(wrapped)


def test_an_asynchronous_function_that_blocks_is_ended_too() -> None:
    async def blocking(**columns: Any) -> list[float]:
        time.sleep(1.0)  # as requests.post would
        return [0.0] * 4

    (wrapped,) = checked_rewards([blocking], timeout_seconds=0.05)
    began = time.monotonic()
    with pytest.raises(RewardError, match="'blocking' did not answer within"):
        call(wrapped)
    assert time.monotonic() - began < 0.8


def test_asynchronous_functions_share_a_loop_from_call_to_call() -> None:
    loops = set()

    async def first(**columns: Any) -> list[float]:
        loops.add(asyncio.get_running_loop())
        return [0.0] * 4

    async def second(**columns: Any) -> list[float]:
        return await first()

    for func in checked_rewards([first, second]) * 2:
        assert call(func) == [0.0] * 4
    assert len(loops) == 1


def test_a_time_out_of_the_functions_own_is_its_error_and_not_ours() -> None:
    async def judge(**columns: Any) -> None:
        raise TimeoutError("the judge is busy")

    (wrapped,) = checked_rewards([judge], timeout_seconds=5)
    with pytest.raises(RewardError, match="'judge' raised TimeoutError: the judge is busy"):
        call(wrapped)


def test_a_function_may_set_an_alarm_of_its_own_as_parsers_of_answers_do() -> None:
    def parse(completions: list[str], **columns: Any) -> list[float]:
        before = signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        time.sleep(0.03)
        signal.signal(signal.SIGALRM, before)
        return [1.0] * len(completions)

    before = signal.getsignal(signal.SIGVTALRM)
    (wrapped,) = checked_rewards([parse], timeout_seconds=5)
    assert call(wrapped) == [1.0] * 4
    assert signal.getsignal(signal.SIGVTALRM) is before


def test_the_share_that_a_function_does_not_apply_to_is_logged() -> None:
    logged = {}
    call(checked_rewards([slow])[0], log_metric=logged.__setitem__)
    assert logged == {"rewards/slow/none_share": 0.5}


def test_an_error_before_any_row_says_that_the_row_is_not_known() -> None:
    def broken(**columns: Any) -> list[float]:
        raise ZeroDivisionError

    with pytest.raises(RewardError, match=r"which row is not known.*row 0: prompt '2\+2='"):
        call(checked_rewards([broken])[0])


def test_an_asynchronous_error_is_named_too() -> None:
    async def judge(completions: list[str], **columns: Any) -> list[float]:
        return [1 / (len(c) - 5) for c in completions]

    with pytest.raises(RewardError, match=r"'judge' raised ZeroDivisionError.*for row 3"):
        call(checked_rewards([judge])[0])


def test_errors_that_are_not_the_rewards_own_pass() -> None:
    def away(**columns: Any) -> list[float]:
        raise DependencyError("The judge does not answer.")

    with pytest.raises(DependencyError):
        call(checked_rewards([away])[0])


@pytest.mark.parametrize("funcs", [[], None, "exact", ["a/reward-model"], [exact, 3]])
def test_what_are_no_functions_is_refused(funcs: Any) -> None:
    with pytest.raises(RewardError, match="expected a"):
        checked_rewards(funcs)


def test_a_reward_model_is_refused_with_what_to_do_instead() -> None:
    import torch

    with pytest.raises(RewardError, match="Wrap a reward model in a function"):
        checked_rewards([torch.nn.Linear(1, 1)])


def test_weights_must_match_the_functions() -> None:
    with pytest.raises(RewardError, match=r"has 1 numbers for 2 reward functions.*exact, slow"):
        checked_rewards([exact, slow], weights=[1.0])


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
