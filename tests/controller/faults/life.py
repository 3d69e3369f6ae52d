"""The life of a job as a test lives it: a failed attempt, another that ends well."""

from typing import Any, Final

from tests.controller.api import Namespace, eventually, result

AT_ONCE: Final = {"backoffSeconds": 0, "backoffMaxSeconds": 0}


def lives(ns: Namespace, job: str = "j", **spec: Any) -> None:
    """Takes a new job through a lost attempt to its end, and looks that nothing happened twice."""
    ns.create(job, retry=AT_ONCE, **spec)
    ns.run_to_end(f"{job}-a0", 75)
    ns.run_to_end(f"{job}-a1", 0, result())
    ended_well(ns, job)


def ended_well(ns: Namespace, job: str = "j") -> None:
    """Fails unless the job ended with its result after two attempts, with a child for each."""
    status = ns.phase(job, "Succeeded")
    assert status["result"]["metrics"] == {"train_loss": 0.25}
    assert status["retries"] == {"app": 0, "infra": 1}
    assert [a["class"] for a in status["attempts"]] == ["Preempted", "Completed"]
    assert [c for c in ns.children() if c.startswith(f"{job}-a")] == [f"{job}-a0", f"{job}-a1"]


def pauses(ns: Namespace, job: str = "j") -> None:
    """Suspends a new job while it runs, and lets it end after that."""
    ns.create(job, retry=AT_ONCE)
    ns.run_pod(f"{job}-a0")
    ns.phase(job, "Running")
    ns.edit(job, suspend=True)
    eventually(lambda: ns.is_stopping(f"{job}-a0"))
    ns.end_pod(f"{job}-a0", 75, result(status="stopped", global_step=2))
    ns.remove_pod(f"{job}-a0")
    ns.phase(job, "Suspended")
    ns.edit(job, suspend=False)
    ns.run_to_end(f"{job}-a1", 0, result(resumed_from_step=2))
    status = ns.phase(job, "Succeeded")
    assert status["retries"] == {"app": 0, "infra": 0}
    assert [a["class"] for a in status["attempts"]] == ["Suspended", "Completed"]
