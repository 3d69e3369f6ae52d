"""Reward functions under watch: what they return is checked, and recorded with the completions.

TRL calls each function once per round of sampling with `prompts`, `completions`,
`completion_ids`, every other column of the dataset, and `trainer_state`; asynchronous ones run
together on another thread. It takes None as "does not apply" and adds up the rest by weight.
Source: trl 1.16.0, `GRPOTrainer._calculate_rewards` and `_generate_and_score_completions`.
"""

import functools
import inspect
import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from tenyson.errors import RewardError, TenysonError
from tenyson.jobs.sampling._generations import GenerationRecorder
from tenyson.jobs.sampling._reward_rows import failing_row
from tenyson.jobs.sampling.time_limit import LoopThread, Overrun, call_within
from tenyson.telemetry.rows import as_text

Reward = Callable[..., Any]
LARGEST = (2 - 2**-23) * 2.0**127
"""The largest number of float32, in which TRL adds rewards up."""
SHOWN_CHARACTERS = 200
"""Of a prompt or a completion in a message; of a prompt the end, of a completion the start."""


def checked_rewards(
    funcs: Sequence[Reward],
    recorder: GenerationRecorder | None = None,
    weights: Sequence[float] | None = None,
    *,
    timeout_seconds: float | None = None,
) -> list[Reward]:
    """Returns the functions wrapped, in their order: same names, signatures and async nature.

    Args:
        funcs: The task's reward functions; a second one of the same name gets `_2` after it.
        recorder: Gets what they return; None records nothing.
        weights: One per function, checked only; the recorder and the trainer apply them.
        timeout_seconds: For one call of one function; None waits for ever.

    Raises:
        RewardError: There is none, one is no function, or the weights do not match; the wrapped
            functions raise it for a call that fails or returns something that is no reward.
    """
    if not isinstance(funcs, Sequence) or isinstance(funcs, str) or not funcs:
        raise RewardError(
            f"get_reward_funcs returned {_shown(repr(funcs))}, expected a list of functions."
        )
    if weights is not None and len(weights) != len(funcs):
        raise RewardError(
            f"rl.reward_weights has {len(weights)} numbers for {len(funcs)} reward functions.",
            hint=f"Give one per function: {', '.join(map(_name_of, funcs))}.",
        )
    for place, func in enumerate(funcs):
        _refuse_what_is_no_function(place, func)
    names = distinct_names([_name_of(func) for func in funcs])
    if recorder is not None:
        recorder.expect(names)
    loop = LoopThread()
    return [
        _wrapped(func, name, recorder, timeout_seconds, loop)
        for func, name in zip(funcs, names, strict=True)
    ]


def distinct_names(names: Sequence[str]) -> list[str]:
    """Returns the names, each that is taken already with the first free `_2`, `_3`, … after it."""
    taken: list[str] = []
    for name in names:
        candidates = (name if n == 1 else f"{name}_{n}" for n in range(1, len(names) + 2))
        taken.append(next(c for c in candidates if c not in taken))
    return taken


def _wrapped(
    func: Reward,
    name: str,
    recorder: GenerationRecorder | None,
    seconds: float | None,
    loop: LoopThread,
) -> Reward:
    def accept(answer: Any, inputs: Mapping[str, Any]) -> list[float | None]:
        values = checked_values(name, answer, inputs)
        _log_what_does_not_apply(name, values, inputs)
        if recorder is not None:
            recorder.add(name, values, inputs)
        return values

    if _is_async(func):

        async def wrapper(**inputs: Any) -> list[float | None]:
            try:
                answer = await loop.run_within(seconds, lambda: func(**inputs))
            except Overrun as overrun:
                raise _too_slow(name, seconds, inputs) from overrun
            except Exception as error:  # noqa: BLE001 - raised again under its name
                _fail(name, error, inputs)
            return accept(answer, inputs)

    else:

        def wrapper(**inputs: Any) -> list[float | None]:  # type: ignore[misc]
            try:
                answer = call_within(seconds, lambda: func(**inputs))
            except Overrun as overrun:
                raise _too_slow(name, seconds, inputs) from overrun
            except Exception as error:  # noqa: BLE001 - raised again under its name
                _fail(name, error, inputs)
            return accept(answer, inputs)

    functools.update_wrapper(wrapper, func)
    wrapper.__name__ = name  # a partial or an object has none; a second one needs another
    return wrapper


def _log_what_does_not_apply(
    name: str, values: Sequence[float | None], inputs: Mapping[str, Any]
) -> None:
    """Has the trainer log the share of completions that the function gave None for."""
    log = inputs.get("log_metric")
    if log is not None and values:
        log(f"rewards/{name}/none_share", sum(v is None for v in values) / len(values))


