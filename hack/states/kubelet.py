"""A kubelet played by hand: the nodes are real objects, and pods run and end when a story says so.

Everything else is real: the scheduler binds the pods, the Job controller makes and counts them,
and evictions and taints take them away.
"""

from collections.abc import Sequence
from typing import Final

from hack import played_pods
from hack.cluster.admin import AdminApi
from hack.played_pods import Object
from tenyson.controller import names

NODES: Final = ("gpu-node-1", "gpu-node-2")
_MERGE: Final = "application/merge-patch+json"
_CAPACITY: Final = {"cpu": "192", "memory": "2Ti", "pods": "250", "nvidia.com/gpu": "60"}


class Kubelet:
    """Plays the kubelet of two GPU nodes."""

    def __init__(self, api: AdminApi) -> None:
        self._api = api
        self._started: dict[str, str] = {}

    def join(self) -> None:
        """Adds the nodes, ready for pods."""
        ready = {
            "type": "Ready", "status": "True", "reason": "KubeletReady",
            "message": "kubelet is posting ready status",
            "lastHeartbeatTime": played_pods.now(), "lastTransitionTime": played_pods.now(),
        }  # fmt: skip
        status = {"capacity": _CAPACITY, "allocatable": _CAPACITY, "conditions": [ready]}
        for node in NODES:
            meta = {"name": node, "labels": {"kubernetes.io/hostname": node}}
            self._api.request("POST", "/api/v1/nodes", {"metadata": meta})
            self._api.request("PATCH", f"/api/v1/nodes/{node}/status", {"status": status}, _MERGE)

    def is_joined(self) -> bool:
        """Whether pods may go to the nodes."""
        nodes = [self._api.find(f"/api/v1/nodes/{node}") or {} for node in NODES]
        return all(node and not node["spec"].get("taints") for node in nodes)

    # Pods

    def run(self, pod: Object) -> None:
        """Lets a pod's container run."""
        self._started[pod["metadata"]["uid"]] = played_pods.now()
        self._write(pod, played_pods.running())

    def wait(self, pod: Object, reason: str, message: str) -> None:
        """Lets a pod's container wait, for an image say."""
        waiting = {"waiting": {"reason": reason, "message": message}}
        self._write(pod, played_pods.status("Pending", waiting))

    def end(self, pod: Object, code: int, message: str, reason: str = "") -> None:
        """Lets a pod's container end."""
        started_at = self._started[pod["metadata"]["uid"]]
        self._write(pod, played_pods.ended(code, message, reason, started_at))

    def evict(self, pod: Object) -> None:
        """Asks for a pod's eviction, as `kubectl drain` does."""
        meta = {key: pod["metadata"][key] for key in ("name", "namespace")}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
        self._api.request("POST", f"{played_pods.path_of(pod)}/eviction", body)

    def remove(self, pod: Object) -> None:
        """Removes a pod that is being deleted, once its processes are gone."""
        self._api.request("DELETE", played_pods.path_of(pod), {"gracePeriodSeconds": 0})

    def token(self, pod: Object, audience: str) -> str:
        """Returns a token as it is projected into the pod."""
        body = played_pods.token_request(pod, audience)
        namespace = pod["metadata"]["namespace"]
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token"
        return str(self._api.request("POST", path, body)["status"]["token"])

    def _write(self, pod: Object, status: Object) -> None:
        self._api.request("PATCH", f"{played_pods.path_of(pod)}/status", status, _MERGE)


def by_rank(pods: Sequence[Object]) -> list[Object]:
    """Returns the pods of a run on several nodes in the order of their ranks."""
    index = names.ANNOTATION_INDEX
    return sorted(pods, key=lambda pod: int((pod["metadata"]["annotations"] or {}).get(index, 0)))
