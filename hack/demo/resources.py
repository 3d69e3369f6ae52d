"""The Kubernetes objects that the experiment needs beside its TenysonJobs: a claim and a Secret."""

from pathlib import Path
from typing import Any

NAMESPACE = "default"
CLAIM = "tenyson-runs"
SECRET = "telemetry"


def volume_claim(storage_class: str | None) -> dict[str, Any]:
    """Returns the claim on which runs keep their output; None asks for the default class."""
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "5Gi"}},
    }
    if storage_class is not None:
        spec["storageClassName"] = storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM},
        "spec": spec,
    }


def host_volume(folder: Path) -> dict[str, Any]:
    """Returns the volume behind that claim on the local cluster: a folder of this machine."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": CLAIM},
        "spec": {
            "capacity": {"storage": "5Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "demo",
            "claimRef": {"name": CLAIM, "namespace": NAMESPACE},
            "hostPath": {"path": str(folder), "type": "DirectoryOrCreate"},
        },
    }


def database_secret(url: str) -> dict[str, Any]:
    """Returns the Secret that holds the telemetry database's URL."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET},
        "stringData": {"url": url},
    }
