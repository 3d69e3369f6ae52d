"""A believable chain in a telemetry database: base evaluated, SFT, evaluated, RL, evaluated.

What it tells: SFT helps, RL helps more. SFT was killed and resumed; RL had guards speak up; texts
of RL hold what models may produce. Everything is drawn from a seed, so a test may know it all.
"""

import math
import random
import statistics
from datetime import timedelta

from tenyson.telemetry.database import Database
from tenyson.telemetry.rows import Row, RunKey
from tenyson.telemetry.text import prompt_hash
from tests.runtime.reporting.chain_runs import (
    START,
    Chain,
    Size,
    add_attempt,
    add_event,
    add_metrics,
    add_run,
)

EXPERIMENT = "wordle"
REWARDS = {"format": 0.2, "dictionary": 0.3, "marks": 1.0, "consistent": 1.0}
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "\x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x07link\x1b]8;;\x07 \x1b[2J",
    "NUL \x00, half a pair \ud83d, turned \u202egnp.exe",
    "```\n# heading\n````html\n<b>bold</b>\n[link](javascript:alert(3)) | a | b |\n",
)
BASE_EVAL, SFT, SFT_EVAL, RL, RL_EVAL = (
    "wordle-base-eval", "wordle-sft", "wordle-sft-eval", "wordle-rl", "wordle-eval",
)  # fmt: skip
RIGHT = {BASE_EVAL: 0.25, SFT_EVAL: 0.42, RL_EVAL: 0.6}
"""How hard a prompt each evaluation's model answers right, about the share of those it does."""


def write_chain(db_url: str, *, seed: int = 0, size: Size | None = None) -> list[Row]:
    """Writes the chain into an empty database, which is given its tables; returns the rows."""
    rows = chain_rows(seed=seed, size=size)
    database = Database(db_url)
    try:
        for start in range(0, len(rows), 2000):
            database.insert(rows[start : start + 2000])
    finally:
        database.close()
    return rows


def chain_rows(*, seed: int = 0, size: Size | None = None) -> list[Row]:
    """Returns the rows of the chain, each after those that it refers to."""
    chain = Chain(size or Size(), random.Random(seed))
    experiment = RunKey("", 0).row_id("experiments", 0, EXPERIMENT)
    chain.add("experiments", {"id": experiment, "name": EXPERIMENT, "created_at": START})
    add_run(chain, BASE_EVAL, "eval", 0, experiment, parents=[])
    _add_evaluation(chain, BASE_EVAL, 4)
    add_run(chain, SFT, "sft", 10, experiment, parents=[])
    _add_sft(chain)
    add_run(chain, SFT_EVAL, "eval", 20, experiment, parents=[SFT])
    _add_evaluation(chain, SFT_EVAL, 24)
    add_run(chain, RL, "rl", 30, experiment, parents=[SFT])
    _add_rl(chain)
    add_run(chain, RL_EVAL, "eval", 60, experiment, parents=[RL, SFT])
    _add_evaluation(chain, RL_EVAL, 64)
    add_run(chain, "wordle-broken", "rl", 70, experiment, parents=[], seed=1)
    _add_failure(chain, "wordle-broken", 70)
    return chain.rows


