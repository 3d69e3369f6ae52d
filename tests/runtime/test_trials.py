"""`--dry-run` and `--smoke`: what they tell, what they refuse, and that they leave nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from tenyson.checkpoints.layout import Place
from tenyson.config import parse_config
from tenyson.contract import ExitCode, File, JobType
from tenyson.jobs.planning.plan import (
    Plan,
    cost_lines,
    newest_place,
    planned_steps,
    seconds_a_step,
)
from tenyson.jobs.result import JobResult

SFT, RL = JobType.SFT, JobType.RL


def config_of(**sections: Any) -> Any:
    return parse_config({"model": "m", **sections})


@pytest.mark.parametrize(
    ("job_type", "training", "rows", "ranks", "steps"),
    [
        (SFT, {"max_steps": 7}, 1000, 1, 7),
        (SFT, {}, 20, 1, 3),
        (SFT, {}, 20, 2, 2),
        (SFT, {"gradient_accumulation_steps": 2}, 20, 1, 2),
        (SFT, {"num_train_epochs": 2.0}, 20, 1, 6),
        (RL, {}, 10, 1, 10),
        (RL, {"per_device_train_batch_size": 16}, 11, 1, 5),
        (RL, {"gradient_accumulation_steps": 2}, 10, 1, 5),
    ],
)
def test_the_steps_of_a_run_follow_from_its_rows(
    job_type: JobType, training: dict[str, Any], rows: int, ranks: int, steps: int
) -> None:
    assert planned_steps(config_of(training=training), job_type, rows, ranks) == steps


def test_the_cost_is_told_where_a_step_was_measured_and_a_price_is_known() -> None:
    config = config_of(budget={"price_per_hour": 3.0, "max_hours": 2})

    known = list(cost_lines(config, 1200, 6.0))
    unknown = list(cost_lines(config, 1200, None))

    assert known[0] == "about 2h 00m, 6.00 USD at 3 an hour: 1200 steps of 6 s, as measured"
    assert "--smoke" in unknown[0]
    assert known[1] == unknown[1] == "ends at 2 h (6.00 USD) at the latest"


def test_a_plan_is_read_line_by_line() -> None:
    plan = Plan("SFT")
    plan.add("data", "train: 5 rows")
    plan.add("data", "evaluation: 2 rows")
    plan.warnings.append("look out")

    assert plan.text().splitlines() == [
        "Plan of this SFT run:",
        "  data  train: 5 rows",
        "        evaluation: 2 rows",
        "  warning: look out",
    ]


def test_what_a_step_took_comes_from_an_earlier_attempts_result(tmp_path: Path) -> None:
    assert seconds_a_step(tmp_path) is None
    result = JobResult("r", "stopped", 30.0, global_step=25, resumed_from_step=10)
    result.save(tmp_path / File.JOB_RESULT)

    assert seconds_a_step(tmp_path) == 2.0

    for attempt, step in ((9, 20), (10, 16)):
        own = JobResult("r", "stopped", 30.0, global_step=step, resumed_from_step=10)
        (tmp_path / f"attempt-{attempt}").mkdir()
        own.save(tmp_path / f"attempt-{attempt}" / File.JOB_RESULT)
    (tmp_path / File.JOB_RESULT).unlink()
    assert seconds_a_step(tmp_path) == 5.0

    measured = {"load": 20.0, "forward_backward": 3.0, "generate": 4.5, "save": 2.5}
    result.phase_seconds = measured
    result.save(tmp_path / File.JOB_RESULT)
    assert seconds_a_step(tmp_path) == 0.5


def test_the_newest_checkpoint_is_found_by_name(tmp_path: Path) -> None:
    assert newest_place(tmp_path) is None
    for name in ("attempt-0/checkpoint-9", "attempt-1/checkpoint-4", "checkpoint-final"):
        (tmp_path / name).mkdir(parents=True)

    place = newest_place(tmp_path)

    assert place is not None
    assert place.name == "attempt-1/checkpoint-4"
    assert newest_place(tmp_path, ["attempt-2/checkpoint-3"]) == Place(2, 3)
    assert newest_place(tmp_path / "lost", ["attempt-2/checkpoint-3"]) == Place(2, 3)


def content_of(folder: Path) -> dict[str, Any]:
    return {p.relative_to(folder).as_posix(): p.stat().st_mtime_ns for p in folder.rglob("*")}


@pytest.mark.train
def test_a_dry_run_counts_packed_rows(run_runner: Any, make_config: Any) -> None:
    steps = []
    for packs in (False, True):
        config = make_config(
            data={"packing": packs}, training={"max_steps": None, "num_train_epochs": 1}
        )
        run = run_runner(config, extra=("--dry-run",))
        assert run.code == 0
        line = next(line for line in run.said.splitlines() if line.startswith("  steps"))
        steps.append(int(line.split()[1].rstrip(",")))

    assert 0 < steps[1] < steps[0]


@pytest.mark.train
@pytest.mark.parametrize("job_type", ["sft", "rl", "eval"])
def test_a_dry_run_tells_the_plan_and_leaves_the_folder_as_it_is(
    job_type: str, run_runner: Any, make_config: Any, tmp_path: Path
) -> None:
    (tmp_path / "out" / "attempt-0" / "checkpoint-4").mkdir(parents=True)
    before = content_of(tmp_path / "out")

    run = run_runner(make_config(), job_type=job_type, extra=("--dry-run", "--set", "seed=3"))

    assert run.code == 0
    assert run.message.status == "success"
    assert f"Plan of this {job_type.upper()} run:" in run.said
    assert "read `seed` as" in run.said
    assert "rows (" in run.said
    assert "M parameters" in run.said
    assert "  memory  " in run.said
    assert " GiB of " in run.said
    if job_type == "sft":
        assert "stop token trained: yes" in run.said
        assert "(⟦what is trained⟧)" in run.said
    else:
        assert "hf: there is no GPU" in run.said
    if job_type != "eval":
        assert "from attempt-0/checkpoint-4, if it verifies" in run.said
        assert "6, of 8 examples each" in run.said
    if job_type == "rl":
        assert "digit_reward x 1, length_reward x 1" in run.said
        assert "8 completions a round: 2 prompts x 4" in run.said
    assert content_of(tmp_path / "out") == before


@pytest.mark.train
def test_a_dry_run_refuses_what_the_run_would_refuse_and_leaves_no_result(
    run_runner: Any, make_config: Any
) -> None:
    cases = [
        (make_config(trainer_args={"adam_epsilom": 1}), "sft", ExitCode.CONFIG, "adam_epsilon"),
        (make_config(adapter={"target_modules": ["nobody"]}), "sft", ExitCode.CONFIG, "nobody"),
        (make_config(adapter={"path": "./nowhere"}), "sft", ExitCode.DEPENDENCY, "nowhere"),
        (make_config(task={"reward": "unknown"}), "rl", ExitCode.TASK, "get_reward_funcs raised"),
        (make_config(model={"name": "./nowhere"}), "eval", ExitCode.CONFIG, "no folder ./nowhere"),
        (make_config(rl={"reward_weights": [1.0]}), "rl", ExitCode.TASK, "1 numbers for 2"),
        (make_config(adapter={"kind": "qlora"}), "sft", ExitCode.CONFIG, "which needs a GPU"),
        (make_config(task={"eval_rows": []}), "eval", ExitCode.TASK, "returned no rows"),
        (make_config(evaluation={"max_new_tokens": 9000}), "eval", ExitCode.TASK, "no room"),
        (make_config(training={"max_steps": 0}), "sft", ExitCode.CONFIG, "training.max_steps"),
    ]
    for config, job_type, code, says in cases:
        run = run_runner(config, job_type=job_type, extra=("--dry-run",))
        assert run.code == run.message.exit_code == code, run.said
        assert says in run.said
        assert run.result is None
        assert not run.folder.exists()


@pytest.mark.train
def test_a_dry_run_plans_for_all_ranks_of_the_pod(run_runner: Any, make_config: Any) -> None:
    config = make_config(training={"per_device_train_batch_size": 2})

    run = run_runner(config, job_type="rl", extra=("--dry-run",), PET_NPROC_PER_NODE="4")

    assert run.code == 0, run.said
    assert "6, of 8 examples each: 2 x 1 micro-steps x 4 ranks" in run.said
    assert "8 completions a round: 2 prompts x 4" in run.said


@pytest.mark.parametrize(
    ("flag", "env"),
    [
        ("--smoke", {"PET_NPROC_PER_NODE": "2"}),
        ("--smoke", {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "h", "MASTER_PORT": "1"}),
        ("--dry-run", {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "h", "MASTER_PORT": "1"}),
    ],
)
def test_one_process_does_not_try_what_several_are_to_do(
    flag: str, env: dict[str, str], run_runner: Any, make_config: Any
) -> None:
    run = run_runner(make_config(), extra=(flag,), **env)

    assert run.code == ExitCode.CONFIG
    assert f"{flag}: is done by one process, and 2 ranks are to train here" in run.said
    assert not run.folder.exists()


@pytest.mark.train
def test_a_bug_in_a_dry_run_shows_its_trace_for_there_is_no_file_of_it(
    run_runner: Any, make_config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tenyson.jobs.planning import _planning

    def broken(*args: Any) -> Any:
        raise ValueError("a bug")

    monkeypatch.setattr(_planning, "load_tokenizer", broken)

    run = run_runner(make_config(), extra=("--dry-run",))

    assert run.code == ExitCode.INTERNAL
    assert "in broken" in run.said
    assert not run.folder.exists()


def test_the_result_is_one_line_of_json_on_standard_output(
    run_runner: Any, make_config: Any
) -> None:
    config = make_config(training={"max_steps": 0})

    assert run_runner(config).printed == ""
    run = run_runner(config, extra=("--json",))

    assert run.printed.count("\n") == 1
    assert json.loads(run.printed) == run.result.to_dict()


@pytest.mark.train
def test_a_dry_run_prints_its_plan_as_json(run_runner: Any, make_config: Any) -> None:
    run = run_runner(make_config(), extra=("--dry-run", "--json"))

    printed = json.loads(run.printed)
    assert printed["status"] == "success"
    assert ["start", "from step 0"] in printed["plan"]["lines"]
