"""The Node and Lease objects by which the cluster knows the node."""

from __future__ import annotations

import datetime
import os
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hack.cluster.node.statuses import timestamp
from hack.cluster.system import architecture

_READY = {
    "Ready": ("True", "KubeletReady", "the node agent runs pods as processes"),
    "MemoryPressure": ("False", "KubeletHasSufficientMemory", "memory is not watched"),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "the disk is not watched"),
    "PIDPressure": ("False", "KubeletHasSufficientPID", "processes are not counted"),
}


def machine_capacity(state_dir: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """What this machine has, with the extra resources that the caller claims for it."""
    return {
        "cpu": str(len(os.sched_getaffinity(0))),
        "memory": f"{_memory_bytes() // 1024}Ki",
        "ephemeral-storage": f"{shutil.disk_usage(state_dir).free // 1024}Ki",
        "pods": "110",
        **extra,
    }


def node_object(name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """The Node as it is registered."""
    own = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture(),
        "tenyson.dev/node": "local-process",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {**own, **labels}},
    }


def node_status(
    name: str, capacity: Mapping[str, str], port: int, version: str, now: float
) -> dict[str, Any]:
    """The Node's status: ready, and reachable on the port for logs."""
    return {
        "capacity": dict(capacity),
        "allocatable": dict(capacity),
        "addresses": [
            {"type": "InternalIP", "address": "127.0.0.1"},
            {"type": "Hostname", "address": name},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "nodeInfo": _node_info(version),
        "conditions": [
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": timestamp(now),
                "lastTransitionTime": timestamp(now),
            }
            for kind, (status, reason, message) in _READY.items()
        ],
    }


def lease_object(name: str, node_uid: str, duration_seconds: int, now: float) -> dict[str, Any]:
    """The Lease whose renewal says that the node lives."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node_uid}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name,
            "namespace": "kube-node-lease",
            "ownerReferences": [owner],
        },
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": duration_seconds,
            "renewTime": micro_timestamp(now),
        },
    }


def micro_timestamp(seconds: float) -> str:
    """RFC 3339 in microseconds, as `metav1.MicroTime` is written."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _memory_bytes() -> int:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limit = Path(path).read_text().strip()
        except OSError:
            continue
        if limit.isdigit():
            return min(total, int(limit))
    return total


def _node_info(version: str) -> dict[str, str]:
    return {
        "architecture": architecture(),
        "bootID": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "containerRuntimeVersion": "process://bubblewrap",
        "kernelVersion": platform.release(),
        "kubeProxyVersion": "",
        "kubeletVersion": version,
        "machineID": "",
        "operatingSystem": "linux",
        "osImage": "the machine's own",
        "systemUUID": "",
    }
