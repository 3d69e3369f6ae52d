"""Which rows a limit leaves, and when a row was made. The rows' order stays as it was."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from tenyson.datasets.errors import DatasetError, DatasetRequestError
from tenyson.datasets.filters import MISSING, field_of

Strategy = Literal["latest", "random", "first"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)
TIME_FIELD = "created_at"


def choose(
    digests: Sequence[bytes],
    times: Sequence[float | None],
    *,
    limit: int | None,
    strategy: str,
    seed: int,
) -> list[int]:
    """Returns the places of the rows that are taken, in their order.

    `random` takes the rows whose digests, hashed with the seed, are the smallest: the same rows
    whatever their order, and nearly the same ones after a few more have come.

    Args:
        digests: One of each row.
        times: When each was made, in seconds; None for all of them where none is known: then the
            last rows count as the latest.
        limit: Rows to take; None takes all.
        strategy: `latest`, `random` or `first`.
        seed: Of `random`.
    """
    places = range(len(digests))
    if limit is None or limit >= len(digests):
        return list(places)
    if strategy == "first":
        return list(places[:limit])
    if strategy == "random":
        drawn = [hashlib.sha256(b"%d:" % seed + digest).digest() for digest in digests]
        return sorted(sorted(places, key=lambda i: (drawn[i], i))[:limit])
    known = [0.0 if t is None else t for t in times]
    return sorted(sorted(places, key=lambda i: (known[i], i))[-limit:])


def require_strategy(strategy: str) -> None:
    """Refuses a strategy that there is none of.

    Raises:
        DatasetRequestError: Names those that there are.
    """
    if strategy not in STRATEGIES:
        raise DatasetRequestError(
            f"There is no selection strategy {strategy!r}.", hint=f"Known: {', '.join(STRATEGIES)}."
        )


def time_of(row: Mapping[str, Any], place: str) -> float | None:
    """Returns when the row was made, `created_at`, in seconds since 1970; None where it has none.

    Raises:
        DatasetError: It is no time.
    """
    found = field_of(row, TIME_FIELD)
    if found is MISSING or found is None:
        return None
    if isinstance(found, int | float) and not isinstance(found, bool):
        return float(found)
    try:
        moment = datetime.fromisoformat(found)
    except (TypeError, ValueError) as error:
        raise DatasetError(
            f"{place}, field {TIME_FIELD}: {found!r} is no time.",
            hint="Give ISO 8601 or seconds since 1970, or choose --selection-strategy first.",
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def require_all_times(times: Sequence[float | None], places: Sequence[str]) -> None:
    """Refuses rows of which only some say when they were made: no order would hold for all.

    Raises:
        DatasetError: Names the first that does not say.
    """
    unknown = [place for time, place in zip(times, places, strict=True) if time is None]
    if unknown and len(unknown) < len(times):
        raise DatasetError(
            f"{unknown[0]} has no {TIME_FIELD}, and {len(times) - len(unknown)} other rows have: "
            "which are the latest cannot be told.",
            hint=f"Give every row one, or choose --selection-strategy first or random "
            f"({len(unknown)} rows have none).",
        )
