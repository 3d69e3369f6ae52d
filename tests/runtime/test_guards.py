"""What guards find in rows of metrics, without any training."""

import math
import random
from typing import Any

import pytest

from tenyson.config.guards import GuardsConfig
from tenyson.contract import JobType
from tenyson.jobs.guards.gradients import GradientSpike
from tenyson.jobs.guards.hacking import heaviest, slope_in_standard_errors
from tenyson.jobs.guards.panel import Finding, Panel, panel_of
from tenyson.jobs.guards.rl_limits import DISTINCT_SHARE

PATIENCE = 5


def rl_panel(**fields: Any) -> Panel:
    return panel_of(GuardsConfig(patience=PATIENCE, **fields), JobType.RL)


def feed(panel: Panel, rows: list[dict[str, Any]], first: int = 1) -> list[Finding]:
    found = []
    for step, row in enumerate(rows, start=first):
        found += panel.observe(step, row)
    return found


def healthy(**metrics: float) -> dict[str, float]:
    row = {"loss": 0.1, "grad_norm": 0.5, "reward": 1.0, "reward_std": 0.5, "entropy": 0.6}
    shares = {"frac_reward_zero_std": 0.1, "completions/clipped_ratio": 0.0, DISTINCT_SHARE: 0.9}
    gap = {"sampling/sampling_logp_difference/mean": 0.01}
    return {**row, **shares, **gap, **metrics}


CASES = {
    "entropy": (healthy(entropy=0.02), "stop", "entropy (nats a token) stayed below 0.03"),
    "zero_variance": (healthy(frac_reward_zero_std=1.0), "warn", "groups whose completions all"),
    "clipped": (healthy(**{"completions/clipped_ratio": 0.95}), "warn", "stayed above 0.9"),
    "distinct": (healthy(**{DISTINCT_SHARE: 0.01}), "warn", "different completions"),
    "logprob_gap": (
        healthy(**{"sampling/sampling_logp_difference/mean": 0.5}),
        "warn",
        "log-probabilities",
    ),
    "grad_spike": (healthy(grad_norm=50.0), "warn", "over 20 times its running median (0.5)"),
}


@pytest.mark.parametrize("guard", CASES)
def test_a_guard_speaks_once_after_its_patience(guard: str) -> None:
    row, action, says = CASES[guard]
    panel = rl_panel()
    assert feed(panel, [healthy()] * 30) == []

    assert feed(panel, [row] * (PATIENCE - 1), first=31) == []
    found = feed(panel, [row] * 10, first=30 + PATIENCE)

    assert [(f.verdict.guard, f.action) for f in found] == [(guard, action)]
    verdict = found[0].verdict
    assert (verdict.since_step, verdict.step) == (31, 30 + PATIENCE)
    assert says in verdict.message
    assert f"guards.{guard}: off" in verdict.diagnosis
    assert "Likely causes" in verdict.diagnosis


@pytest.mark.parametrize("guard", CASES)
def test_one_good_row_ends_a_streak(guard: str) -> None:
    bad = CASES[guard][0]
    panel = rl_panel()
    feed(panel, [healthy()] * 30)

    rows = ([bad] * (PATIENCE - 1) + [healthy()]) * 4

    assert feed(panel, rows, first=31) == []


@pytest.mark.parametrize("guard", CASES)
def test_a_guard_that_is_off_says_nothing(guard: str) -> None:
    panel = rl_panel(**{guard: "off"})

    assert feed(panel, [healthy()] * 30 + [CASES[guard][0]] * 20) == []


def test_rows_that_say_nothing_of_a_metric_do_not_end_its_streak() -> None:
    panel = rl_panel()
    feed(panel, [healthy()] * 30)
    rows = [row for _ in range(PATIENCE) for row in (healthy(entropy=0.0), {"eval_loss": 1.0})]

    found = feed(panel, rows, first=31)

    assert [f.verdict.guard for f in found] == ["entropy"]


SOLVED = healthy(entropy=0.001, reward=2.0, reward_std=0.0, frac_reward_zero_std=0.5)
QUIET = {
    "a policy that is certain because it is always right": [healthy()] * 30 + [SOLVED] * 30,
    "a model that was certain from the start": [healthy(entropy=0.02)] * 60,
    "a task of two answers": [healthy(**{DISTINCT_SHARE: 0.02})] * 60,
    "gradients of none while all earn the same": [healthy(grad_norm=0.0)] * 30 + [healthy()] * 30,
    "one spike now and then": ([healthy()] * 9 + [healthy(grad_norm=100.0)]) * 6,
    "text and infinities among the numbers": [healthy(grad_norm=math.inf)] * 60,
}


@pytest.mark.parametrize("case", QUIET)
def test_nothing_is_said_of(case: str) -> None:
    assert feed(rl_panel(), QUIET[case]) == []


def run_with(slopes: dict[str, float], rows: int = 60, noise: float = 0.05) -> list[dict[str, Any]]:
    """Rows in which reward functions drift; the reward is their sum, as TRL logs it."""
    rng = random.Random(0)
    result = []
    for step in range(rows):
        parts = {n: 1.0 + slope * step + rng.gauss(0, noise) for n, slope in slopes.items()}
        named = {f"rewards/{name}/mean": value for name, value in parts.items()}
        result.append({**healthy(reward=sum(parts.values())), **named})
    return result


