"""API objects as the controller meets them, each built with one call."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tenyson.controller import names
from tenyson.controller.observed import Child, Defaults, Job, Observed, Pod, Reference
from tenyson.controller.reading import job_of, read_child, read_pod, read_spec
from tenyson.controller.times import format_time

NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)
DEFAULTS = Defaults(
    image="runner:1", progress_url="https://10.0.0.1:8443", progress_ca="PEM",
    progress_interval_seconds=15.0,
)  # fmt: skip
CONFIG = {"model": {"name": "task:tiny"}, "training": {"max_steps": 4}}


def time(seconds: float = 0) -> str:
    """Returns the time some seconds after NOW."""
    return format_time(NOW + timedelta(seconds=seconds))


def job_spec(**changes: Any) -> dict[str, Any]:
    return {"type": "SFT", "task": "a.b:C", "config": CONFIG, **changes}


def job_body(name: str = "j", uid: str = "", status: Any = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {
            "name": name, "namespace": "n", "uid": uid or f"uid-{name}", "generation": 1,
            "resourceVersion": "1",
        },
        "spec": job_spec(**spec),
        **({"status": status} if status else {}),
    }  # fmt: skip


def read_job(body: dict[str, Any]) -> Job:
    """Returns the job in an API object, without the cache between them."""
    return job_of(body, *read_spec(body.get("spec") or {}))


def make_job(name: str = "j", status: Any = None, **spec: Any) -> Job:
    return read_job(job_body(name, status=status, **spec))


def conditions(**held: str) -> list[dict[str, Any]]:
    return [
        {"type": kind, "status": status, "reason": "R", "message": "", "lastTransitionTime": time()}
        for kind, status in held.items()
    ]


RUNS = {"conditions": conditions(Running="True")}
"""The status of a run whose pods run."""
WAITS = {"conditions": conditions(Running="False")}


def ended_job(name: str, kind: str = "Complete", **extra: Any) -> Job:
    result = extra.pop("result", {"outputUri": f"pvc://claim/n/{name}-12345678"})
    status = {"conditions": conditions(**{kind: "True"}), "result": result, "startTime": time()}
    return make_job(name, status=status, **extra)


def _labels(job: str, attempt: int, uid: str) -> dict[str, str]:
    return {
        names.LABEL_JOB: job,
        names.LABEL_ATTEMPT: str(attempt),
        names.LABEL_RUN: names.run_id(uid),
    }


def child_body(
    job: str = "j", attempt: int = 0, ended: str = "", message: str = "", **meta: Any
) -> dict[str, Any]:
    uid = meta.pop("job_uid", f"uid-{job}")
    ended_at = meta.pop("ended_at", time())
    condition = {
        "type": ended, "status": "True", "reason": "PodFailurePolicy", "message": message,
        "lastTransitionTime": ended_at,
    }  # fmt: skip
    return {
        "metadata": {
            "name": names.child_name(job, attempt), "namespace": "n",
            "uid": f"child-{job}-{attempt}", "resourceVersion": "1",
            "labels": _labels(job, attempt, uid),
            "ownerReferences": [{"controller": True, "uid": uid}], **meta,
        },
        "status": {"conditions": [condition] if ended else []},
    }  # fmt: skip


def make_child(*args: Any, **kwargs: Any) -> Child:
    """A child as the cache holds it; `seen_ended` is when the controller saw its end."""
    seen = kwargs.pop("seen_ended", NOW)
    child = read_child(child_body(*args, **kwargs))
    return replace(child, seen_ended=seen) if child.ended_as else child


def pod_body(
    job: str = "j", attempt: int = 0, phase: str = "Running", code: int | None = None, **more: Any
) -> dict[str, Any]:
    state: dict[str, Any] = {"running": {"startedAt": time()}} if phase == "Running" else {}
    if code is not None:
        state = {
            "terminated": {
                "exitCode": code, "reason": more.get("reason", "Error" if code else "Completed"),
                "message": more.get("message", ""), "startedAt": time(), "finishedAt": time(60),
            }
        }  # fmt: skip
        phase = "Failed" if code else "Succeeded"
    status: dict[str, Any] = {
        "phase": more.get("phase_is", phase),
        "containerStatuses": [{"name": names.CONTAINER, "state": state}] if state else [],
        "conditions": more.get("conditions", []),
    }
    if "pod_reason" in more:
        status["reason"] = more["pod_reason"]
    return {
        "metadata": {
            "name": f"{names.child_name(job, attempt)}-x", "namespace": "n",
            "uid": f"pod-{job}-{attempt}", "resourceVersion": "1",
            "labels": _labels(job, attempt, f"uid-{job}"), **more.get("meta", {}),
        },
        "spec": {"nodeName": "node-1"},
        "status": status,
    }  # fmt: skip


def make_pod(*args: Any, **kwargs: Any) -> Pod:
    return read_pod(pod_body(*args, **kwargs))


def observe(job: Job, *things: Child | Pod, others: Any = (), **more: Any) -> Observed:
    return Observed(
        job=job,
        children=tuple(t for t in things if isinstance(t, Child)),
        pods=tuple(t for t in things if isinstance(t, Pod)),
        others={other.name: other for other in others},
        defaults=more.pop("defaults", DEFAULTS),
        **more,
    )


def gone(job: str = "j", attempt: int = 0) -> dict[Reference, str]:
    """What a look at the API server tells of a child that is gone."""
    name, run = names.child_name(job, attempt), names.run_id(f"uid-{job}")
    return {Reference("Job", name, run): "no object"}


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    return next((c for c in status["conditions"] if c["type"] == kind), {})
