"""What the local cluster needs from this machine, checked before anything is started."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.errors import ClusterError, MissingProgramError
from hack.cluster.progress import Report, silent, step


@dataclass(frozen=True)
class Program:
    """A program and the package that brings it."""

    name: str
    package: str
    """The same in apt, dnf and pacman for all that are needed today."""
    purpose: str


BUBBLEWRAP = Program("bwrap", "bubblewrap", "the node runs containers with it")

_INSTALLERS = {
    "apt-get": "apt-get install -y",
    "dnf": "dnf install -y",
    "pacman": "pacman -S --noconfirm",
}


def architecture() -> str:
    """The machine's architecture, as Kubernetes and images call it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def ensure_programs(programs: Sequence[Program], report: Report = silent) -> None:
    """Install what is missing where that is ours to do: as root on Debian or Ubuntu.

    Raises:
        MissingProgramError: a program is missing; it names the one command to type.
    """
    missing = [program for program in programs if shutil.which(program.name) is None]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        packages = [program.package for program in missing]
        with step(report, f"installing {' '.join(packages)} with apt-get (about 20 s)"):
            _apt_install(packages)
        missing = [program for program in programs if shutil.which(program.name) is None]
    if missing:
        raise MissingProgramError(missing_message(missing, {n for n in _INSTALLERS if _has(n)}))


def missing_message(missing: Sequence[Program], installers: set[str]) -> str:
    """What is missing, what it is for, and the command of each installer; of all, if none."""
    lines = [f"missing: {program.name} ({program.purpose})" for program in missing]
    packages = " ".join(program.package for program in missing)
    for name, command in _INSTALLERS.items():
        if name in installers or not installers:
            lines.append(f"install it with: sudo {command} {packages}")
    return "\n".join(lines)


def check_sandbox() -> None:
    """Raise an error unless bubblewrap can make the namespaces that a container needs here."""
    answer = subprocess.run(
        [
            *("bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
            *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--as-pid-1", "--", "true"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise ClusterError(sandbox_message(answer.stderr.strip(), _kernel_settings()))


def sandbox_message(error: str, settings: Mapping[str, str]) -> str:
    """Why bubblewrap cannot make namespaces here, and what would let it."""
    lines = [f"bubblewrap cannot make namespaces on this machine: {error}"]
    if settings.get("apparmor_restrict_unprivileged_userns") == "1":
        lines.append(
            "AppArmor forbids user namespaces to unprivileged programs; allow them with: "
            "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
        )
    if settings.get("unprivileged_userns_clone") == "0":
        lines.append(
            "the kernel forbids unprivileged user namespaces; allow them with: "
            "sudo sysctl kernel.unprivileged_userns_clone=1"
        )
    if len(lines) == 1:
        lines.append(
            "inside a container, run that one with --security-opt seccomp=unconfined "
            "--security-opt apparmor=unconfined --security-opt systempaths=unconfined, "
            "or as root with --privileged"
        )
    return "\n".join(lines)


def _kernel_settings() -> dict[str, str]:
    folder = Path("/proc/sys/kernel")
    names = ("apparmor_restrict_unprivileged_userns", "unprivileged_userns_clone")
    return {name: (folder / name).read_text().strip() for name in names if (folder / name).exists()}


def _has(program: str) -> bool:
    return shutil.which(program) is not None


def _apt_install(packages: Sequence[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    wait = ("-o", "DPkg::Lock::Timeout=300")  # another installation may be under way
    install = ["apt-get", *wait, "install", "-y", "--no-install-recommends", *packages]
    # The lists of a fresh image are often empty, so a first failure is answered by an update.
    for argv in (install, ["apt-get", "update"], install):
        answer = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        if argv is install and answer.returncode == 0:
            return
    raise MissingProgramError(f"{' '.join(install)} failed:\n{answer.stderr[-1500:]}")