def _add_sft(chain: Chain) -> None:
    """Killed after step 52, taken up at 40."""
    size, draw = chain.size, chain.random
    cut, resumed = round(size.sft_steps * 0.65), size.sft_steps // 2
    phases = {"load": 9.0, "data": 2.1, "forward_backward": 150.2, "save": 4.4}
    add_attempt(chain, SFT, 10, minutes=None, status=None)
    add_attempt(
        chain, SFT, 14, attempt=1, minutes=4, resumed_from_step=resumed,
        global_step=size.sft_steps, phase_seconds=phases,
        tokens={"prompt": 210_000, "completion": 0, "trained": 90_000},
        metrics={"loss": 0.41, "mean_token_accuracy": 0.86},
    )  # fmt: skip
    for attempt, steps in ((0, range(1, cut + 1)), (1, range(resumed + 1, size.sft_steps + 1))):
        for step in steps:
            loss = 0.4 + 2.6 * math.exp(-step / 18) + draw.gauss(0, 0.03)
            # What was undone is unlike what counts, so that a test sees which it got.
            loss += 5.0 if attempt == 0 and step > resumed else 0.0
            metrics = {"loss": loss, "mean_token_accuracy": 1 - loss / 4, "grad_norm": 0.8 + loss}
            if step % 20 == 0:
                metrics |= {"eval_loss": loss + 0.05}
            add_metrics(chain, SFT, 10 + step * 0.08, step, metrics, attempt)
    for step in (resumed, size.sft_steps):
        chain.add_step(
            SFT, "checkpoints", START + timedelta(minutes=10 + step * 0.08), step, ("save",),
            attempt=int(step > resumed), path=f"attempt-0/checkpoint-{step}", uri=None,
            sha256="ef" * 32, bytes=2_600_000, seconds=0.8, is_final=step == size.sft_steps,
        )  # fmt: skip
    add_event(chain, SFT, 10, 0, "state", "info", "run_started", "Run wordle-sft begins.")
    add_event(chain, SFT, 14, resumed, "state", "info", "resumed", f"from step {resumed}, exact")


def _add_rl(chain: Chain) -> None:
    size, draw = chain.size, chain.random
    phases = {"load": 9.2, "generate": 61.0, "reward": 3.2, "forward_backward": 70.7, "save": 5.1}
    add_attempt(
        chain, RL, 30, minutes=12, global_step=size.rl_steps, phase_seconds=phases,
        tokens={"prompt": 240_000, "completion": 138_000, "trained": 138_000},
        metrics={"reward": 1.62, "kl": 0.04, "entropy": 0.31},
        warnings=["The reward `marks` was constant in 3 steps."],
    )  # fmt: skip
    for step in range(size.rl_steps):
        _add_rl_step(chain, step, draw)
    add_event(
        chain, RL, 36, size.rl_steps // 2, "guard", "warning", "entropy",
        "entropy 0.19 is below 0.2", entropy=0.19, floor=0.2,
    )  # fmt: skip
    add_event(
        chain, RL, 38, size.rl_steps // 2 + 4, "oom", "warning", "halved",
        "out of memory while sampling; 32 → 16 completions at once", batch=16,
    )  # fmt: skip
    add_event(chain, RL, 41, size.rl_steps, "checkpoint", "info", "saved", "checkpoint-final")


def _add_rl_step(chain: Chain, step: int, draw: random.Random) -> None:
    size = chain.size
    progress = step / max(1, size.rl_steps - 1)
    at = START + timedelta(minutes=30 + 12 * progress)
    totals: list[float] = []
    parts: dict[str, list[float]] = {name: [] for name in REWARDS}
    flat = 0
    for group in range(size.groups):
        prompt = f"Guess the word. Tried: cr{step}ne, gr{group}ss. Marks: ..Y.G"
        values = _group_rewards(size, draw, progress, is_flat=(step + group) % 7 == 0)
        rewards = [sum(REWARDS[n] * v for n, v in each.items()) for each in values]
        mean = statistics.fmean(rewards)
        spread = statistics.stdev(rewards) if len(set(rewards)) > 1 else 0.0
        flat += spread == 0
        rollout = chain.add_step(
            RL, "rollouts", at, step, ("rl", 0, group), phase="rl", group_index=group,
            sampling_round=0, prompt=prompt, prompt_hash=prompt_hash(prompt), reward_mean=mean,
            reward_std=spread, zero_variance=spread == 0, policy_version=step,
        )  # fmt: skip
        for index, (each, reward) in enumerate(zip(values, rewards, strict=True)):
            text = HOSTILE[(step + index) % len(HOSTILE)] if index == 3 else f"<guess>w{index}"
            generation = chain.add_step(
                RL, "generations", at, step, ("rl", 0, group, index), phase="rl",
                rollout_id=rollout, index=index, completion=text, tokens=5 + index,
                truncated=index == 7, reward=reward, latency_seconds=0.02, extras=None,
                advantage=(reward - mean) / (spread + 1e-4), logprob_gap=0.001,
            )  # fmt: skip
            for name, value in each.items():
                parts[name].append(value)
                component = {
                    "generation_id": generation, "name": name, "run_id": RL, "step": step,
                    "created_at": at, "value": value, "weight": REWARDS[name],
                }  # fmt: skip
                chain.add("reward_components", component)
        totals += rewards
    metrics = {
        "reward": sum(totals) / len(totals),
        "frac_reward_zero_std": flat / size.groups,
        "entropy": 0.58 - 0.35 * progress + draw.gauss(0, 0.01),
        "kl": 0.05 * progress,
        "completions/mean_length": 8.5 - progress,
        "completions/clipped_ratio": 0.125,
        "grad_norm": 0.4 + draw.gauss(0, 0.05),
    } | {f"rewards/{name}/mean": sum(v) / len(v) for name, v in parts.items()}
    phases = {"generate": 1.0, "reward": 90.0}  # the phase has the name of a metric
    add_metrics(chain, RL, 30 + 12 * progress, step + 1, metrics, phases=phases)


