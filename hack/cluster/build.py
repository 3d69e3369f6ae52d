"""The build of Kubernetes from Go modules: one multi-call program, once per machine."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.cluster.files import make_once
from hack.cluster.golang import find_go
from hack.cluster.progress import MovingLine, Report, step

_ABOUT_PACKAGES = 2760  # `go list -deps . | wc -l`; only the share shown depends on it


def build_kube(
    sources: Path, folder: Path, version: str, components: Sequence[str], report: Report
) -> None:
    """Fill the folder with the program and a link to it for each component.

    Two builds at once meet at a lock, and the second finds the work done.

    Raises:
        ClusterError: no Go, or the compiler failed.
    """

    def fill(aside: Path) -> None:
        go = find_go(folder.parent / "go", wanted_go(sources), report)
        title = f"building Kubernetes {version} from Go modules (9 minutes on 2 cores, once)"
        program, stamps = aside / "kube", _stamps(version)
        with step(report, title):
            compile_go(go, sources, ".", program, stamps, report, about_packages=_ABOUT_PACKAGES)
        for name in components:
            (aside / name).symlink_to("kube")

    make_once(folder, fill)


def _stamps(version: str) -> list[str]:
    major, minor = version.split(".")[:2]
    variables = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    return [f"k8s.io/component-base/version.{name}={value}" for name, value in variables.items()]


def compile_go(
    go: str,
    sources: Path,
    package: str,
    output: Path,
    stamps: Sequence[str],
    report: Report,
    *,
    about_packages: int,
) -> None:
    """Build one program of the module in `sources`; the linker sets `stamps`, `variable=value`.

    Raises:
        ClusterError: the compiler failed, with its last lines.
    """
    flags = ["-trimpath", "-v", "-ldflags", " ".join(["-s", "-w", *(f"-X {it}" for it in stamps)])]
    compiler = subprocess.Popen(
        [go, "build", *flags, "-o", str(output), package],
        cwd=sources,
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": _flags()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        tail = _follow(compiler, report, about_packages)
    except BaseException:
        compiler.terminate()
        compiler.wait()
        raise
    if compiler.wait() != 0:
        raise ClusterError(
            "go build failed; its last lines are below. It needs a Go module proxy (GOPROXY) "
            "and about 4 GB of memory and of disk.\n" + "\n".join(tail)
        )


def _flags() -> str:
    """The caller's flags, and no version stamp from git, which may not trust the checkout."""
    given = os.environ.get("GOFLAGS", "")
    return given if "-buildvcs" in given else f"{given} -buildvcs=false".strip()


def _follow(compiler: subprocess.Popen[str], report: Report, about_packages: int) -> list[str]:
    """The last lines of the compiler's output, once it has ended; shows that it moves."""
    assert compiler.stderr is not None
    line, began, fetched, compiled = MovingLine(report), time.monotonic(), 0, 0
    tail: list[str] = []
    for text in compiler.stderr:
        tail = [*tail[-19:], text.rstrip()]
        if text.startswith("go: downloading"):
            fetched += 1
        else:
            compiled += 1
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        line.show(
            f"{minutes}:{seconds:02d} · {fetched} modules fetched · "
            f"{compiled} of about {about_packages} packages compiled"
        )
    line.end()
    return tail


def wanted_go(sources: Path) -> str:
    """The Go version that the module in `sources` names."""
    for line in (sources / "go.mod").read_text().splitlines():
        if line.startswith("go "):
            return line.split()[1]
    raise ClusterError(f"{sources / 'go.mod'} names no Go version")
