"""Which adapter an attempt starts from (`spec.adapterFrom`)."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from tenyson.contract import PodPath
from tenyson.controller import names
from tenyson.controller.observed import Job, Observed
from tenyson.controller.policies.check import Finding, refuse
from tenyson.controller.reasons import Reason
from tenyson.controller.run_spec import RunSpec


@dataclass(frozen=True, slots=True)
class Adapter:
    """The adapter to start from, as the runner is told."""

    path: str
    sha256: str


def find(observed: Observed, run: RunSpec) -> Finding | None:
    """Returns why the parent's adapter cannot be had, or None."""
    found = resolve(observed, run)
    if isinstance(found, str):
        return refuse(Reason.ADAPTER_UNAVAILABLE, problem=found)
    return None


def resolve(observed: Observed, run: RunSpec) -> Adapter | str | None:
    """Returns the adapter, a sentence why there is none, or None where none is asked for.

    The first attempt's adapter is kept in the status: the parent may be deleted by the next.
    """
    adapter_from = run.spec.adapter_from
    if adapter_from is None:
        return None
    pinned = observed.job.status.get("child") or {}
    if "adapterPath" in pinned:
        return Adapter(pinned["adapterPath"], pinned.get("adapterSha256", ""))
    parent = observed.others.get(adapter_from.job)
    if parent is None:
        return f"spec.adapterFrom names TenysonJob {adapter_from.job}, which does not exist."
    return _of_parent(parent, run.output.volume_claim)


def _of_parent(parent: Job, own_claim: str | None) -> Adapter | str:
    result = parent.status.get("result") or {}
    if parent.spec is not None and parent.spec.type == "Eval":
        return (
            f"spec.adapterFrom names {parent.name}, an Eval, which trains no adapter; "
            "name the SFT or RL job that it evaluated."
        )
    uri = result.get("outputUri", "")
    if not uri:
        return (
            f"TenysonJob {parent.name} kept no output, so its adapter is gone; run it again with "
            "output.volumeClaim or output.uri, then make this job anew."
        )
    return _located(parent.name, uri, result.get("adapterSha256", ""), own_claim)


def _located(parent: str, uri: str, sha256: str, own_claim: str | None) -> Adapter | str:
    parts = urlsplit(uri)
    if parts.scheme != "pvc":
        return Adapter(names.final_checkpoint(uri.rstrip("/")), sha256)
    if parts.netloc != own_claim:
        return (
            f"The adapter of TenysonJob {parent} is on the PersistentVolumeClaim {parts.netloc}; "
            f"set output.volumeClaim to {parts.netloc} (it is {own_claim or 'not set'})."
        )
    return Adapter(names.final_checkpoint(f"{PodPath.OUTPUT}{parts.path}"), sha256)
