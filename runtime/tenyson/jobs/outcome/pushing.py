"""Whether a run is pushed to the Hub; what pushes it is loaded where it is."""

from tenyson.contract import JobType
from tenyson.jobs.context import RunContext
from tenyson.jobs.options import HubTarget


def check_push(context: RunContext) -> None:
    """Refuses a target that cannot be pushed to, before anything is trained.

    Raises:
        TenysonError: What the push at the end would fail with.
    """
    if (hub := _target(context)) is not None:
        from tenyson.jobs.outcome._hub import check_hub

        check_hub(hub)


def push(context: RunContext) -> None:
    """Pushes what a finished run has left, where that is asked for."""
    if (hub := _target(context)) is not None:
        from tenyson.jobs.outcome._hub import push_to_hub

        push_to_hub(context, hub)


def _target(context: RunContext) -> HubTarget | None:
    """Where this process pushes to; an evaluation has nothing to, and rank 0 does it for all."""
    if context.job_type is JobType.EVAL or not context.ranks.is_main:
        return None
    return context.options.hub
