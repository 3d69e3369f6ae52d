"""How often a run saves by time: as asked, or less often where saving takes too much of it."""

from tenyson.config.checkpoint import CheckpointConfig


def save_interval(every_seconds: float, save_seconds: float | None, max_share: float) -> float:
    """Returns the seconds from the end of a save to the start of the next.

    Args:
        every_seconds: What was asked for.
        save_seconds: What a save takes; None before the first.
        max_share: Share of the wall time that saving may take.
    """
    if save_seconds is None:
        return every_seconds
    return max(every_seconds, save_seconds * (1 - max_share) / max_share)


def is_save_due(
    config: CheckpointConfig, step: int, seconds_since_save: float, save_seconds: float | None
) -> bool:
    """Whether a checkpoint is to be saved at the edge after `step`, by steps or by time."""
    if config.every_steps is not None and step % config.every_steps == 0:
        return True
    if config.every_seconds is None:
        return False
    interval = save_interval(config.every_seconds, save_seconds, config.max_save_share)
    return seconds_since_save >= interval


def stretch_notice(config: CheckpointConfig, save_seconds: float | None) -> str | None:
    """Returns what to say where checkpoints come less often than asked; None where they do not."""
    if config.every_seconds is None:
        return None
    interval = save_interval(config.every_seconds, save_seconds, config.max_save_share)
    if interval <= config.every_seconds:
        return None
    return (
        f"A checkpoint takes {save_seconds:.1f} s to save: one comes every {interval:.0f} s, not "
        f"every {config.every_seconds:g} s, so that saving takes no more than "
        f"{config.max_save_share:.0%} of the time (checkpoint.max_save_share)."
    )
