"""Cuts what a pass needs out of the API's objects."""

import sys
from typing import Final

from pydantic import ValidationError

from tenyson.controller import names
from tenyson.controller.observed import Child, Job, Object, Pod, Runtime
from tenyson.controller.resource.runtime import TenysonRuntimeSpec
from tenyson.controller.resource.spec import TenysonJobSpec, parse_spec

_ON_ITS_WAY: Final = ("ContainerCreating", "PodInitializing")
"""Reasons of every container that is about to run: an image is pulled, a volume is mounted."""


def job_of(body: Object, spec: TenysonJobSpec | None, problem: str) -> Job:
    """Returns the TenysonJob of an API object's metadata and status and of a spec read before."""
    meta = body["metadata"]
    return Job(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        generation=meta.get("generation", 0),
        resource_version=int(meta.get("resourceVersion") or 0),
        deleting="deletionTimestamp" in meta,
        spec=spec,
        problem=problem,
        status=body.get("status") or {},
        created_at=meta.get("creationTimestamp") or "",
        tracked_by=tracking_mark(meta),
    )


def tracking_mark(meta: Object) -> str:
    """Returns the surest sign of a tool that would make the object again; empty without one."""
    if meta.get("generateName"):
        return ""  # Nothing brings back a name that the API server has made up.
    present = {*(meta.get("labels") or ()), *(meta.get("annotations") or ())}
    return next((mark for mark in names.TRACKING_MARKS if mark in present), "")


def read_spec(spec: Object) -> tuple[TenysonJobSpec | None, str]:
    """Returns a TenysonJob's spec; or None, and why it cannot be read."""
    try:
        return parse_spec(spec), ""
    except ValidationError as error:
        return None, _problems(error)


def read_runtime(body: Object) -> Runtime:
    """Returns the runtime in an API object."""
    meta, raw = body["metadata"], body.get("spec") or {}
    spec, problem = None, ""
    try:
        spec = TenysonRuntimeSpec.model_validate(raw)
    except ValidationError as error:
        problem = _problems(error)
    namespace = meta.get("namespace", "")
    return Runtime(
        kind=names.RUNTIME_KIND if namespace else names.CLUSTER_RUNTIME_KIND,
        namespace=namespace,
        name=meta["name"],
        uid=meta["uid"],
        resource_version=int(meta.get("resourceVersion") or 0),
        spec=spec,
        problem=problem,
        raw=raw,
    )


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"spec.{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
        for item in error.errors(include_url=False)
    )


def read_child(body: Object) -> Child:
    """Returns the child in a batch/v1 Job."""
    meta = body["metadata"]
    ended: Object = next(
        (
            condition
            for condition in (body.get("status") or {}).get("conditions") or ()
            if condition["type"] in ("Complete", "Failed") and condition["status"] == "True"
        ),
        {},
    )
    owner: Object = next((o for o in meta.get("ownerReferences") or () if o.get("controller")), {})
    pinned = (meta.get("annotations") or {}).get(names.ANNOTATION_PINNED, "")
    return Child(
        **_identity(meta),
        ended_as=ended.get("type", ""),
        reason=ended.get("reason", ""),
        message=ended.get("message", ""),
        ended_at=ended.get("lastTransitionTime", ""),
        job_uid=owner.get("uid", ""),
        suspended=bool((body.get("spec") or {}).get("suspend")),
        created_at=meta.get("creationTimestamp") or "",
        # Thousands of children are made with one and the same runtime.
        pinned=sys.intern(pinned),
    )


def read_pod(body: Object) -> Pod:
    """Returns the pod in a v1 Pod."""
    meta, status = body["metadata"], body.get("status") or {}
    state = _container_state(status)
    ended: Object = state.get("terminated") or {}
    running: Object = state.get("running") or {}
    index = (meta.get("annotations") or {}).get(names.ANNOTATION_INDEX)
    return Pod(
        **_identity(meta),
        phase=status.get("phase", "Pending"),
        node=(body.get("spec") or {}).get("nodeName", ""),
        exit_code=ended.get("exitCode"),
        # A pod killed by the kubelet (Evicted) says so itself; its container only says Error.
        reason=status.get("reason") or ended.get("reason", ""),
        message=ended.get("message") or status.get("message", ""),
        started_at=ended.get("startedAt") or running.get("startedAt") or "",
        ended_at=ended.get("finishedAt") or "",
        disruption=_disruption(status),
        waiting=_waiting(status, state.get("waiting") or {}),
        index=max(0, _number(index)),
    )


def _identity(meta: Object) -> Object:
    """Returns what tells which object it is and of which attempt, the same for Jobs and pods."""
    labels = meta.get("labels") or {}
    return {
        "namespace": meta["namespace"],
        "name": meta["name"],
        "uid": meta["uid"],
        "job": labels.get(names.LABEL_JOB, ""),
        "run_id": labels.get(names.LABEL_RUN, ""),
        "attempt": _number(labels.get(names.LABEL_ATTEMPT)),
        "resource_version": int(meta.get("resourceVersion") or 0),
        "deleting": "deletionTimestamp" in meta,
    }


def _container_state(status: Object) -> Object:
    for container in status.get("containerStatuses") or ():
        if container["name"] == names.CONTAINER:
            return container.get("state") or {}
    return {}


def _disruption(status: Object) -> str:
    for condition in status.get("conditions") or ():
        if condition["type"] == "DisruptionTarget" and condition["status"] == "True":
            return condition.get("reason") or "DisruptionTarget"
    return ""


def _waiting(status: Object, waiting: Object) -> str:
    if waiting and waiting.get("reason") not in _ON_ITS_WAY:
        return ": ".join(filter(None, (waiting.get("reason", ""), waiting.get("message", ""))))
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            reason, message = condition.get("reason", ""), condition.get("message", "")
            return ": ".join(filter(None, (reason, message)))
    return ""


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isdigit() else -1