def checked_values(name: str, answer: Any, inputs: Mapping[str, Any]) -> list[float | None]:
    """Returns one finite number, or None, a completion.

    Raises:
        RewardError: Wrong kind, wrong length, or a value that is no finite number, with its row.
    """
    completions = inputs["completions"]
    answer = answer.tolist() if callable(getattr(answer, "tolist", None)) else answer
    expected = f"expected a list of {len(completions)} numbers, one per completion"
    if not isinstance(answer, list | tuple):
        kind = "a coroutine" if inspect.isawaitable(answer) else type(answer).__name__
        raise RewardError(f"Reward {name!r} returned {kind}, {expected}.")
    if len(answer) != len(completions):
        raise RewardError(f"Reward {name!r} returned {len(answer)} values, {expected}.")
    values: list[float | None] = []
    for row, value in enumerate(answer):
        number = _number(value)
        if number is not None and not abs(number) <= LARGEST:
            shown = _shown(repr(value))
            raise RewardError(
                f"Reward {name!r} returned {shown} for {_row(row, inputs)}",
                hint="Return a finite number that float32 holds, or None where the reward does not "
                "apply.",
            )
        values.append(number)
    return values


def _number(value: Any) -> float | None:
    """The value as a float; NaN stands for what is no number."""
    if value is None:
        return None
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", 1) == 0:
        value = item()  # a scalar of NumPy or torch
    try:
        return float(value) if isinstance(value, numbers.Real) else math.nan
    except OverflowError:
        return math.inf


def _fail(name: str, error: Exception, inputs: Mapping[str, Any]) -> NoReturn:
    """Raises the error under the reward's name; our own errors and lack of memory as they are."""
    if isinstance(error, TenysonError | MemoryError) or "OutOfMemory" in type(error).__name__:
        raise error
    row = failing_row(error, inputs, len(inputs["completions"]))
    place = (
        _row(row, inputs)
        if row is not None
        else f"{_batch(inputs)}, which row is not known; it begins with {_row(0, inputs)}"
    )
    reason = f"{type(error).__name__}: {error}".rstrip(": ")
    raise RewardError(
        f"Reward {name!r} raised {reason} for {place}",
        hint="A reward must answer for every completion, None where it does not apply.",
    ) from error


def _too_slow(name: str, seconds: float | None, inputs: Mapping[str, Any]) -> RewardError:
    return RewardError(
        f"Reward {name!r} did not answer within rl.reward_timeout_seconds = {seconds:g} for "
        f"{_batch(inputs)}; it begins with {_row(0, inputs)}",
        hint="Give what it waits for a limit of its own and return None where it is over, or raise "
        "rl.reward_timeout_seconds. An asynchronous function that blocks (time.sleep, requests) "
        "holds up the others, too: make it a plain one, or await.",
    )


def _batch(inputs: Mapping[str, Any]) -> str:
    return f"a batch of {len(inputs['completions'])}"


def _row(row: int, inputs: Mapping[str, Any]) -> str:
    """Names a row by its place in the batch and, where the data set has ids, by its own."""
    prompt, completion = as_text(inputs["prompts"][row]), as_text(inputs["completions"][row])
    tail = prompt if len(prompt) <= SHOWN_CHARACTERS else "…" + prompt[-SHOWN_CHARACTERS:]
    ids = inputs.get("id")
    own = f" (id {_shown(str(ids[row]))})" if isinstance(ids, list) and len(ids) > row else ""
    return f"row {row}{own}: prompt {tail!r}, completion {_shown(completion)!r}."


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"


def _refuse_what_is_no_function(place: int, func: Any) -> None:
    is_model = hasattr(func, "forward") and hasattr(func, "parameters")
    if callable(func) and not is_model:
        return
    raise RewardError(
        f"get_reward_funcs returned {_shown(repr(func))} at place {place}, expected a function "
        "of prompts, completions and the dataset's columns.",
        hint="Wrap a reward model in a function, so that its rewards can be checked and recorded.",
    )


def _name_of(func: Any) -> str:
    """As TRL names a reward: a partial by its function, an object by its class."""
    while isinstance(func, functools.partial):
        func = func.func
    return str(getattr(func, "__name__", type(func).__name__))


def _is_async(func: Any) -> bool:
    """As TRL decides it: an object counts by its `__call__`."""
    while isinstance(func, functools.partial):
        func = func.func
    return inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(
        getattr(func, "__call__", None)  # noqa: B004 - whether it is async, not whether it exists
    )