@pytest.mark.parametrize(
    ("slopes", "fields", "is_found"),
    [
        ({"length": 0.05, "correct": -0.01}, {}, True),
        ({"length": 0.05, "correct": 0.01}, {}, False),
        ({"length": 0.05, "correct": 0.0}, {}, False),
        ({"length": -0.05, "correct": -0.01}, {}, False),
        ({"length": 0.05}, {}, False),
        ({"length": 0.05, "correct": -0.01}, {"target": "rewards/length/mean"}, False),
        ({"length": -0.01, "correct": 0.05}, {"target": "rewards/length/mean"}, True),
    ],
)
def test_a_reward_that_rises_while_its_target_falls_is_found(
    slopes: dict[str, float], fields: dict[str, Any], is_found: bool
) -> None:
    found = feed(rl_panel(**fields), run_with(slopes))

    assert [f.verdict.guard for f in found] == (["reward_hacking"] if is_found else [])


def test_the_target_is_what_weighs_most() -> None:
    rows = run_with({"form": 0.0, "right": 0.0, "fast": 0.0})

    assert heaviest(rows[0], {"form": 0.2, "right": 1.0, "fast": 1.0}) == [
        "rewards/right/mean",
        "rewards/fast/mean",
    ]
    assert heaviest(rows[0], None) == [f"rewards/{n}/mean" for n in ("form", "right", "fast")]


@pytest.mark.parametrize("is_sorted", [False, True], ids=["as logged", "as a checkpoint has it"])
def test_weights_belong_to_functions_whatever_the_order_of_a_row(is_sorted: bool) -> None:
    """In the trainer's order `right` comes first and weighs most; by its name it is the last."""
    weights = {"right": 1.0, "form": 0.1, "fast": 0.2}
    rows = run_with({"right": -0.01, "form": 0.05, "fast": 0.0})
    if is_sorted:
        rows = [dict(sorted(row.items())) for row in rows]
    panel = panel_of(GuardsConfig(patience=PATIENCE), JobType.RL, weights)

    panel.remember({**row, "step": step} for step, row in enumerate(rows[:20], start=1))
    found = feed(panel, rows[20:], first=21)

    assert [f.verdict.guard for f in found] == ["reward_hacking"]
    assert "rewards/right/mean falls" in found[0].verdict.message


def test_a_function_that_applies_nowhere_shifts_no_weight() -> None:
    weights = {"none": 0.5, "right": 1.0, "form": 0.1}

    for value in (float("nan"), None):
        row = {"rewards/none/mean": value, "rewards/right/mean": 1.0, "rewards/form/mean": 0.0}
        known = {name: v for name, v in row.items() if v is not None}
        assert heaviest(known, weights) == ["rewards/right/mean"]


def test_a_guard_warns_once_in_a_run_however_often_the_trouble_comes_back() -> None:
    panel, resumed = rl_panel(), rl_panel()
    rows = ([healthy(**{"completions/clipped_ratio": 0.95})] * PATIENCE + [healthy()]) * 3

    assert [f.verdict.guard for f in feed(panel, rows)] == ["clipped"]
    resumed.remember({**row, "step": step} for step, row in enumerate(rows, start=1))
    assert feed(resumed, rows, first=100) == []


def test_spikes_do_not_raise_the_median_that_they_are_held_against() -> None:
    guard = GradientSpike(factor=20, patience=40)
    for step in range(1, 26):
        guard.observe(step, {"grad_norm": 0.5})

    found = [guard.observe(step, {"grad_norm": 50.0}) for step in range(26, 66)]

    assert [verdict is not None for verdict in found] == [False] * 39 + [True]


def test_noise_is_no_trend() -> None:
    rng = random.Random(1)
    flat = [[rng.gauss(1, 0.3) for _ in range(30)] for _ in range(500)]

    slopes = [abs(slope_in_standard_errors(values)) for values in flat]

    assert sum(slope > 4 for slope in slopes) <= 1
    assert slope_in_standard_errors([1.0] * 30) == 0.0
    assert slope_in_standard_errors([float(i) for i in range(30)]) == math.inf


def test_sft_has_no_guards_of_sampling() -> None:
    panel = panel_of(GuardsConfig(patience=PATIENCE), JobType.SFT)

    assert feed(panel, [healthy()] * 30 + [healthy(entropy=0.0)] * 30) == []


def test_a_resumed_run_remembers_what_was_seen() -> None:
    bad = healthy(entropy=0.0)
    before = [{"step": step, **healthy()} for step in range(1, 31)]
    before += [{"step": step, **bad} for step in range(31, 30 + PATIENCE)]
    panel = rl_panel()

    panel.remember(before)
    found = feed(panel, [bad], first=30 + PATIENCE)

    assert [(f.verdict.guard, f.verdict.since_step) for f in found] == [("entropy", 31)]


def test_only_a_guard_that_rolls_back_needs_an_older_checkpoint() -> None:
    stopping, rolling = rl_panel(), rl_panel(entropy="rollback")
    for panel in (stopping, rolling):
        feed(panel, [healthy()] * 30 + [healthy(entropy=0.0)] * 2)

    assert stopping.bad_since is None
    assert rolling.bad_since == 31
    feed(rolling, [healthy()], first=33)
    assert rolling.bad_since is None
