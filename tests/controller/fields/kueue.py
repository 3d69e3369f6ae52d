"""A stand-in for Kueue: what its integration of batch/v1 Jobs writes, and nothing more.

Kueue admits a Job by lifting `spec.suspend` and adding the flavor's node labels and tolerations to
the pod template, and evicts it by suspending it again, resetting `status.startTime` and taking the
template back to what it was.
"""

from dataclasses import dataclass, field
from typing import Any

from tenyson.controller.observed import Object
from tests.controller.api import Namespace

FLAVOR = {"cloud.example/flavor": "h100"}
_MANAGER = "?fieldManager=kueue"


@dataclass
class Kueue:
    """The queue of one namespace."""

    ns: Namespace
    _templates: dict[str, Object] = field(default_factory=dict)

    def admit(self, child: str) -> None:
        """Lets a child's pods start, on nodes of the flavor."""
        job = self.ns.child(child)
        assert job["spec"]["suspend"] is True
        spec = job["spec"]["template"]["spec"]
        kept = {"nodeSelector": spec.get("nodeSelector"), "tolerations": spec.get("tolerations")}
        self._templates[child] = kept
        selector = {**(kept["nodeSelector"] or {}), **FLAVOR}
        tolerations = [*(kept["tolerations"] or ()), {"key": "flavor", "operator": "Exists"}]
        self._write(child, suspend=False, nodeSelector=selector, tolerations=tolerations)

    def evict(self, child: str) -> None:
        """Takes a child's pods away."""
        self._write(child, suspend=True)
        path = f"{self.ns.batch}/jobs/{child}/status{_MANAGER}"
        self.ns.api.merge(path, {"status": {"startTime": None}})
        kept = self._templates[child]
        labels = {**dict.fromkeys(FLAVOR), **(kept["nodeSelector"] or {})}
        self._write(child, nodeSelector=labels, tolerations=kept["tolerations"])

    def _write(self, child: str, suspend: bool | None = None, **template: Any) -> None:
        spec: Object = {"template": {"spec": template}} if template else {}
        if suspend is not None:
            spec["suspend"] = suspend
        self.ns.api.merge(f"{self.ns.batch}/jobs/{child}{_MANAGER}", {"spec": spec})
