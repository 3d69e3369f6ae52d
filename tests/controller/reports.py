"""A pod's side of the progress endpoint."""

import json
import ssl
from typing import Any

import urllib3

from tenyson.contract import PROGRESS_AUDIENCE
from tenyson.controller import names
from tenyson.controller.observed import Object
from tests.controller.api import Namespace, eventually


def push(ns: Namespace, child: str, token: str, body: Any = None, *, path: str = "") -> int:
    """Pushes as a pod of the child would, and returns the answer's code."""
    template = ns.child(child)["spec"]["template"]
    authority = template["metadata"]["annotations"][names.ANNOTATION_PROGRESS_CA]
    env = template["spec"]["containers"][0]["env"]
    url = next(v["value"] for v in env if v["name"] == "TENYSON_PROGRESS_URL")
    if path:
        url = url.replace(f"/{child.rsplit('-a', 1)[0]}/attempts/0/", path)
    pool = urllib3.PoolManager(ssl_context=ssl.create_default_context(cadata=authority))
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = json.dumps(report(1) if body is None else body)
    return int(pool.request("POST", url, body=data, headers=headers).status)


def report(step: int, **more: str) -> Object:
    values = {"step": step, "total_steps": 10, "loss": "0.5", "broken": "NaN", **more}
    return {
        "trainerStatus": {
            "lastUpdatedTime": "2030-01-01T00:00:00Z",
            "progressPercentage": step * 10,
            "estimatedRemainingSeconds": 60,
            "metrics": [{"name": name, "value": value} for name, value in values.items()],
        }
    }


def push_as(ns: Namespace, pod: Object, step: int, **more: str) -> None:
    """Pushes a step as this pod; the report has been taken when it returns."""
    child = pod["metadata"]["labels"]["batch.kubernetes.io/job-name"]
    token = ns.token(pod, PROGRESS_AUDIENCE)
    eventually(lambda: push(ns, child, token, report(step, **more)) == 200)
