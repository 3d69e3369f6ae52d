"""A pod's status as a function of its containers' records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hack.cluster.node.attempts import Outcome
from hack.cluster.node.restarts import Finished, Start, next_step
from hack.cluster.node.statuses import (
    AttemptView,
    ContainerView,
    PodView,
    container_status,
    pod_phase,
    pod_status,
    termination_message,
)

NOW = 1_800_000_000.0


def make_container(exit_code: int | None = None, *, started: bool = True) -> ContainerView:
    """A container that runs, has ended with the code, or has not started."""
    if not started:
        return ContainerView("main", "image")
    outcome = None if exit_code is None else Outcome(exit_code, NOW)
    return ContainerView("main", "image", AttemptView("process://x", 0, NOW - 5, outcome))


def make_pod(
    *main: ContainerView, policy: str = "Never", init: list[ContainerView] | None = None
) -> PodView:
    pod: dict[str, Any] = {
        "metadata": {"uid": "u", "generation": 1},
        "spec": {"restartPolicy": policy},
        "status": {},
    }
    return PodView(pod, init or [], main, NOW - 10)


UNSTARTED = make_container(started=False)
RUNNING = make_container()
DONE, FAILED = make_container(0), make_container(3)


@pytest.mark.parametrize(
    ("view", "phase"),
    [
        (make_pod(UNSTARTED), "Pending"),
        (make_pod(RUNNING, UNSTARTED), "Pending"),
        (make_pod(RUNNING), "Running"),
        (make_pod(RUNNING, FAILED), "Running"),
        (make_pod(DONE), "Succeeded"),
        (make_pod(DONE, FAILED), "Failed"),
        (make_pod(FAILED, policy="OnFailure"), "Running"),
        (make_pod(DONE, policy="OnFailure"), "Succeeded"),
        (make_pod(DONE, policy="Always"), "Running"),
        (make_pod(UNSTARTED, init=[RUNNING]), "Pending"),
        (make_pod(UNSTARTED, init=[FAILED]), "Failed"),
        (make_pod(UNSTARTED, init=[FAILED], policy="OnFailure"), "Pending"),
        (make_pod(RUNNING, init=[DONE]), "Running"),
        (replace(make_pod(DONE, policy="Always"), is_stopped=True), "Succeeded"),
        (replace(make_pod(UNSTARTED), is_stopped=True), "Failed"),
        (replace(make_pod(DONE), verdict=("DeadlineExceeded", "")), "Failed"),
    ],
)
def test_the_phase_follows_from_the_containers(view: PodView, phase: str) -> None:
    assert pod_phase(view) == phase


def test_a_condition_keeps_its_time_while_it_does_not_change() -> None:
    view = make_pod(RUNNING)
    first = pod_status(view, NOW)
    view.pod["status"].update(first)
    assert pod_status(view, NOW + 60)["conditions"] == first["conditions"]


def test_unready_containers_are_named() -> None:
    conditions = {c["type"]: c for c in pod_status(make_pod(UNSTARTED), NOW)["conditions"]}
    assert conditions["Ready"]["message"] == "containers with unready status: [main]"


def test_a_container_in_back_off_shows_its_last_end() -> None:
    waiting = replace(FAILED, waiting=("CrashLoopBackOff", "back-off 10s"))
    status = container_status(waiting, is_init=False)
    assert status["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    assert status["lastState"]["terminated"]["exitCode"] == 3


@pytest.mark.parametrize(
    ("outcome", "code", "reason"),
    [
        (Outcome(0, NOW), 0, "Completed"),
        (Outcome(75, NOW), 75, "Error"),
        (Outcome(1, NOW, ran=False), 128, "StartError"),
        (Outcome(137, NOW, is_lost=True), 137, "ContainerStatusUnknown"),
    ],
)
def test_each_end_has_its_reason(outcome: Outcome, code: int, reason: str) -> None:
    container = ContainerView("main", "image", AttemptView("process://x", 0, NOW - 5, outcome))
    ended = container_status(container, is_init=False)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (code, reason)


@pytest.mark.parametrize(
    ("written", "log", "policy", "exit_code", "message"),
    [
        (b"said", b"log", "FallbackToLogsOnError", 1, "said"),
        (b"", b"log", "File", 1, ""),
        (b"", b"log", "FallbackToLogsOnError", 0, ""),
        (b"", b"log", "FallbackToLogsOnError", 1, "log"),
        (b"x" * 5000, b"", "File", 0, "x" * 4096),
        (b"", b"y" * 5000, "FallbackToLogsOnError", 1, "y" * 2048),
        (b"", b"z\n" * 100, "FallbackToLogsOnError", 1, "z\n" * 80),
    ],
)
def test_the_message_is_what_was_written_or_the_end_of_the_log(
    written: bytes, log: bytes, policy: str, exit_code: int, message: str
) -> None:
    assert termination_message(written, log, policy, exit_code) == message


@pytest.mark.parametrize(
    ("policy", "restarts", "exit_code", "ran_seconds", "step"),
    [
        ("Never", 0, 1, 1, Finished(succeeded=False)),
        ("Never", 0, 0, 1, Finished(succeeded=True)),
        ("OnFailure", 0, 0, 1, Finished(succeeded=True)),
        ("OnFailure", 0, 1, 1, Start(0.0)),
        ("Always", 1, 0, 1, Start(10.0)),
        ("OnFailure", 2, 1, 1, Start(20.0)),
        ("OnFailure", 50, 1, 1, Start(300.0)),
        ("OnFailure", 50, 1, 700, Start(0.0)),
    ],
)
def test_restarts_follow_the_policy_and_back_off(
    policy: str, restarts: int, exit_code: int, ran_seconds: float, step: Start | Finished
) -> None:
    assert next_step(policy, restarts, Outcome(exit_code, NOW), ran_seconds, NOW) == step