def _group_rewards(
    size: Size, draw: random.Random, progress: float, *, is_flat: bool
) -> list[dict[str, float]]:
    if is_flat:
        return [{"format": 1.0, "dictionary": 0.0, "marks": 0.0, "consistent": 0.0}] * (
            size.completions
        )
    return [
        {
            "format": float(draw.random() < 0.85 + 0.14 * progress),
            "dictionary": float(draw.random() < 0.5 + 0.4 * progress),
            "marks": round(draw.random() ** (2 - progress), 3),
            "consistent": float(draw.random() < 0.15 + 0.4 * progress),
        }
        for _ in range(size.completions)
    ]


def _add_evaluation(chain: Chain, run: str, minute: float) -> None:
    at = START + timedelta(minutes=minute)
    right = 0
    for row in range(chain.size.prompts):
        # The same prompts come harder or easier to all models, as they do in life.
        hardness = random.Random(row).random()
        is_right = hardness * 0.7 + chain.random.random() * 0.3 < RIGHT[run]
        right += is_right
        prompt = f"Held-out board {row}: which word?"
        step, key = 0, ("eval", f"h{row}", 0)
        generation = chain.add_step(
            run, "generations", at, step, key, phase="eval", rollout_id=None, index=0,
            completion=f"<guess>word{row}</guess>" if is_right else HOSTILE[row % len(HOSTILE)],
            tokens=6, truncated=False, reward=None, advantage=None, logprob_gap=None,
            latency_seconds=0.01, extras=None,
        )  # fmt: skip
        chain.add(
            "eval_samples",
            {
                "id": generation, "run_id": run, "attempt": 0, "step": step, "created_at": at,
                "generation_id": generation, "row_id": f"h{row}", "sample_index": 0, "model": "",
                "prompt": prompt, "prompt_hash": prompt_hash(prompt),
                "expected_answer": f"word{row}",
                "scores": {"correct": is_right, "in_dictionary": is_right or row % 3 == 0},
            },
        )  # fmt: skip
    accuracy = right / chain.size.prompts
    add_attempt(
        chain, run, minute - 4, minutes=0.6, global_step=0, metrics={"accuracy": accuracy},
        phase_seconds={"load": 8.0, "generate": 2.2},
        tokens={"prompt": 9000, "completion": 800, "trained": 0},
    )  # fmt: skip


def _add_failure(chain: Chain, run: str, minute: float) -> None:
    message = "Reward `marks` raised KeyError: 'history' on row 17 | <b>see</b> failure.txt"
    add_attempt(
        chain, run, minute, minutes=0.4, status="failed", global_step=3,
        failure={"type": "RewardError", "message": message, "hint": "Mend the reward."},
    )  # fmt: skip
    add_event(chain, run, minute, 3, "state", "error", "failed", message)
