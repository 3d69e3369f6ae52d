"""What a run that stopped on request says of itself."""

from tenyson.errors import StoppedError


def stopped_error(reason: str, *, step: int, total: int, saved_step: int) -> StoppedError:
    """Returns how a stopped training ended, and where the next attempt goes on.

    Args:
        reason: Who asked.
        step: Optimiser steps done.
        total: Steps that there were to do.
        saved_step: Step of the newest checkpoint; 0 where there is none.
    """
    asked = f"Stopped on request ({reason})"
    if step == 0:
        return StoppedError(
            f"{asked} before the first step was done.",
            hint="The next attempt starts from the beginning.",
        )
    if saved_step == step:
        return StoppedError(
            f"{asked} after step {step} of {total}; its checkpoint is saved.",
            hint="The next attempt goes on from there.",
        )
    newest = f"checkpoint-{saved_step}" if saved_step else "none"
    return StoppedError(
        f"{asked} after step {step} of {total}, with no time left to save it; the newest "
        f"checkpoint is {newest}.",
        hint="Give it longer (checkpoint.grace_seconds, the pod's terminationGracePeriodSeconds), "
        "or save more often (checkpoint.every_seconds).",
    )
