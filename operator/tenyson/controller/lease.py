"""The Lease by which replicas elect a leader: what it says, and how it is taken and given up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from tenyson.controller.observed import Object

_RELEASED_SECONDS: Final = 1
"""What a released lease is said to last; the API takes no zero."""


@dataclass(frozen=True)
class Candidate:
    """Who stands for election, and by which rules."""

    namespace: str
    name: str
    """Name of the Lease."""
    identity: str
    duration_seconds: float = 15.0
    """How long others wait after the last change before they take over."""
    renew_seconds: float = 10.0
    """How long a leader goes on without a renewal."""
    retry_seconds: float = 2.0
    """Time between two tries of either."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """What the leader tells others about itself."""


def holder_of(lease: Object | None) -> str:
    """Returns who holds a lease; empty for nobody."""
    return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")


def version_of(lease: Object | None) -> str:
    """Returns what differs after every change of a lease."""
    return str(((lease or {}).get("metadata") or {}).get("resourceVersion", ""))


def claim(lease: Object | None, me: Candidate, now: datetime) -> Object:
    """Returns the lease as held by a candidate: renewed if it was before, and taken if not."""
    before = (lease or {}).get("spec") or {}
    was_ours = before.get("holderIdentity") == me.identity
    transitions = before.get("leaseTransitions") or 0
    spec = {
        **before,
        "holderIdentity": me.identity,
        "leaseDurationSeconds": round(me.duration_seconds),
        "acquireTime": before.get("acquireTime") if was_ours else _micro(now),
        "renewTime": _micro(now),
        "leaseTransitions": transitions + (lease is not None and not was_ours),
    }
    meta: Object = {"name": me.name, "namespace": me.namespace}
    if lease is not None:
        old = lease["metadata"]
        meta = {k: v for k, v in old.items() if k != "managedFields"}
    annotations = {**(meta.get("annotations") or {}), **me.annotations}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {**meta, "annotations": annotations},
        "spec": spec,
    }


def released(lease: Object, now: datetime) -> Object:
    """Returns the lease as held by nobody."""
    spec = {
        **lease["spec"],
        "holderIdentity": "",
        "leaseDurationSeconds": _RELEASED_SECONDS,
        "renewTime": _micro(now),
    }
    return {**lease, "spec": spec}


def _micro(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
