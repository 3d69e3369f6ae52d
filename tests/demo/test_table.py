import io
from typing import Any

import pytest
from rich.console import Console

from hack.demo.table import draw, line, row_of
from hack.demo.watch import follow


def make_job(name: str = "wordle-sft", kind: str = "SFT", **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"type": kind}, "status": status}


def test_a_running_job_shows_its_step_share_metric_and_time_left() -> None:
    progress = {
        "step": 30,
        "totalSteps": 120,
        "percent": 25,
        "etaSeconds": 75,
        "metrics": {"loss": 1.23456, "grad_norm": 3.0},
    }
    row = row_of(make_job(phase="Running", progress=progress, attempt=0))
    assert (row.step, row.percent, row.metric, row.eta) == (
        "30/120",
        "25 %",
        "loss 1.235",
        "1 min 15 s",
    )


def test_a_reward_is_shown_before_a_loss() -> None:
    row = row_of(make_job(phase="Running", progress={"metrics": {"loss": 0.0, "reward": 1.5}}))
    assert row.metric == "reward 1.500"


def test_a_finished_evaluation_shows_its_accuracy_and_how_long_it_took() -> None:
    result = {"metrics": {"accuracy": 0.375}, "totalTimeSeconds": 12.4}
    row = row_of(make_job(kind="Eval", phase="Succeeded", result=result))
    assert (row.metric, row.eta) == ("accuracy 37.5 %", "12 s")


@pytest.mark.parametrize(
    ("condition", "note"),
    [
        ({"type": "Failed", "status": "True", "message": "Exit code 65."}, "Exit code 65."),
        ({"type": "Accepted", "status": "False", "message": "No Secret."}, "No Secret."),
        ({"type": "Accepted", "status": "True", "message": "fine"}, ""),
        ({"type": "Failed", "status": "False", "message": "no"}, ""),
    ],
)
def test_the_note_is_the_condition_that_stands_in_the_way(
    condition: dict[str, str], note: str
) -> None:
    assert row_of(make_job(phase="Pending", conditions=[condition])).note == note


def test_a_job_without_status_yet_is_pending() -> None:
    row = row_of({"metadata": {"name": "a"}, "spec": {"type": "RL"}})
    assert (row.phase, row.step, row.note) == ("Pending", "", "")


def test_a_run_that_does_not_know_its_steps_yet_says_what_it_is_busy_with() -> None:
    loading = row_of(make_job(phase="Running", progress={"step": 0, "percent": 0}))
    training = row_of(make_job(phase="Running", progress={"step": 0, "totalSteps": 80}))
    assert "loading libraries" in loading.note
    assert training.note == ""


def test_a_line_and_a_table_show_the_same_job() -> None:
    row = row_of(make_job(phase="Running", progress={"step": 1, "totalSteps": 2, "percent": 50}))
    screen = io.StringIO()
    Console(file=screen, width=140).print(draw([row], "Jobs"))
    for shown in (line(row), screen.getvalue()):
        assert "wordle-sft" in shown
        assert "1/2" in shown
        assert "50 %" in shown


def test_following_ends_when_the_last_job_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter([["Running", "Pending", "Pending"], ["Succeeded", "Failed", "Stopped"]])

    def list_jobs() -> list[dict[str, Any]]:
        return [make_job(name, phase=p) for name, p in zip("abc", next(answers), strict=True)]

    follow(["a", "b", "c"], list_jobs, check=lambda: None)
    shown = capsys.readouterr().out
    assert "b                  Failed" in shown


def test_a_log_says_anew_what_a_job_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    waits = iter(["Waiting for its pod.", "Waiting for its pod.", "No node has room.", None])

    def list_jobs() -> list[dict[str, Any]]:
        message = next(waits)
        if message is None:
            return [make_job(phase="Succeeded")]
        condition = {"type": "Reconciling", "status": "True", "message": message}
        return [make_job(phase="Starting", conditions=[condition])]

    follow(["wordle-sft"], list_jobs, check=lambda: None)
    assert [text.split(maxsplit=2)[2:] for text in capsys.readouterr().out.splitlines()] == [
        ["Waiting for its pod."],
        ["No node has room."],
        [],
    ]


def test_following_stops_when_what_the_jobs_need_has_died() -> None:
    def check() -> None:
        raise RuntimeError("the controller has died")

    with pytest.raises(RuntimeError, match="controller has died"):
        follow(["a"], lambda: [], check=check)
