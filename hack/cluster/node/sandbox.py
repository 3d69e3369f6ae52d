"""From a container to bubblewrap's arguments: what it sees of the machine, and what it does not.

The machine's own files are there read-only at their own paths, so that programs run without an
image; /tmp, /var/tmp, /run, /dev and /proc are the container's own. A volume may be mounted
anywhere: where its path does not exist on the machine, the folders above it are made anew and
filled entry by entry, since nothing can be created in a read-only folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

_OWN = ("/dev", "/proc", "/run", "/tmp", "/var/tmp")
"""Folders that a container does not share with the machine."""


@dataclass(frozen=True)
class Mount:
    """A file or folder of the machine, bound into the container."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class Sandbox:
    """Everything that decides what a container's process sees."""

    argv: Sequence[str]
    hostname: str
    working_dir: str
    scratch: str
    """A folder with `tmp` and `var-tmp`."""
    mounts: Sequence[Mount]
    shared: Sequence[str] = ()
    """Paths that stay visible read-only, though they lie in a folder of the container's own."""
    read_only_root: bool = False


@dataclass(frozen=True)
class Entry:
    """One name in a folder of the machine."""

    path: str
    is_folder: bool
    link: str | None = None
    """Where it points to; None for what is no symbolic link."""


class Host(Protocol):
    """What has to be known about the machine's files."""

    def entries(self, folder: str) -> Sequence[Entry]:
        """What is in a folder; nothing where it cannot be read."""

    def exists(self, path: str) -> bool:
        """Whether there is something at the path."""

    def resolve(self, path: str) -> str:
        """The path with its symbolic links followed, as far as it exists."""


class Machine:
    """The files of this machine."""

    def entries(self, folder: str) -> Sequence[Entry]:
        """What is in a folder; nothing where it cannot be read."""
        try:
            found = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            return []
        return [
            Entry(
                entry.path,
                entry.is_dir(follow_symlinks=False),
                os.readlink(entry.path) if entry.is_symlink() else None,
            )
            for entry in found
        ]

    def exists(self, path: str) -> bool:
        """Whether there is something at the path."""
        return os.path.lexists(path)

    def resolve(self, path: str) -> str:
        """The path with its symbolic links followed, as far as it exists."""
        return str(Path(path).resolve())


def bwrap_argv(sandbox: Sandbox, host: Host) -> list[str]:
    """The whole command line, to which the shim adds the status file descriptor."""
    mounts = sorted(
        (Mount(m.source, _target(m.target, host), m.read_only) for m in sandbox.mounts),
        key=lambda mount: PurePosixPath(mount.target).parts,  # a folder before what is in it
    )
    opened = {folder for mount in mounts for folder in _opened_for(mount.target, host)}
    argv = ["bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"]
    argv += ["--as-pid-1", "--hostname", sandbox.hostname]
    argv += _root("/", opened, host)
    argv += _own_folders(sandbox, host)
    for mount in mounts:
        argv += ["--ro-bind" if mount.read_only else "--bind", mount.source, mount.target]
    for path in sandbox.shared:
        # A volume over /tmp would hide a checkout in it, and with it the runner itself.
        if any(PurePosixPath(path).is_relative_to(mount.target) for mount in mounts):
            argv += ["--ro-bind-try", path, path]
    if sandbox.read_only_root:
        argv += ["--remount-ro", "/"]
    return [*argv, "--chdir", sandbox.working_dir, "--", *sandbox.argv]


def _root(folder: str, opened: set[str], host: Host) -> list[str]:
    """The machine's files below a folder that is made anew."""
    argv: list[str] = []
    for entry in host.entries(folder):
        if entry.path in _OWN:
            continue
        if entry.link is not None:
            argv += ["--symlink", entry.link, entry.path]
        elif entry.is_folder and entry.path in opened | _parents_of_own():
            argv += ["--dir", entry.path, *_root(entry.path, opened, host)]
        else:
            argv += ["--ro-bind-try", entry.path, entry.path]
    return argv


def _own_folders(sandbox: Sandbox, host: Host) -> list[str]:
    argv = ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/run"]
    for entry in host.entries("/dev"):
        if entry.path.startswith("/dev/nvidia"):  # every GPU is every container's
            argv += ["--dev-bind-try", entry.path, entry.path]
    argv += ["--bind", f"{sandbox.scratch}/tmp", "/tmp"]
    argv += ["--bind", f"{sandbox.scratch}/var-tmp", "/var/tmp"]
    # Where systemd-resolved rules, /etc/resolv.conf is a link into /run.
    for path in (*sandbox.shared, host.resolve("/etc/resolv.conf")):
        if _is_own(path):
            argv += ["--ro-bind-try", path, path]
    return argv


def _parents_of_own() -> set[str]:
    return {"/var"}  # so that /var/tmp can be mounted even where the machine has none


def _target(path: str, host: Host) -> str:
    """Where the mount lands: links such as /var/run cannot be followed while the root is built."""
    normal = os.path.normpath(path)
    return normal if _is_own(normal) else host.resolve(normal)


def _opened_for(target: str, host: Host) -> Iterator[str]:
    """The machine's folders that must be made anew so that the target can be created in them."""
    if host.exists(target) or _is_own(target):
        return
    for parent in PurePosixPath(target).parents:
        if str(parent) != "/" and host.exists(str(parent)):
            yield str(parent)


def _is_own(path: str) -> bool:
    return any(path == own or path.startswith(f"{own}/") for own in _OWN)
