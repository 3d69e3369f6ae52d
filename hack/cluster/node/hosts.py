"""The names that a pod knows: its own, its Services', and those of the pods of its Indexed Job.

There is no cluster DNS here, so a file of the pod's own stands in for it. It is written when the
container starts: a Service that comes later has no name in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from hack.cluster.node.addresses import LOOPBACK, pod_address
from hack.cluster.node.sandbox import Mount

_JOB_LABEL: Final = "batch.kubernetes.io/job-name"
_DOMAIN: Final = "svc.cluster.local"
_MOST: Final = 64
"""Indexes that get a name."""
_MACHINE: Final = Path("/etc/hosts")

Services = Mapping[tuple[str, str], str]
"""The address of each Service, by namespace and name."""


def hosts_mounts(pod: Mapping[str, Any], services: Services, folder: Path) -> list[Mount]:
    """Returns the mount of /etc/hosts, written below `folder`; the machine's lines are the last."""
    machine = _MACHINE.read_text() if _MACHINE.exists() else ""
    path = folder / "hosts"
    path.write_text(hosts_file(pod, services) + machine)
    return [Mount(str(path), str(_MACHINE), read_only=True)]


def hosts_file(pod: Mapping[str, Any], services: Services) -> str:
    """Returns the file's content."""
    namespace = pod["metadata"]["namespace"]
    hostname = pod["spec"].get("hostname") or pod["metadata"]["name"]
    own = list(_job_lines(pod)) or [f"{pod_address(pod)} {hostname}"]
    lines = [f"{LOOPBACK} localhost", *own]
    for (of, name), address in services.items():
        names = [f"{name}.{of}.{_DOMAIN}", f"{name}.{of}.svc", f"{name}.{of}"]
        lines.append(" ".join([address, *names, *([name] if of == namespace else [])]))
    return "\n".join(lines) + "\n"


def _job_lines(pod: Mapping[str, Any]) -> Iterator[str]:
    """Every index of the pod's Job, below the pod's subdomain, is this machine."""
    subdomain = pod["spec"].get("subdomain")
    job = (pod["metadata"].get("labels") or {}).get(_JOB_LABEL)
    if not subdomain or not job:
        return
    namespace = pod["metadata"]["namespace"]
    for index in range(_MOST):
        domain = f"{job}-{index}.{subdomain}"
        yield f"{LOOPBACK} {domain}.{namespace}.{_DOMAIN} {domain} {job}-{index}"
