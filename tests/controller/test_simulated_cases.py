"""Single cases in a simulation that are worth a name: two leaders, hands, deadlines."""

from typing import Any

import pytest

from tests.controller.simulation.replica import Replica
from tests.controller.simulation.world import World

SOON = {"backoffSeconds": 1}
AT_ONCE = {"backoffSeconds": 0, "backoffMaxSeconds": 0}


def world(codes: Any = (0,), *, replicas: int = 1, **spec: Any) -> World:
    return World({"j": {"retry": SOON, **spec}}, codes, skews=(0,) * replicas)


def play(run: World, *happenings: tuple[Any, ...]) -> None:
    for name, *arguments in happenings:
        getattr(run, name)(*arguments)
        run.witness.look()


def follow(replica: Replica, *kinds: str) -> None:
    for kind in kinds:
        while replica.hear(kind):
            pass


def ended(run: World) -> list[tuple[int, str]]:
    return [(entry["number"], entry["reason"]) for entry in run.status()["attempts"]]


def test_a_job_deleted_by_hand_in_the_midst_is_made_up_for() -> None:
    run = world()
    play(run, ("flow", 3), ("delete_child", 0))
    run.settle()
    assert ended(run) == [(0, "Stopped"), (1, "Succeeded")]
    assert run.status()["retries"] == {"app": 0, "infra": 1}


def test_the_next_attempt_waits_for_pods_that_outlive_a_job_deleted_by_hand() -> None:
    run = world(retry=AT_ONCE)
    play(run, ("flow", 3), ("delete_child", 0), *[("hear", 1)] * 9, *[("work", 0)] * 3)
    assert run.witness.made == ["j-a0"]
    run.settle()
    assert run.witness.made == ["j-a0", "j-a1"]


def test_a_new_leader_that_has_not_heard_of_the_child_does_not_take_it_for_deleted() -> None:
    run = world(replicas=2)
    old, new = run.replicas
    play(run, ("flow", 3))
    follow(new, "job")
    play(run, ("take_over", 0), ("work", 0), ("time", 2), ("work", 0))
    assert "attempts" not in run.status()
    run.settle()
    assert run.witness.made == ["j-a0"]
    assert run.leader is new
    assert not old.leads


def test_nor_does_it_start_the_next_attempt_beside_pods_that_it_has_not_heard_of() -> None:
    """The child is gone by hand, its pods not yet, and only the news of the first has come."""
    run = world(replicas=2, retry=AT_ONCE)
    new = run.replicas[1]
    play(run, ("flow", 3), ("delete_child", 0))
    follow(new, "job", "child")
    play(run, ("take_over", 0), *[("work", 0)] * 4)
    assert run.witness.made == ["j-a0"]
    run.settle()


def late_start() -> tuple[World, Replica]:
    """A leader is about to make attempt 1 when another takes over, makes it, and ends the run."""
    run = world([70, 0], replicas=2)
    old = run.leader
    play(run, ("flow", 3), ("end",), ("flow", 3), ("time", 1), ("advance", 0))
    assert old.busy
    return run, old


def test_what_a_lost_leader_makes_late_is_the_attempt_that_the_new_one_has_made() -> None:
    run, old = late_start()
    play(run, ("take_over", 0), *[("flow", 3)] * 2)
    old.make_pass()
    run.settle()
    assert ended(run) == [(0, "InternalError"), (1, "Succeeded")]
    assert run.witness.made == ["j-a0", "j-a1"]


def test_a_finished_run_is_not_started_again_by_a_leader_that_comes_late() -> None:
    run, old = late_start()
    play(run, ("take_over", 0), ("edit", 0, "stop", True), *[("flow", 3)] * 3)
    over = run.status()
    assert over["phase"] == "Stopped"
    while old.busy:
        old.advance()
    run.witness.look()
    assert run.witness.made == ["j-a0", "j-a1"], "the late request came through"
    run.settle()
    assert run.status() == over
    assert list(run.server.objects["child"]) == ["j-a0"]


def test_a_stray_that_ends_well_is_not_counted() -> None:
    run, old = late_start()
    play(run, ("take_over", 0), ("edit", 0, "suspend", True), *[("flow", 3)] * 3)
    assert run.status()["phase"] == "Suspended"
    while old.busy:
        old.advance()
    play(run, ("jobs",), ("kubelet",), ("end",), ("jobs",), ("edit", 0, "suspend", False))
    run.settle()
    assert [number for number, _ in ended(run)] == [0, 1]


def test_a_job_that_ended_just_before_it_was_to_be_deleted_keeps_its_result() -> None:
    run = world()
    play(run, ("flow", 3), ("edit", 0, "suspend", True), ("follow", 0))
    while not run.status()["child"].get("ending"):
        run.advance(0)
    assert run.leader.busy, "the delete is on its way"
    play(run, ("end",), ("jobs",))
    run.leader.make_pass()
    play(run, ("jobs",), ("jobs",))
    run.leader.restart()
    run.settle()
    assert run.status()["phase"] == "Succeeded"
    assert run.status()["result"]["metrics"]


@pytest.mark.parametrize("fate", ["dies", "lost", "refused"])
def test_no_single_write_is_the_one_that_must_not_fail(fate: str) -> None:
    straight = world([70, 137, 0], nodes=2)
    straight.settle()
    for number in range(40):
        run = world([70, 137, 0], nodes=2)
        for _ in range(number):
            run.advance(0)
            play(run, ("jobs",), ("kubelet",), ("end",), *[("follow", kind) for kind in range(3)])
            run.time(1)
        run.advance(0, fate)
        run.settle()
        assert ended(run) == ended(straight)
        assert run.witness.made == straight.witness.made


@pytest.mark.parametrize(
    ("spec", "reason", "reports"),
    [
        ({"activeDeadlineSeconds": 900}, "DeadlineExceeded", False),
        ({"budget": {"maxCost": 3.0, "pricePerHour": 4.0}}, "BudgetReached", False),
        ({"progressDeadlineSeconds": 900}, "RetriesExhausted", True),
    ],
)
def test_a_run_that_never_ends_is_ended_by_its_deadline_though_nothing_happens(
    spec: Any, reason: str, reports: bool
) -> None:
    retry = {"maxRetries": 0}
    run = world([None], nodes=3, **{"progressDeadlineSeconds": None, "retry": retry, **spec})
    play(run, ("flow", 3))
    if reports:
        play(run, ("report", 0))
    begun = run.now
    run.settle()
    held = {c["type"]: c["reason"] for c in run.status()["conditions"]}
    assert reason in (held.get("Complete"), held.get("Failed"))
    assert 900 <= (run.now - begun).total_seconds() < 902


def test_a_run_that_no_node_takes_is_ended_by_its_pending_deadline() -> None:
    run = world([None], pendingDeadlineSeconds=900, progressDeadlineSeconds=None)
    begun = run.now
    run.machinery.has_room = False
    run.settle()
    assert ended(run) == [(0, "PendingDeadlineExceeded")]
    assert 900 <= (run.now - begun).total_seconds() < 902
