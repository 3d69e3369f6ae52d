"""What a kubelet that is played by hand writes: bindings, statuses of pods, requests for tokens.

The bodies alone; each player sends them by a client of its own.
"""

import time
from typing import Any

from tenyson.controller import names

Object = dict[str, Any]


def path_of(pod: Object) -> str:
    """Returns where the API server has a pod."""
    meta = pod["metadata"]
    return f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"


def binding(pod: Object, node: str) -> Object:
    """Returns what a scheduler says: that a pod goes to a node."""
    return {
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod["metadata"]["name"]},
        "target": {"kind": "Node", "name": node},
    }  # fmt: skip


def status(phase: str, state: Object, **more: Any) -> Object:
    """Returns a pod's status, merged into the one that it has.

    Args:
        phase: Of the pod.
        state: Of the runner's container.
        more: Further fields, such as conditions.
    """
    container = {
        "name": names.CONTAINER, "image": "i", "imageID": "", "ready": phase == "Running",
        "restartCount": 0, "state": state,
    }  # fmt: skip
    return {"status": {"phase": phase, "containerStatuses": [container], **more}}


def running() -> Object:
    """Returns the status of a pod whose container runs from now on."""
    return status("Running", {"running": {"startedAt": now()}})


def ended(
    code: int, message: str = "", reason: str = "", started_at: str = "", **more: Any
) -> Object:
    """Returns the status of a pod whose container has just ended.

    Args:
        code: Its exit code.
        message: Its termination message.
        reason: Empty takes the one that fits the code.
        started_at: Empty takes now.
        more: Further fields of the status.
    """
    terminated = {
        "exitCode": code, "reason": reason or ("Error" if code else "Completed"),
        "message": message, "startedAt": started_at or now(), "finishedAt": now(),
    }  # fmt: skip
    return status("Failed" if code else "Succeeded", {"terminated": terminated}, **more)


def token_request(pod: Object, audience: str) -> Object:
    """Returns the request for a token as it is projected into a pod."""
    meta = pod["metadata"]
    bound = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
    return {
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"audiences": [audience], "boundObjectRef": bound},
    }  # fmt: skip


def now() -> str:
    """Returns the time as the API server writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
