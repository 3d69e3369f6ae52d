"""Which curves a report draws, and which of them stand together."""

from collections.abc import Iterable, Mapping, Sequence

from tenyson.contract import JobType
from tenyson.reporting.curves import curve_of
from tenyson.reporting.drawing import Panel
from tenyson.reporting.records import Point

PANELS: Mapping[str, Sequence[tuple[str, Sequence[tuple[str, str]]]]] = {
    JobType.SFT.value: (
        ("Loss", (("loss", "training"), ("eval_loss", "evaluation"))),
        (
            "Token accuracy",
            (("mean_token_accuracy", "training"), ("eval_mean_token_accuracy", "evaluation")),
        ),
        ("Entropy", (("entropy", "entropy"),)),
        ("Gradient norm", (("grad_norm", "gradient norm"),)),
    ),
    JobType.RL.value: (
        ("Reward", (("reward", "mean"), ("eval_reward", "evaluation"))),
        (
            "Shares of groups and completions",
            (
                ("frac_reward_zero_std", "groups without a signal"),
                ("completions/clipped_ratio", "completions cut off"),
            ),
        ),
        ("Entropy", (("entropy", "entropy"),)),
        ("KL to the reference", (("kl", "KL"),)),
        ("Tokens of a completion", (("completions/mean_length", "mean"),)),
        ("Gradient norm", (("grad_norm", "gradient norm"),)),
    ),
}
"""By kind of job: a panel's title, and the metrics in it with their names there."""
SHARES = frozenset(("frac_reward_zero_std", "completions/clipped_ratio", "mean_token_accuracy"))
WANTED = tuple(
    dict.fromkeys(
        metric for panels in PANELS.values() for _, lines in panels for metric, _ in lines
    )
)
"""All metrics that a panel may show, reward functions aside."""
MAIN: Mapping[str, str] = {JobType.SFT.value: "loss", JobType.RL.value: "reward"}
"""The curve that stands for a run where there is room for one."""
_PREFIX, _SUFFIX = "rewards/", "/mean"


def reward_metrics(names: Iterable[str]) -> list[str]:
    """Returns those of the names that are a reward function's mean, as TRL logs it."""
    return sorted(n for n in names if n.startswith(_PREFIX) and n.endswith(_SUFFIX))


def reward_name(metric: str) -> str:
    """Returns the reward function that a metric is of."""
    return metric.removeprefix(_PREFIX).removesuffix(_SUFFIX)


def training_panels(job_type: str, curves: Mapping[str, Sequence[Point]]) -> list[Panel]:
    """Returns the panels of a run that have a curve."""
    panels = []
    for title, lines in PANELS.get(job_type.lower(), ()):
        drawn = [(metric, name) for metric, name in lines if metric in curves]
        if drawn:
            found = [curve_of(name, curves[metric]) for metric, name in drawn]
            panels.append(Panel(title, found, is_share=SHARES.issuperset(m for m, _ in drawn)))
    return panels


def reward_panels(curves: Mapping[str, Sequence[Point]]) -> list[Panel]:
    """Returns one panel for each reward function."""
    return [
        Panel(reward_name(metric), [curve_of("mean", curves[metric])])
        for metric in reward_metrics(curves)
    ]
