"""Whether the jobs that this one waits for have ended as they must."""

from tenyson.controller.observed import Job, Observed
from tenyson.controller.policies.check import Finding, fail, refuse, wait
from tenyson.controller.reasons import Reason
from tenyson.controller.run_spec import RunSpec


def find(observed: Observed, _: RunSpec) -> Finding | None:
    """Returns a circle first, then a parent that ended wrongly, then one still awaited.

    A run that has started is past this: its parents may be deleted by now.
    """
    if observed.job.has_started:
        return None
    if cycle := cycle_through(observed):
        return refuse(Reason.DEPENDENCY_CYCLE, cycle=" -> ".join(cycle))
    findings = [
        _parent(observed, parent, condition) for parent, condition in observed.job.parents().items()
    ]
    found = [finding for finding in findings if finding is not None]
    # A parent that ended wrongly decides; no other parent can mend that.
    found.sort(key=lambda finding: finding.reason is not Reason.DEPENDENCY_FAILED)
    return found[0] if found else None


def _parent(observed: Observed, name: str, condition: str) -> Finding | None:
    parent = observed.others.get(name)
    if parent is None:
        return wait(
            Reason.DEPENDENCY_NOT_FOUND,
            job=name, namespace=observed.job.namespace, condition=condition,
        )  # fmt: skip
    state = parent.ended_as()
    if not state:
        return wait(Reason.WAITING_FOR_DEPENDENCY, job=name, condition=condition)
    if condition in (state, "Finished"):
        return None
    return fail(Reason.DEPENDENCY_FAILED, job=name, state=state, condition=condition)


def cycle_through(observed: Observed) -> list[str]:
    """Returns a circle of names that the job lies on, itself first and last; empty without one."""
    start = observed.job.name
    trail: list[str] = [start]
    seen: set[str] = set()

    def walk(job: Job) -> bool:
        for parent in job.parents():
            trail.append(parent)
            if parent == start:
                return True
            if parent not in seen:
                seen.add(parent)
                if parent in observed.others and walk(observed.others[parent]):
                    return True
            trail.pop()
        return False

    return trail if walk(observed.job) else []
