"""A pass while there is no attempt: before the first one, or between two."""

from collections.abc import Callable
from typing import Final

from tenyson.controller import names
from tenyson.controller.manifests import child
from tenyson.controller.manifests.start import Start
from tenyson.controller.observed import Observed
from tenyson.controller.plan import standing
from tenyson.controller.plan.model import Pass, Plan
from tenyson.controller.policies import (
    adapter,
    config,
    dependencies,
    references,
    retry,
    suspend,
)
from tenyson.controller.policies.check import Answer, Finding
from tenyson.controller.reasons import Reason
from tenyson.controller.run_spec import RunSpec

_CHECKS: Final[tuple[Callable[[Observed, RunSpec], Finding | None], ...]] = (
    config.find,
    dependencies.find,
    adapter.find,
    references.find,
)
"""Asked in this order before each attempt."""
_LOOK_AGAIN_SECONDS: Final = 15.0
"""When a child that was just made is looked at, if nothing is heard of it before."""


def plan(this: Pass) -> Plan:
    """Returns the next attempt, or what the run waits for."""
    if suspend.is_stop_wanted(this.job):
        return standing.ended_between(this, "Failed", Reason.STOP_REQUESTED, "stopped")
    if finding := config.find_unreadable(this.job):
        return _held(this, finding)
    if suspend.is_wanted(this.job):
        this.draft.accepted()
        return standing.suspended(this)
    if this.job.condition("Suspended"):
        this.draft.drop("Suspended")
    if over := standing.spent(this):
        return standing.ended_between(this, *over)
    if finding := _first_finding(this):
        return _held(this, finding)
    this.draft.accepted()
    return _waiting(this) or _start(this)


def _first_finding(this: Pass) -> Finding | None:
    """Returns what keeps the run from starting: its pins, its config, its parents, its Secrets."""
    if isinstance(this.pins, Finding):
        return this.pins
    run = this.run
    assert run is not None  # a spec that cannot be read was refused before
    for check in _CHECKS:
        if finding := check(this.observed, run):
            return finding
    return None


def _held(this: Pass, finding: Finding) -> Plan:
    if finding.answer is Answer.LOOK_UP:
        return Plan(look_up=finding.references)
    if finding.answer is Answer.REFUSE:
        this.draft.refused(finding.reason, finding.message)
        after = references.poll_seconds(this.observed, this.now) if finding.polled else None
        return this.done(requeue_after=after)
    this.draft.accepted()
    if finding.answer is Answer.FAIL:
        return standing.ended(this, "Failed", finding.reason, finding.message)
    this.draft.waiting(finding.reason, finding.message)
    return this.done()


def _waiting(this: Pass) -> Plan | None:
    """Returns a pass that waits: for a retry's time, or for what an earlier attempt left."""
    if (left := retry.seconds_left(this.job.status, this.now)) > 0:
        return this.done(requeue_after=left)
    if blocking := [pod for pod in this.pods() if not pod.is_terminal]:
        shown = ", ".join(f"{pod.name} on {pod.node or 'no node'}" for pod in blocking[:5])
        this.draft.waiting(Reason.WAITING_FOR_PODS, Reason.WAITING_FOR_PODS.say(pods=shown))
        return this.done()
    if strays := this.strays():
        message = Reason.STRAY_ATTEMPT.say(child=strays[0].name)
        this.draft.waiting(Reason.STRAY_ATTEMPT, message)
        return this.done()
    return None


def _start(this: Pass) -> Plan:
    number = this.next_number()
    name = names.child_name(this.job.name, number)
    if any(known.name == name for known in this.observed.children):
        message = Reason.NAME_TAKEN.say(kind="Job", child=name)
        this.draft.waiting(Reason.NAME_TAKEN, message)
        return this.done()
    run = this.run
    assert run is not None  # checked above
    assert not isinstance(this.pins, Finding)  # likewise
    found = adapter.resolve(this.observed, run)
    assert not isinstance(found, str)  # adapter.find has refused it
    start = Start(this.job, run, number, found, this.pins.text, this.observed.defaults)
    this.note_start(number)
    if run.spec.queue_name is not None:
        this.draft.queued(run.spec.queue_name)
    else:
        this.draft.waiting(Reason.STARTING, Reason.STARTING.say(child=name))
    # Nothing may ever be heard of a child that makes no pod; it has a deadline all the same.
    return this.done(create=child.objects(start), requeue_after=_LOOK_AGAIN_SECONDS)
