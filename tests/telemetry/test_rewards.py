"""Reward functions under watch: what passes, and what is refused."""

import functools
import inspect
from typing import Any

import numpy as np
import pytest

from tenyson.errors import DependencyError, RewardError
from tenyson.jobs.sampling._rewards import checked_rewards, distinct_names
from tests.telemetry.rewards import COMPLETIONS, PROMPTS, call, exact, slow


class Judge:
    def __call__(self, completions: list[str], **columns: Any) -> list[float]:
        return [0.5 for _ in completions]


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
