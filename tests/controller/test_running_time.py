"""Running time, what it costs, and hangs: by whose clock, and what counts."""

from datetime import timedelta
from typing import Any

import pytest

from tenyson.controller.observed import Attempt, Report
from tenyson.controller.plan import plan
from tenyson.controller.policies import progress_deadline, running_time
from tests.controller.builders import (
    NOW,
    RUNS,
    WAITS,
    gone,
    make_child,
    make_job,
    make_pod,
    observe,
    time,
)


@pytest.mark.parametrize(
    ("status", "seconds"),
    [
        ({}, 0),
        (WAITS, 0),
        (RUNS, 30),
        ({**RUNS, "activeSeconds": 12.5}, 42.5),
        ({**WAITS, "activeSeconds": 12.5}, 12.5),
    ],
)
def test_only_running_counts_and_it_adds_up(status: Any, seconds: float) -> None:
    assert running_time.active_seconds(status, NOW + timedelta(seconds=30)) == seconds


def test_a_clock_behind_the_last_leaders_takes_no_time_back() -> None:
    early = NOW - timedelta(minutes=5)
    assert running_time.active_seconds({**RUNS, "activeSeconds": 7}, early) == 7


def test_the_time_of_each_attempt_is_kept_through_a_suspension() -> None:
    """Twice a minute of running, and an hour of standing still between."""
    spec = {"progressDeadlineSeconds": None}
    status: dict[str, Any] = {"attempt": 0, "child": {"job": "j-a0", "configHash": "c"}}
    now, pod = NOW, make_pod()
    for suspend, *things in ((False, make_child(), pod), (True, make_child(), pod)):
        done = plan(observe(make_job(status=status, suspend=suspend, **spec), *things), now)
        status, now = done.status or status, now + timedelta(seconds=60)
    ended = observe(
        make_job(status=status, suspend=True, **spec), make_pod(code=75), references=gone()
    )
    status = plan(ended, now).status or {}
    assert (status["phase"], status["activeSeconds"]) == ("Suspended", 60.0)
    now += timedelta(hours=1)
    status = plan(observe(make_job(status=status, **spec)), now).status or {}
    things = make_child(attempt=1), make_pod(attempt=1)
    status = plan(observe(make_job(status=status, **spec), *things), now).status or {}
    now += timedelta(seconds=60)
    assert running_time.active_seconds(status, now) == 120


@pytest.mark.parametrize(
    ("budget", "nodes", "seconds"),
    [
        ({}, 1, None),
        ({"maxCost": 5.0}, 1, None),
        ({"pricePerHour": 5.0}, 1, None),
        ({"maxCost": 5.0, "pricePerHour": 0.0}, 1, None),
        ({"maxCost": 5.0, "pricePerHour": 10.0}, 1, 1700),
        ({"maxCost": 5.0, "pricePerHour": 10.0}, 4, 350),
    ],
)
def test_a_budget_lasts_as_long_as_all_its_nodes_can_be_paid(
    budget: Any, nodes: int, seconds: float | None
) -> None:
    spec = make_job(budget=budget, nodes=nodes).spec
    assert spec is not None
    assert running_time.seconds_to_budget(spec, {"activeSeconds": 100}, NOW) == seconds


def test_the_cost_is_of_all_nodes_and_in_the_specs_currency() -> None:
    spec = make_job(budget={"pricePerHour": 10.0, "currency": "EUR"}, nodes=2).spec
    free = make_job().spec
    assert spec is not None
    assert free is not None
    assert running_time.cost(spec, 1800) == {"amount": 10.0, "currency": "EUR"}
    assert running_time.cost(free, 1800) is None


STEPPED = Report(0, NOW, step=3, stepped_at=NOW)


def left(
    status: Any, report: Report | None, listening: Any = NOW, seconds: int | None = 60
) -> float | None:
    """Seconds until attempt 1 hangs, half a minute after NOW."""
    job = make_job(status=status, progressDeadlineSeconds=seconds)
    observed = observe(job, report=report, listening_since=listening)
    attempt = Attempt(1, make_child(attempt=1), (make_pod(attempt=1),))
    return progress_deadline.seconds_left(observed, attempt, NOW + timedelta(seconds=30))


REPORT = Report(1, NOW, step=3, stepped_at=NOW - timedelta(seconds=10))
CURRENT = {**RUNS, "attempt": 1}


@pytest.mark.parametrize(
    ("what", "seconds"),
    [
        ({"status": CURRENT, "report": REPORT}, 30),
        ({"status": CURRENT, "report": None}, None),
        ({"status": CURRENT, "report": STEPPED}, None),
        ({"status": WAITS, "report": REPORT}, None),
        ({"status": CURRENT, "report": REPORT, "listening": None}, None),
        ({"status": CURRENT, "report": REPORT, "seconds": None}, None),
        (
            {"status": CURRENT, "report": REPORT, "listening": NOW + timedelta(seconds=20)},
            50,
        ),
        (
            {"status": CURRENT, "report": Report(1, NOW, step=3, stepped_at=NOW + timedelta(9))},
            60 - 30 + 9 * 86400,
        ),
        ({"status": CURRENT, "report": Report(1, NOW + timedelta(seconds=5), percent=3)}, 35),
    ],
    ids=[
        "since it began to run", "never reported", "another attempt's report", "does not run",
        "nobody listens", "no deadline", "nobody listened before", "since its last step",
        "a report without a step",
    ],
)  # fmt: skip
def test_a_hang_is_told_from_silence(what: Any, seconds: float | None) -> None:
    assert left(**what) == seconds


def test_a_new_leader_goes_by_what_the_last_one_wrote() -> None:
    progress = {"progress": {"step": 3, "steppedAt": time(20)}}
    assert left({**CURRENT, **progress}, None) == 50
    assert left({**CURRENT, **progress, "attempt": 0}, None) is None
    assert left({**CURRENT, "progress": {"percent": 3}}, None) is None
