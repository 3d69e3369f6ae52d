"""The chart's programs: which there are, and where each comes from (PATH, cache or a build)."""

from __future__ import annotations

import functools
import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hack.charttools.building import build_tools
from hack.cluster.binaries import KUBERNETES_VERSION, cache_folder
from hack.cluster.progress import Report, silent

SOURCES = Path(__file__).parent / "go"
_KUBE_MAJOR, _KUBE_MINOR = KUBERNETES_VERSION.split(".")[:2]


@dataclass(frozen=True)
class Tool:
    """A program of the Go module in `go/`."""

    package: str
    """Its main package, as `go build` takes it."""
    module: str = ""
    """The module whose pinned version it has; empty: it is our own."""
    stamps: tuple[str, ...] = ()
    """What the linker sets; `{version}` is the pinned version without its v."""
    version_command: tuple[str, ...] = ()
    """Arguments that print its version; empty: it is never taken from the PATH."""
    writes_files: bool = False
    """What it writes is committed, so that only the pinned version will do."""

    @property
    def version(self) -> str:
        """The pinned version without its v; nothing for our own."""
        return pinned_versions()[self.module] if self.module else ""


TOOLS = {
    "helm": Tool(
        "helm.sh/helm/v3/cmd/helm",
        "helm.sh/helm/v3",
        (
            "helm.sh/helm/v3/internal/version.version=v{version}",
            # What `.Capabilities.KubeVersion` is without a cluster: the version that is tested.
            f"helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor={_KUBE_MAJOR}",
            f"helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor={_KUBE_MINOR}",
            f"helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor={_KUBE_MAJOR}",
            f"helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor={_KUBE_MINOR}",
        ),
        ("version", "--short"),
    ),
    "kubeconform": Tool(
        "github.com/yannh/kubeconform/cmd/kubeconform",
        "github.com/yannh/kubeconform",
        ("main.version=v{version}",),
        ("-v",),
    ),
    "helm-unittest": Tool(
        "github.com/helm-unittest/helm-unittest/cmd/helm-unittest",
        "github.com/helm-unittest/helm-unittest",
        ("github.com/helm-unittest/helm-unittest/internal/build.version={version}",),
    ),
    "helm-docs": Tool(
        "github.com/norwoodj/helm-docs/cmd/helm-docs",
        "github.com/norwoodj/helm-docs",
        ("main.version={version}",),
        ("--version",),
        writes_files=True,
    ),
    "actionlint": Tool(
        "github.com/rhysd/actionlint/cmd/actionlint",
        "github.com/rhysd/actionlint",
        ("github.com/rhysd/actionlint.version=v{version}",),
        ("-version",),
    ),
    "registry": Tool(
        "github.com/google/go-containerregistry/cmd/registry",
        "github.com/google/go-containerregistry",
    ),
    "kstatus": Tool("./kstatus"),
}


def tool(name: str, report: Report = silent) -> Path:
    """Where the program lies: on the PATH in a version that fits, or built once into the cache.

    Raises:
        ClusterError: it cannot be built.
        KeyError: there is no such tool.
    """
    return _from_path(name, TOOLS[name], report) or _from_cache(report) / name


@functools.cache
def pinned_versions() -> dict[str, str]:
    """The version of each module that `go.mod` requires, without its v."""
    required = re.findall(r"^\s*(?:require )?(\S+) v(\S+)", (SOURCES / "go.mod").read_text(), re.M)
    return dict(required)


def cached_tools_folder() -> Path:
    """Where the build of these very sources lies, or will lie."""
    sources = sorted(path for path in SOURCES.rglob("*") if path.is_file())
    content = b"".join(path.read_bytes() for path in sources) + repr(TOOLS).encode()
    return cache_folder().parent / "charttools" / hashlib.sha256(content).hexdigest()[:12]


def _from_cache(report: Report) -> Path:
    folder = cached_tools_folder()
    if not folder.exists():
        commands = {
            name: (
                wanted.package,
                [stamp.format(version=wanted.version) for stamp in wanted.stamps],
            )
            for name, wanted in TOOLS.items()
        }
        build_tools(SOURCES, folder, commands, report)
    return folder


@functools.cache
def _from_path(name: str, wanted: Tool, report: Report) -> Path | None:
    path = shutil.which(name) if wanted.version_command else None
    if path is None:
        return None
    found = _version_of([path, *wanted.version_command])
    if found and fits(found, wanted.version, exactly=wanted.writes_files):
        return Path(path)
    pinned = "exactly" if wanted.writes_files else "at least"
    report(
        f"{name} on the PATH is {found or 'of unknown version'}, {pinned} {wanted.version} is "
        "wanted; looking elsewhere"
    )
    return None


def fits(found: str, wanted: str, *, exactly: bool) -> bool:
    """Whether a version will do: the wanted one, or a newer one of the same major version."""
    if exactly:
        return found == wanted
    ours, theirs = _numbers(wanted), _numbers(found)
    return theirs[:1] == ours[:1] and theirs >= ours


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _version_of(command: list[str]) -> str:
    """The first version in what the program prints, or nothing where it does not tell."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(r"\d+\.\d+\.\d+", answer.stdout)
    return match.group() if match else ""
