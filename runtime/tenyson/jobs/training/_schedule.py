"""The optimiser's settings after a checkpoint was loaded: those of the configuration, not its.

torch saves settings with the state, and loading brings them back: a learning rate that was changed
between two attempts would be ignored without a word.
"""

from typing import Any

Settings = list[dict[str, Any]]
_OF_THE_STATE = ("params", "lr", "fused", "foreach", "capturable")
"""What stays as it was loaded: how the state is laid out, and where, follows from the kernels."""


def settings_of(optimizer: Any) -> Settings:
    """Returns the settings of each parameter group, as the configuration made them."""
    return [
        {name: value for name, value in group.items() if name not in _OF_THE_STATE}
        for group in optimizer.param_groups
    ]


def follow_configuration(optimizer: Any, scheduler: Any, configured: Settings) -> None:
    """Puts the configured settings in the place of loaded ones.

    Args:
        optimizer: With its state loaded.
        scheduler: With its state loaded; its count of steps stays, its peak learning rate does not.
        configured: What `settings_of` said before.
    """
    for group, own in zip(optimizer.param_groups, configured, strict=True):
        group.update(own)
    if not hasattr(scheduler, "lr_lambdas") or any("initial_lr" not in g for g in configured):
        return
    scheduler.base_lrs = [group["initial_lr"] for group in configured]
    rates = [
        base * shape(scheduler.last_epoch)
        for base, shape in zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True)
    ]
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    scheduler._last_lr = rates


def schedule_of(trainer: Any) -> list[Any]:
    """Returns what the learning rate of each step follows from."""
    args = trainer.args
    shape = getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type)
    return [args.learning_rate, str(shape), args.warmup_steps, trainer.state.max_steps]
