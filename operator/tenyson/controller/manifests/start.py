"""All that the objects of an attempt are made from."""

from dataclasses import dataclass

from tenyson.controller import names
from tenyson.controller.observed import Defaults, Job
from tenyson.controller.policies.adapter import Adapter
from tenyson.controller.run_spec import RunSpec


@dataclass(frozen=True, slots=True)
class Start:
    """An attempt that is about to be made."""

    job: Job
    run: RunSpec
    attempt: int
    adapter: Adapter | None
    """Adapter to start from; None for none."""
    pinned: str
    """What the run began with, as `policies.pins` wrote it."""
    defaults: Defaults

    @property
    def child_name(self) -> str:
        """Name of the Job, and of the Service."""
        return names.child_name(self.job.name, self.attempt)

    @property
    def labels(self) -> dict[str, str]:
        """Labels of all its objects."""
        return {
            names.LABEL_JOB: self.job.name,
            names.LABEL_ATTEMPT: str(self.attempt),
            names.LABEL_RUN: self.job.run_id,
        }

    @property
    def owner(self) -> dict[str, object]:
        """The owner reference of all its objects."""
        return {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": self.job.name,
            "uid": self.job.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
