"""Whether the Secrets and ConfigMaps that a job names are there, asked before each attempt."""

from datetime import datetime

from tenyson.controller.observed import Observed, Reference
from tenyson.controller.policies.check import Answer, Finding, refuse
from tenyson.controller.reasons import Reason
from tenyson.controller.run_spec import RunSpec
from tenyson.controller.times import parse_time


def wanted(run: RunSpec) -> tuple[Reference, ...]:
    """Returns every key that the run's pods will need."""
    found = []
    if ref := run.telemetry.database_secret_ref:
        found.append(Reference("Secret", ref.name, ref.key))
    if run.hub is not None and (ref := run.hub.token_secret_ref):
        found.append(Reference("Secret", ref.name, ref.key))
    for variable in run.env:
        if source := variable.value_from:
            if ref := source.secret_key_ref:
                found.append(Reference("Secret", ref.name, ref.key))
            if ref := source.config_map_key_ref:
                found.append(Reference("ConfigMap", ref.name, ref.key))
    return tuple(found)


def find(observed: Observed, run: RunSpec) -> Finding | None:
    """Returns what must be looked up, then what is missing, or None."""
    references = wanted(run)
    if any(reference not in observed.references for reference in references):
        return Finding(Answer.LOOK_UP, Reason.SECRET_NOT_FOUND, "", references=references)
    for reference in references:
        if (state := observed.references[reference]) != "found":
            return missing(reference, state, observed.job.namespace)
    return None


def missing(reference: Reference, state: str, namespace: str) -> Finding:
    """Returns the refusal of a run whose Secret or ConfigMap was not found."""
    shown = f"{reference.kind} {reference.name}"
    if state == "forbidden":
        return refuse(Reason.REFERENCE_FORBIDDEN, polled=True, reference=shown, namespace=namespace)
    secret = reference.kind == "Secret"
    reason = Reason.SECRET_NOT_FOUND if secret else Reason.CONFIG_MAP_NOT_FOUND
    said = (
        f"{shown} does not exist (key {reference.key} is needed)"
        if state == "no object"
        else f"{shown} has no key {reference.key}"
    )
    return refuse(reason, polled=True, missing=said, namespace=namespace)


def poll_seconds(observed: Observed, now: datetime) -> float:
    """Returns when to look again: often at first, then ever more rarely, 30 s at most."""
    since = observed.job.condition("Stalled").get("lastTransitionTime")
    waited = (now - parse_time(since)).total_seconds() if since else 0.0
    return min(max(1.0, waited / 4), 30.0)
