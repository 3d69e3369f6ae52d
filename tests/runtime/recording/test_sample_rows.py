"""What RL and Eval jobs leave of their completions, beside the texts."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import Env

pytestmark = pytest.mark.train


def test_rl_rows_hold_what_the_trainer_knows_of_each_completion(
    tmp_path: Path, run_runner: Any, make_config: Any, db_url: str, rows_of: Any
) -> None:
    config = make_config(
        telemetry={"db_url": db_url},
        training={"max_steps": 3},
        rl={"reward_weights": [1.0, 0.5]},
    )
    run = run_runner(config, job_type="rl")
    assert run.code == 0, run.said
    rollouts = {r["id"]: r for r in rows_of("rollouts")}
    generations = rows_of("generations")
    components = defaultdict(dict)
    for row in rows_of("reward_components"):
        components[row["generation_id"]][row["name"]] = (row["value"], row["weight"])
    assert len(generations) == 3 * 8
    assert {r["policy_version"] for r in rollouts.values()} == {0, 1, 2}
    assert all(r["policy_version"] == r["step"] for r in rollouts.values())
    assert all(len(r["prompt_hash"]) == 16 for r in rollouts.values())
    groups = defaultdict(list)
    for row in generations:
        groups[row["rollout_id"]].append(row)
        named = components[row["id"]]
        assert {name: weight for name, (_, weight) in named.items()} == {
            "digit_reward": 1.0,
            "length_reward": 0.5,
        }
        total = sum(value * weight for value, weight in named.values())
        assert row["reward"] == pytest.approx(total)
        assert row["logprob_gap"] is None  # transformers samples with the trainer's own weights
        assert row["latency_seconds"] > 0
    for rollout_id, rows in groups.items():
        mean = sum(r["reward"] for r in rows) / len(rows)
        spread = rollouts[rollout_id]["reward_std"]
        for row in rows:  # as TRL scales them
            advantage = (row["reward"] - mean) / (spread + 1e-4)
            assert row["advantage"] == pytest.approx(advantage, abs=1e-4)
        assert rollouts[rollout_id]["zero_variance"] is (spread < 1e-6)
    logged = [json.loads(line) for line in (run.folder / "metrics.jsonl").open(encoding="utf-8")]
    for row in logged:
        cut = [g["truncated"] for g in generations if g["step"] == row["step"] - 1]
        assert sum(cut) / len(cut) == pytest.approx(row["completions/clipped_ratio"])
    assert {True, False} >= {g["truncated"] for g in generations}


def test_an_episode_keeps_what_its_environment_said(
    run_runner: Any, make_config: Any, db_url: str, rows_of: Any
) -> None:
    config = make_config(telemetry={"db_url": db_url}, training={"max_steps": 1})
    config["task"] = {
        "environment": "adding",
        "rewards": ["info_reward"],
        "rl_rows": [{"question": f"{i}+1="} for i in range(8)],
    }
    config["rl"] |= {"max_turns": 3, "max_completion_length": 2}
    run = run_runner(config, job_type="rl")
    assert run.code == 0, run.said
    for row in rows_of("generations"):
        (component,) = [c for c in rows_of("reward_components") if c["generation_id"] == row["id"]]
        assert component["value"] == row["extras"]["info"]["digits"] / 8


def test_an_evaluation_of_several_models_labels_its_samples_and_knows_its_parents(
    tmp_path: Path, run_runner: Any, make_config: Any, db_url: str, rows_of: Any
) -> None:
    trained = run_runner(
        make_config(telemetry={"db_url": db_url}, training={"max_steps": 3}),
        output_dir=tmp_path / "sft",
        **{Env.RUN_ID: "the-sft"},
    )
    assert trained.code == 0, trained.said
    adapter = str(tmp_path / "sft" / "checkpoint-final")
    rows = [
        {"prompt": f"{i}+1=", "completion": str(i + 1), "expected_answer": str(i + 1)}
        for i in range(3)
    ]
    run = run_runner(
        make_config(
            telemetry={"db_url": db_url},
            adapter={"path": adapter},
            evaluation={"include_base": True, "max_new_tokens": 3},
            task={"eval_rows": rows},
        ),
        job_type="eval",
        output_dir=tmp_path / "eval",
        **{Env.RUN_ID: "the-eval"},
    )
    assert run.code == 0, run.said
    samples = rows_of("eval_samples")
    assert sorted((s["model"], s["row_id"]) for s in samples) == sorted(
        (model, str(i)) for model in ("", "base") for i in range(3)
    )
    generations = {g["id"]: g for g in rows_of("generations")}
    for sample in samples:
        generation = generations[sample["generation_id"]]
        assert generation["phase"] == "eval"
        assert generation["latency_seconds"] > 0
        assert generation["truncated"] in (True, False)
        assert sample["expected_answer"] == rows[int(sample["row_id"])]["expected_answer"]
    (own,) = [r for r in rows_of("runs") if r["run_id"] == "the-eval"]
    assert own["parents"] == ["the-sft"]
    numbers = {m["name"]: m["value"] for m in rows_of("metrics") if m["run_id"] == "the-eval"}
    assert numbers == run.result.metrics
