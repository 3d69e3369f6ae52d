"""Where the Kubernetes programs come from: the caller's folder, the PATH, the cache or a build."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import build
from hack.cluster.progress import Report, silent

KUBERNETES_VERSION = "1.34.4"
SERVERS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
COMPONENTS = (*SERVERS, "kubectl")
SOURCES = Path(__file__).parent / "kube"

_MINOR = ".".join(KUBERNETES_VERSION.split(".")[:2])


@dataclass(frozen=True)
class Binaries:
    """The programs of one source."""

    source: str
    """Where they came from, for the reader: `the cache (/home/…)`."""
    paths: Mapping[str, Path]
    """Each of SERVERS; and `kubectl`, where there is one."""

    def __getitem__(self, name: str) -> str:
        return str(self.paths[name])


def find_binaries(report: Report = silent) -> Binaries:
    """The first complete set of programs, built into the cache where there is none.

    Raises:
        ClusterError: there is none, and it cannot be built.
    """
    found = _from_folder(os.environ.get("KUBEBUILDER_ASSETS"), report) or _from_path(report)
    return found or cached_binaries(report)


def cache_folder() -> Path:
    """The project's cache outside the checkout, shared by all its checkouts."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tenyson" / "kubernetes"


def cached_build_folder() -> Path:
    """Where the build of these very sources lies, or will lie."""
    content = b"".join((SOURCES / name).read_bytes() for name in ("main.go", "go.mod", "go.sum"))
    return cache_folder() / f"{KUBERNETES_VERSION}-{hashlib.sha256(content).hexdigest()[:12]}"


def _from_folder(folder: str | None, report: Report) -> Binaries | None:
    if not folder:
        return None
    paths = {name: Path(folder, name) for name in COMPONENTS if Path(folder, name).exists()}
    missing = [name for name in SERVERS if name not in paths]
    if missing:
        report(f"KUBEBUILDER_ASSETS={folder} lacks {', '.join(missing)}; looking elsewhere")
        return None
    return _accepted(Binaries(f"KUBEBUILDER_ASSETS ({folder})", _with_kubectl(paths)), report)


def _from_path(report: Report) -> Binaries | None:
    found = {name: shutil.which(name) for name in SERVERS}
    paths = {name: Path(path) for name, path in found.items() if path}
    if len(paths) < len(SERVERS):
        return None
    return _accepted(Binaries("the PATH", _with_kubectl(paths)), report)


def cached_binaries(report: Report = silent) -> Binaries:
    """The programs of the cache, which have a kubelet and a kube-proxy too; built if missing."""
    folder = cached_build_folder()
    if not (folder / "kube").exists():
        build.build_kube(SOURCES, folder, KUBERNETES_VERSION, COMPONENTS, report)
    return Binaries(f"the cache ({folder})", {name: folder / name for name in COMPONENTS})


def _with_kubectl(paths: dict[str, Path]) -> dict[str, Path]:
    if "kubectl" not in paths and (kubectl := shutil.which("kubectl")):
        return {**paths, "kubectl": Path(kubectl)}
    return paths


def _accepted(binaries: Binaries, report: Report) -> Binaries | None:
    """The programs, unless one of Kubernetes' servers is of another minor version."""
    for name in SERVERS[1:]:
        version = _version_of(binaries[name])
        if not version.startswith(f"{_MINOR}."):
            report(
                f"{name} from {binaries.source} is version {version or 'unknown'}; "
                f"this cluster needs {_MINOR}.x; looking elsewhere"
            )
            return None
    return binaries


def _version_of(program: str) -> str:
    """The version in `Kubernetes v1.34.4`, or nothing where the program does not tell."""
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(r"Kubernetes v(\d+\.\d+\.\d+)", answer.stdout)
    return match.group(1) if match else ""
