"""Which rows of a run count: those of steps that no later attempt has undone."""

from collections.abc import Mapping, Sequence

from tenyson.reporting.records import Attempt

NO_LIMIT = 2**62


def last_steps(attempts: Sequence[Attempt]) -> Mapping[int, int]:
    """Returns for each attempt the last of its steps that counts.

    An attempt that starts at step 40 undoes what those before it did after step 40, whether it
    gets that far again or not. One that has not said yet where it starts undoes nothing.
    """
    limits: dict[int, int] = {}
    limit = NO_LIMIT
    for attempt in sorted(attempts, key=lambda a: a.attempt, reverse=True):
        limits[attempt.attempt] = limit
        if attempt.resumed_from_step is not None:
            limit = min(limit, attempt.resumed_from_step)
    return limits
