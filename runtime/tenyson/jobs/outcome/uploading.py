"""How long the end of an attempt waits for copies of its checkpoints that are still going up."""

import contextlib
import math
from collections.abc import Iterator

from tenyson.checkpoints.store import CheckpointStore
from tenyson.errors import SupersededError
from tenyson.jobs.context import RunContext
from tenyson.jobs.training.going_back import wants_rollback

AFTER_A_FAILURE_SECONDS = 60.0
"""The next attempt may run elsewhere and want the checkpoint; a failure must not hang, either."""
RESULT_SECONDS = 3.0
"""Left of the grace period for the result, which goes up after the checkpoints."""


@contextlib.contextmanager
def uploads_finished(context: RunContext, store: CheckpointStore) -> Iterator[None]:
    """Waits, after the block, for the store's uploads; its warnings become the result's.

    A run that is done waits for as long as it takes, one that was asked to stop for what is left
    of its grace period, one that failed for a minute, one that is superseded not at all. One that
    a guard sends back begins no further upload and waits for the one under way: what is bad is
    removed from the mirror after it.
    """
    try:
        yield
        store.finish_uploads(patience(context))
    except SupersededError:
        store.drop_uploads()
        raise
    except BaseException as error:
        left = patience(context)
        if wants_rollback(error, context.config):
            store.drop_uploads()
        elif left is None:
            left = AFTER_A_FAILURE_SECONDS
        with contextlib.suppress(SupersededError):
            store.finish_uploads(left)
        raise
    finally:
        for warning in store.warnings:
            context.note(warning)


def patience(context: RunContext) -> float | None:
    """Returns how many seconds a stop leaves for uploads; None where no kill is coming."""
    stop = context.options.stop
    remaining = stop.remaining_seconds if stop.is_made else math.inf
    return None if remaining == math.inf else max(0.0, remaining - RESULT_SECONDS)
