"""What ends up in the tables."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tenyson.telemetry import Completion, EvalSample, PromptGroup, drain_spool
from tenyson.telemetry.database import Database
from tenyson.telemetry.rows import RunKey
from tenyson.telemetry.run_rows import RunDescription, run_rows

METRICS = {
    "epoch": 0.5, "loss": 1.25, "learning_rate": 1e-3, "grad_norm": 0.7, "num_tokens": 640,
    "mean_token_accuracy": 0.4, "entropy": 2.0, "eval_loss": None, "eval_mean_token_accuracy": None,
}  # fmt: skip


def group(index: int = 0, totals: tuple[float | None, ...] = (1.0, 3.0)) -> PromptGroup:
    completions = [Completion(f"answer {i}", {"exact": t}, t, 5) for i, t in enumerate(totals)]
    return PromptGroup(index, f"question {index}", completions)


def components(target: Any) -> list[dict[str, Any]]:
    return target.rows("reward_components")


def test_a_rollout_is_stored_with_its_completions(target: Any, open_run: Any) -> None:
    telemetry = open_run()
    telemetry.record_rollouts(7, [group(0), group(1)])
    assert telemetry.close() == {"written": 10, "spooled": 0}
    rollouts = sorted(target.rows("rollouts"), key=lambda row: row["group_index"])
    assert [(r["step"], r["prompt"], r["phase"]) for r in rollouts] == [
        (7, "question 0", "rl"),
        (7, "question 1", "rl"),
    ]
    assert rollouts[0]["reward_mean"] == 2.0
    assert rollouts[0]["reward_std"] == pytest.approx(2**0.5)
    stored = [g for g in target.rows("generations") if g["rollout_id"] == rollouts[0]["id"]]
    stored.sort(key=lambda row: row["index"])
    assert [(g["completion"], g["reward"], g["tokens"]) for g in stored] == [
        ("answer 0", 1.0, 5),
        ("answer 1", 3.0, 5),
    ]
    rewards = {c["generation_id"]: (c["name"], c["value"]) for c in components(target)}
    assert [rewards[g["id"]] for g in stored] == [("exact", 1.0), ("exact", 3.0)]


def test_a_group_says_who_sampled_it_and_whether_it_teaches_anything(
    target: Any, open_run: Any
) -> None:
    telemetry = open_run()
    groups = [group(0), group(1, (2.0, 2.0)), group(2, (None, None))]
    telemetry.record_rollouts(7, groups, weights={"exact": 0.5}, policy_version=6, sampling_round=1)
    telemetry.close()
    rollouts = sorted(target.rows("rollouts"), key=lambda row: row["group_index"])
    assert [r["zero_variance"] for r in rollouts] == [False, True, None]
    assert {(r["policy_version"], r["sampling_round"]) for r in rollouts} == {(6, 1)}
    assert len({r["prompt_hash"] for r in rollouts}) == 3
    assert {c["weight"] for c in components(target)} == {0.5}


def test_a_reward_that_does_not_apply_is_null_and_not_zero(target: Any, open_run: Any) -> None:
    telemetry = open_run()
    telemetry.record_rollouts(1, [group(0, (None, None)), group(1, (None, 2.0))])
    telemetry.close()
    rollouts = sorted(target.rows("rollouts"), key=lambda row: row["group_index"])
    assert [r["reward_mean"] for r in rollouts] == [None, 2.0]
    assert [r["reward_std"] for r in rollouts] == [None, 0.0]
    unscored = [g for g in target.rows("generations") if g["reward"] is None]
    values = {c["generation_id"]: c["value"] for c in components(target)}
    assert [values[g["id"]] for g in unscored] == [None] * 3


def test_metrics_keep_their_step_and_a_row_of_evaluation_has_no_loss(
    target: Any, open_run: Any
) -> None:
    telemetry = open_run()
    telemetry.record_sft_metrics(10, "train", METRICS)
    telemetry.record_sft_metrics(10, "eval", METRICS | {"loss": None, "eval_loss": 0.9})
    telemetry.close()
    rows = target.rows("sft_metrics")
    assert {(r["step"], r["loss"], r["eval_loss"]) for r in rows} == {
        (10, 1.25, None),
        (10, None, 0.9),
    }


def test_eval_samples_are_generations_of_phase_eval(target: Any, open_run: Any) -> None:
    telemetry = open_run()
    telemetry.record_eval_samples(
        [
            EvalSample("w1", "2+2?", "4", scores={"correct": True, "score": 0.5}),
            EvalSample("w1", [{"role": "user", "content": "2+2?"}], "5", sample_index=1),
            EvalSample("w1", "2+2?", "3", model="base", expected_answer="4"),
        ]
    )
    assert telemetry.close() == {"written": 6, "spooled": 0}
    samples = {(s["model"], s["sample_index"]): s for s in target.rows("eval_samples")}
    answers = {g["id"]: g for g in target.rows("generations")}
    assert {key: answers[s["generation_id"]]["completion"] for key, s in samples.items()} == {
        ("", 0): "4",
        ("", 1): "5",
        ("base", 0): "3",
    }
    assert {(s["row_id"], s["prompt"]) for s in samples.values()} == {("w1", "2+2?")}
    assert len({s["prompt_hash"] for s in samples.values()}) == 1
    assert samples["", 0]["scores"] == {"correct": True, "score": 0.5}
    assert samples["", 1]["scores"] == {}
    assert samples["base", 0]["expected_answer"] == "4"
    assert {(g["phase"], g["rollout_id"]) for g in answers.values()} == {("eval", None)}


def test_the_moment_is_stored_in_utc(target: Any, open_run: Any) -> None:
    telemetry = open_run()
    telemetry.record_sft_metrics(1, "train", METRICS)
    telemetry.close()
    (row,) = target.rows("sft_metrics")
    assert row["created_at"].tzinfo is not None
    assert abs(datetime.now(UTC) - row["created_at"]) < timedelta(minutes=5)


def test_a_replay_doubles_nothing(target: Any, open_run: Any) -> None:
    for _ in range(2):
        telemetry = open_run()
        telemetry.record_rollouts(3, [group()])
        telemetry.record_sft_metrics(3, "train", METRICS)
        telemetry.close()
    assert len(target.rows("rollouts")) == 1
    assert len(target.rows("generations")) == 2
    assert len(target.rows("sft_metrics")) == 1


def test_a_step_done_again_has_the_rows_of_the_last_time(target: Any, open_run: Any) -> None:
    """As after a rollback, within one attempt."""
    telemetry = open_run()
    for loss, totals in ((9.0, (0.0, 0.0)), (1.0, (1.0, 3.0))):
        telemetry.record_sft_metrics(3, "train", METRICS | {"loss": loss})
        telemetry.record_rollouts(3, [group(0, totals)])
    telemetry.close()
    assert [row["loss"] for row in target.rows("sft_metrics")] == [1.0]
    assert [row["reward_mean"] for row in target.rows("rollouts")] == [2.0]
    assert sorted(row["reward"] for row in target.rows("generations")) == [1.0, 3.0]


def test_a_replay_puts_no_older_row_in_the_place_of_a_newer_one(target: Any) -> None:
    run, database = RunKey("run", 0), Database(target.url)
    older, newer = (
        run.row("sft_metrics", 3, ("train",), METRICS | {"loss": loss}) for loss in (9.0, 1.0)
    )
    for row in (newer, older, newer):
        database.insert([row])
    database.close()
    assert [row["loss"] for row in target.rows("sft_metrics")] == [1.0]


def test_a_later_attempt_does_not_wipe_what_the_runs_manifest_said(target: Any) -> None:
    known = ("manifest", "parents", "dataset_key", "git_sha")
    begun = RunDescription("rl", "n", "t", "m", config={}, config_hash="h", seed=1)
    manifest = {"dataset_key": "d", "git_sha": "g"}
    described = begun.with_manifest(manifest, ("parent",))
    database, began = Database(target.url), datetime.now(UTC)
    for description in (begun, described, replace(begun, name="again")):
        database.insert(run_rows(RunKey("run", 0), description, began))
    (row,) = target.rows("runs")
    assert row["name"] == "again"
    assert [row[name] for name in known] == [manifest, ["parent"], "d", "g"]
    newer = {"dataset_key": "d2", "git_sha": None}
    database.insert(run_rows(RunKey("run", 0), begun.with_manifest(newer, ()), began))
    database.close()
    (row,) = target.rows("runs")
    assert [row[name] for name in known] == [newer, [], "d2", None]


def test_two_attempts_of_a_run_are_told_apart(target: Any, open_run: Any) -> None:
    for attempt in (0, 1):
        telemetry = open_run(attempt=attempt)
        telemetry.record_rollouts(3, [group()])
        telemetry.close()
    assert [r["attempt"] for r in sorted(target.rows("rollouts"), key=lambda r: r["attempt"])] == [
        0,
        1,
    ]
    assert {g["rollout_id"] for g in target.rows("generations")} == {
        r["id"] for r in target.rows("rollouts")
    }


HOSTILE = "a\x00b \ud800 \ud83d\ude00 \U0001f600 <script>|\x1b[31m \u241b \u241bd800 \u2028 \ufffd"


@pytest.mark.parametrize("way", ["straight", "spool"])
def test_text_that_a_database_refuses_is_stored_without_loss(
    target: Any, open_run: Any, way: str, spool_path: Path
) -> None:
    completion = Completion(HOSTILE, {"exact\x00": 1.0}, 1.0, extras={HOSTILE: [HOSTILE]})
    telemetry = open_run(url=None if way == "straight" else "postgresql://u:p@127.0.0.1:9/none")
    telemetry.record_rollouts(1, [PromptGroup(0, HOSTILE, [completion])])
    scores = {"note": HOSTILE, "ratio": float("nan"), "n": [1, None]}
    telemetry.record_eval_samples([EvalSample(HOSTILE, "p", "c", scores=scores)])
    counts = telemetry.close()
    if way == "spool":
        assert drain_spool(target.url, spool_path.parent) == counts["spooled"]
    else:
        assert counts == {"written": 5, "spooled": 0}

    assert [row["prompt"] for row in target.rows("rollouts")] == [HOSTILE]
    stored = {row["phase"]: row for row in target.rows("generations")}
    assert stored["rl"]["completion"] == HOSTILE
    assert stored["rl"]["extras"] == {HOSTILE: [HOSTILE]}
    assert [row["name"] for row in components(target)] == ["exact\x00"]
    (sample,) = target.rows("eval_samples")
    assert sample["row_id"] == HOSTILE
    assert sample["scores"] == {"note": HOSTILE, "ratio": None, "n": [1, None]}


def test_what_was_stored_is_plain_text_to_sql(target: Any, open_run: Any) -> None:
    telemetry = open_run()
    telemetry.record_rollouts(1, [PromptGroup(0, "p\x00\ud800\u241b", [])])
    telemetry.close()
    assert target.scalar("SELECT prompt FROM rollouts") == "p\u241b0000\u241bd800\u241b241b"


def test_processes_that_start_together_all_find_their_tables(target: Any, tmp_path: Path) -> None:
    code = (
        "import sys; "
        "from tenyson.telemetry import EvalSample, open_telemetry; "
        "t = open_telemetry(sys.argv[1], sys.argv[2], run_id=sys.argv[3], attempt=0); "
        "t.record_eval_samples([EvalSample(str(i), 'p', 'c') for i in range(50)]); "
        "print(t.close())"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, target.url.replace("0.05", "20"), tmp_path / name, name],
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two", "three", "four")
    ]
    said = [process.communicate(timeout=240)[0].strip() for process in started]
    assert said == [str({"written": 100, "spooled": 0})] * 4
    assert len(target.rows("generations")) == 200
