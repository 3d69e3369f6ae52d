"""Keeps a status within its size: what is longest and matters least goes first."""

import copy
from collections.abc import Callable
from typing import Any, Final

import orjson

MAX_BYTES: Final = 32 * 1024
Status = dict[str, Any]


def within_limit(status: Status) -> Status:
    """Returns the status, with as little left out of it as must be."""
    for cut in _CUTS:
        if len(orjson.dumps(status)) <= MAX_BYTES:
            break
        status = copy.deepcopy(status)
        cut(status)
    return status


def _drop_artifacts(status: Status) -> None:
    (status.get("result") or {}).pop("artifacts", None)


def _drop_warnings(status: Status) -> None:
    (status.get("result") or {}).pop("warnings", None)


def _drop_metrics(status: Status) -> None:
    (status.get("progress") or {}).pop("metrics", None)


def _shorten_messages(most: int) -> Callable[[Status], None]:
    def shorten(status: Status) -> None:
        ending = (status.get("child") or {}).get("ending") or {}
        for told in (*status["conditions"], ending):
            if len(told.get("message", "")) > most:
                told["message"] = told["message"][: most - 1] + "…"

    return shorten


def _drop_older_attempts(status: Status) -> None:
    status["attempts"] = (status.get("attempts") or [])[-3:]


_CUTS: Final[tuple[Callable[[Status], None], ...]] = (
    _drop_artifacts,
    _drop_warnings,
    _drop_metrics,
    _shorten_messages(1000),
    _shorten_messages(400),
    _drop_older_attempts,
    _shorten_messages(150),
)
