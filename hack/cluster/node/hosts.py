"""The names by which the pods of an Indexed Job find each other, as a headless Service gives them.

There is no cluster DNS here and all pods share 127.0.0.1, so a file of the pod's own stands in for
both: every index of the Job, below the pod's subdomain, is this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from hack.cluster.node.sandbox import Mount

_JOB_LABEL: Final = "batch.kubernetes.io/job-name"
_MOST: Final = 64
"""Indexes that get a name."""


def hosts_mounts(pod: Mapping[str, Any], folder: Path) -> list[Mount]:
    """Returns the mount of /etc/hosts for a pod with a subdomain, written below `folder`."""
    text = hosts_file(pod)
    if not text:
        return []
    path = folder / "hosts"
    path.write_text(text)
    return [Mount(str(path), "/etc/hosts", read_only=True)]


def hosts_file(pod: Mapping[str, Any]) -> str:
    """Returns the file's content; empty for a pod without a subdomain."""
    subdomain = pod["spec"].get("subdomain")
    job = (pod["metadata"].get("labels") or {}).get(_JOB_LABEL)
    if not subdomain or not job:
        return ""
    namespace = pod["metadata"]["namespace"]
    lines = ["127.0.0.1 localhost"]
    for index in range(_MOST):
        name = f"{job}-{index}"
        domain = f"{name}.{subdomain}"
        lines.append(f"127.0.0.1 {domain}.{namespace}.svc.cluster.local {domain} {name}")
    return "\n".join(lines) + "\n"
