"""A pass, and the plan that it comes to."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tenyson.controller import announcements, names
from tenyson.controller.announcements import Announcement
from tenyson.controller.manifests.child import config_hash
from tenyson.controller.observed import Attempt, Child, Observed, Pod, Reference
from tenyson.controller.phase import is_detail
from tenyson.controller.policies import adapter, pins
from tenyson.controller.policies.check import Finding
from tenyson.controller.policies.pins import NOTHING, Pins
from tenyson.controller.run_spec import RunSpec
from tenyson.controller.status import Draft, Status


@dataclass(frozen=True, slots=True)
class Plan:
    """What one pass is to do, in this order."""

    create: tuple[dict[str, Any], ...] = ()
    """Objects of the next attempt to make; the child is the last of them."""
    status: Status | None = None
    """The status to write; None leaves it as it is."""
    is_detail: bool = False
    """Whether the status tells only in other words what it told before, and can wait."""
    delete: tuple[Child, ...] = ()
    """Children to delete, their pods first and gracefully."""
    delete_job: bool = False
    """Whether the TenysonJob itself is due for deletion."""
    announcements: tuple[Announcement, ...] = ()
    """Events to post once the status is written."""
    recorded: str = ""
    """Class of the attempt that the status records as ended; empty when it records none."""
    requeue_after: float | None = None
    """Seconds until it must be looked at again, whatever happens; None: only when woken."""
    look_up: tuple[Reference, ...] = ()
    """Objects to read before planning anew; nothing else is to be done then."""


class Pass:
    """One pass over a run that has not ended: what it sees, and the status it is drafting."""

    def __init__(self, observed: Observed, now: datetime) -> None:
        self.observed = observed
        self.job = observed.job
        self.now = now
        self.draft = Draft(observed.job, now)
        self.said: list[Announcement] = []
        self.recorded = ""
        self.attempt = self._open_attempt()
        self.pins = pins.resolve(observed, self.attempt.child if self.attempt else None)

    @property
    def run(self) -> RunSpec | None:
        """What the run is carried out with; None while that cannot be told."""
        if isinstance(self.pins, Finding):
            return None
        return pins.run_spec(self.observed, self.pins)

    def pods(self) -> list[Pod]:
        """Returns the pods that are this run's own."""
        return [pod for pod in self.observed.pods if pod.run_id == self.job.run_id]

    def strays(self) -> tuple[Child, ...]:
        """Returns children of attempts that are over, and that yet may run."""
        return strays(self.observed, self.attempt.number if self.attempt else None)

    def _open_attempt(self) -> Attempt | None:
        """Returns the attempt that was made and is not recorded as ended."""
        recorded = max((a["number"] for a in self.job.recorded_attempts()), default=-1)
        children = children_of(self.observed)
        made = [child.attempt for child in children]
        if "attempt" in self.job.status:
            made.append(self.job.status["attempt"])
        newest = max(made, default=-1)
        if newest <= recorded:
            return None
        child = next((c for c in children if c.attempt == newest), None)
        return Attempt(newest, child, tuple(pod for pod in self.pods() if pod.attempt == newest))

    def next_number(self) -> int:
        """Returns the number of the attempt to be made."""
        return max((a["number"] for a in self.job.recorded_attempts()), default=-1) + 1

    def note_start(self, number: int) -> None:
        """Writes down what the attempt was started with."""
        run = self.run
        if run is None or isinstance(self.pins, Finding):
            return
        pinned = "" if self.pins.text == NOTHING else self.pins.text
        self.draft.started(number, self._child_status(number, run, self.pins), pinned)
        self.draft.checkpoint(None, kept=bool(run.output.uri or run.output.volume_claim))

    def _child_status(self, number: int, run: RunSpec, pinned: Pins) -> dict[str, str]:
        found = adapter.resolve(self.observed, run)
        status = {
            "job": names.child_name(self.job.name, number),
            "configHash": config_hash(run),
        }
        if pinned.runtime_hash:
            status["runtimeHash"] = pinned.runtime_hash
        if isinstance(found, adapter.Adapter):
            status["adapterPath"] = found.path
            if found.sha256:
                status["adapterSha256"] = found.sha256
        return status

    def as_drafted(self) -> Observed:
        """Returns what the next pass will see, if nothing else changes: deadlines count in it.

        The write of a status wakes nobody, so the pass that sees a run begin sets its alarm, too.
        """
        return replace(self.observed, job=replace(self.job, status=self.draft.so_far()))

    def done(
        self,
        *,
        create: tuple[dict[str, Any], ...] = (),
        delete: tuple[Child, ...] = (),
        requeue_after: float | None = None,
    ) -> Plan:
        """Returns the plan, with the status if it differs from the present one."""
        wanted = self.draft.finished()
        changed = wanted != self.job.status
        said = (*self.said, *announcements.between(self.job.status, wanted)) if changed else ()
        return Plan(
            create=create,
            status=wanted if changed else None,
            is_detail=changed and is_detail(self.job.status, wanted),
            delete=(*delete, *self.strays()),
            announcements=said,
            recorded=self.recorded,
            requeue_after=requeue_after,
        )


def children_of(observed: Observed) -> list[Child]:
    """Returns the children that are the run's own."""
    return [child for child in observed.children if child.job_uid == observed.job.uid]


def strays(observed: Observed, current: int | None) -> tuple[Child, ...]:
    """Returns children other than the current attempt's that yet may run.

    A controller that lost the lead may have made one late, even of a run that is over.
    """
    return tuple(
        child
        for child in children_of(observed)
        if child.attempt != current and not child.ended_as and not child.deleting
    )
