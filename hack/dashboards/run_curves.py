"""The curves of one run: what it learned, and where the time went."""

from hack.dashboards.model import Section, Sql
from hack.dashboards.panels import band, over_steps, over_steps_by_name
from hack.dashboards.steps import columns_by_step, loss_by_step, metrics_by_step
from tenyson.phases import ORDER

_PHASES = ", ".join(f"'{phase}'" for phase in ORDER)

CURVES = Section(
    "Learning",
    (
        over_steps(
            "Loss",
            Sql(loss_by_step(), ("step", "loss")),
            "Of SFT, with that on held-out rows; or of GRPO, whose loss says little by itself.",
        ),
        over_steps(
            "Reward",
            Sql(
                columns_by_step(
                    "epoch_metrics",
                    {
                        "mean": "reward_mean",
                        "mean - std": "reward_mean - reward_std",
                        "mean + std": "reward_mean + reward_std",
                    },
                ),
                ("step", "mean"),
            ),
            "Mean of the total reward, and one standard deviation to both sides.",
            overrides=band("mean - std", "mean + std"),
        ),
        over_steps_by_name(
            "Reward components",
            Sql(
                metrics_by_step(
                    "kind = 'train' AND name LIKE 'rewards/%/mean'",
                    "split_part(name, '/', 2)",
                ),
                ("step", "name", "value"),
            ),
            "Mean of each reward function, unweighted, as the trainer logged it.",
        ),
        over_steps(
            "KL to the reference",
            Sql(
                columns_by_step("epoch_metrics", {"kl": "kl"}),
                ("step", "kl"),
            ),
            "Empty where no reference policy is kept (rl.beta = 0).",
        ),
        over_steps(
            "Entropy",
            Sql(
                columns_by_step("epoch_metrics", {"entropy": "entropy"}),
                ("step", "entropy"),
            ),
            "A fall towards 0 is a collapse, even while the reward rises.",
        ),
        over_steps(
            "What teaches nothing",
            Sql(
                columns_by_step(
                    "epoch_metrics",
                    {"zero variance": "zero_std_share", "truncated": "truncated_share"},
                ),
                ("step", "zero variance", "truncated"),
            ),
            "Share of groups whose rewards are all equal, and of completions that were cut.",
            unit="percentunit",
        ),
        over_steps(
            "Completion length",
            Sql(
                columns_by_step("epoch_metrics", {"tokens": "completion_length"}),
                ("step", "tokens"),
            ),
            "Mean tokens of a completion.",
        ),
        over_steps_by_name(
            "Gradient norm",
            Sql(
                metrics_by_step("kind = 'train' AND name = 'grad_norm'"),
                ("step", "name", "value"),
            ),
            "Before clipping.",
        ),
        over_steps_by_name(
            "Learning rate",
            Sql(
                metrics_by_step("kind = 'train' AND name = 'learning_rate'"),
                ("step", "name", "value"),
            ),
            "As the scheduler set it.",
            unit="sci",
        ),
    ),
)

SPEED = Section(
    "Where the time goes",
    (
        over_steps_by_name(
            "Phases",
            Sql(
                metrics_by_step(f"kind = 'phase' AND name IN ({_PHASES})"),
                ("step", "name", "value"),
            ),
            "Seconds in each phase of the work since the line before.",
            unit="s",
            stacked=True,
            width=12,
        ),
        over_steps_by_name(
            "Tokens per second",
            Sql(
                metrics_by_step("kind = 'system' AND name = 'tokens_per_second'"),
                ("step", "name", "value"),
            ),
            "Read and written, over the whole step.",
            width=12,
        ),
    ),
)
