"""Whatever order events come in, and wherever the controller dies, the end is the same."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.controller.simulation import Simulation

CODES = st.lists(st.sampled_from([0, 1, 64, 69, 70, 71, 72, 73, 75, 137]), min_size=1, max_size=6)
WRITES = st.sampled_from(["", "create", "delete", "status"])
HAPPENINGS = ["job controller", "kubelet", "job event", "child event", "pod event", "time"]
STEPS = st.lists(
    st.one_of(
        st.sampled_from([*HAPPENINGS, "restart"]),
        st.tuples(st.just("pass"), WRITES),
    ),
    max_size=60,
)
SPEC = {"retry": {"maxRetries": 1, "maxInfraRetries": 2, "backoffSeconds": 1}}
PATIENT = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def play(simulation: Simulation, steps: list[Any]) -> None:
    happenings = simulation.steps()
    for step in steps:
        if step == "restart":
            simulation.restart()
        elif isinstance(step, tuple):
            simulation.make_pass(dies_after=step[1])
        elif step == "suspend":
            simulation.edit(suspend=True)
        elif step == "resume":
            simulation.edit(suspend=False)
        else:
            happenings[step]()
        assert len(simulation.live_attempts()) <= 1, "two attempts live at the same time"


def told(status: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on the order: how it ended, after which attempts, at what cost."""
    return {
        "phase": status["phase"],
        "retries": status["retries"],
        "attempts": [
            (entry["number"], entry["reason"], entry.get("exitCode"))
            for entry in status["attempts"]
        ],
        "result": {k: v for k, v in status["result"].items() if k != "failure"},
        "reasons": [(c["type"], c["reason"]) for c in status["conditions"]],
    }


@PATIENT
@given(codes=CODES, steps=STEPS)
def test_the_end_does_not_depend_on_order_or_crashes(codes: list[int], steps: list[Any]) -> None:
    straight = Simulation(codes, SPEC).settle()
    bumpy = Simulation(codes, SPEC)
    play(bumpy, steps)
    assert told(bumpy.settle()) == told(straight)
    assert len(bumpy.created) == len(set(bumpy.created)), "an attempt was made twice"


@PATIENT
@given(
    codes=CODES,
    steps=st.lists(
        st.one_of(
            st.sampled_from([*HAPPENINGS, "restart", "suspend", "resume"]),
            st.tuples(st.just("pass"), WRITES),
        ),
        max_size=80,
    ),
)
def test_suspending_at_any_moment_never_makes_two_attempts_live(
    codes: list[int], steps: list[Any]
) -> None:
    simulation = Simulation(codes, SPEC)
    play(simulation, steps)
    simulation.edit(suspend=False)
    status = simulation.settle()
    assert status["phase"] in ("Succeeded", "Failed")
    assert status["retries"]["app"] <= 1
    assert status["retries"]["infra"] <= 2
    assert status["result"]["attempt"] == status["attempts"][-1]["number"]


def test_a_job_deleted_by_hand_in_the_midst_is_made_up_for() -> None:
    simulation = Simulation([0], SPEC)
    for step in ("job event", ("pass", ""), "job controller", "kubelet", "pod event"):
        play(simulation, [step])
    simulation._delete("j-a0", simulation.children["j-a0"]["metadata"]["uid"])
    status = simulation.settle()
    assert status["phase"] == "Succeeded"
    assert status["retries"] == {"app": 0, "infra": 1}
