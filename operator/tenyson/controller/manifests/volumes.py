"""The volumes of a runner's pod, and where they are mounted."""

from typing import Any, Final

from tenyson.contract import PROGRESS_AUDIENCE, PodPath
from tenyson.controller import names
from tenyson.controller.run_spec import RunSpec

TOKEN_SECONDS: Final = 3600
"""Life of a progress token; the kubelet renews it in time."""
CONFIG, TOKEN, TMP, OUTPUT, SHM = RESERVED = ("config", "progress-token", "tmp", "output", "shm")


def volumes(run: RunSpec) -> list[dict[str, Any]]:
    """Returns the pod's volumes, the runtime's last."""
    claim = run.output.volume_claim
    output = {"persistentVolumeClaim": {"claimName": claim}} if claim else {"emptyDir": {}}
    token = {
        "path": PodPath.PROGRESS_TOKEN.rsplit("/", 1)[1],
        "audience": PROGRESS_AUDIENCE,
        "expirationSeconds": TOKEN_SECONDS,
    }
    found: list[dict[str, Any]] = [
        {
            "name": CONFIG,
            "downwardAPI": {
                "items": [
                    _annotation_file(PodPath.CONFIG, names.ANNOTATION_CONFIG),
                    _annotation_file(PodPath.PROGRESS_CA, names.ANNOTATION_PROGRESS_CA),
                ]
            },
        },
        {"name": TOKEN, "projected": {"sources": [{"serviceAccountToken": token}]}},
        {"name": TMP, "emptyDir": {}},
        {"name": OUTPUT, **output},
    ]
    if (size := run.spec.resources.shared_memory) is not None:
        found.append({"name": SHM, "emptyDir": {"medium": "Memory", "sizeLimit": str(size)}})
    return found + [volume.model_dump(by_alias=True) for volume in run.pod.volumes or ()]


def mounts(run: RunSpec) -> list[dict[str, Any]]:
    """Returns where the container sees them."""
    found: list[dict[str, Any]] = [
        {"name": CONFIG, "mountPath": PodPath.CONFIG_DIR, "readOnly": True},
        {"name": TOKEN, "mountPath": PodPath.PROGRESS_DIR, "readOnly": True},
        {"name": TMP, "mountPath": "/tmp"},  # a mount of the pod's own
        {"name": OUTPUT, "mountPath": PodPath.OUTPUT},
    ]
    if run.spec.resources.shared_memory is not None:
        found.append({"name": SHM, "mountPath": "/dev/shm"})
    return found + [
        mount.model_dump(by_alias=True, exclude_none=True) for mount in run.pod.volume_mounts or ()
    ]


def _annotation_file(path: str, annotation: str) -> dict[str, Any]:
    field = {"fieldPath": f"metadata.annotations['{annotation}']"}
    return {"path": path.rsplit("/", 1)[1], "fieldRef": field}
