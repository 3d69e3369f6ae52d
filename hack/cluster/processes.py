"""Processes that outlive the one that starts them, and are found again by a record on disk.

A process is known by its pid, its start time and the boot it belongs to, so that a pid which the
kernel has given to somebody else is never signalled.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.cluster.files import read_json, write_json

_STATE, _START_TIME = 0, 19  # positions after the command name in /proc/<pid>/stat


@dataclass(frozen=True)
class Identity:
    """One process of one boot of this machine."""

    pid: int
    start_time: int
    """Clock ticks since boot, field 22 of `/proc/<pid>/stat`."""
    boot_id: str

    def is_alive(self) -> bool:
        """Whether this very process still runs; one that waits to be reaped does not."""
        fields = _stat(self.pid)
        if fields is None or fields[_STATE] in "ZX":
            return False
        return int(fields[_START_TIME]) == self.start_time and _boot_id() == self.boot_id

    def signal(self, number: int) -> None:
        """Send the signal, unless the process is gone."""
        if self.is_alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


def identify(pid: int) -> Identity | None:
    """The identity of a running process, or None where there is none."""
    fields = _stat(pid)
    if fields is None or fields[_STATE] in "ZX":
        return None
    return Identity(pid, int(fields[_START_TIME]), _boot_id())


def read_identity(path: Path) -> Identity | None:
    """The identity that a record on disk names, or None where there is no record."""
    record = read_json(path)
    return Identity(**record) if record else None


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()  # the command name may hold spaces and brackets


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


class Supervised:
    """A named process of a state folder: `processes/<name>.json` and `logs/<name>.log`."""

    def __init__(self, state_dir: Path, name: str) -> None:
        self.name = name
        self.record_path = state_dir / "processes" / f"{name}.json"
        self.log_path = state_dir / "logs" / f"{name}.log"
        self._child: subprocess.Popen[bytes] | None = None

    def start(
        self,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start the program in a process group of its own, unless it runs already."""
        if self.is_running():
            return
        for folder in (self.record_path.parent, self.log_path.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.log_path.open("ab") as log:
            self._child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                start_new_session=True,
            )
        identity = identify(self._child.pid)
        if identity is None:  # it ended before anybody could look
            self.record_path.unlink(missing_ok=True)
            self.check()
        else:
            write_json(self.record_path, asdict(identity))

    @property
    def identity(self) -> Identity | None:
        """The process on record, whether it runs or not."""
        return read_identity(self.record_path)

    def is_running(self) -> bool:
        """Whether the process on record runs."""
        self._reap()
        identity = self.identity
        return identity is not None and identity.is_alive()

    def check(self) -> None:
        """Raise an error with the end of the log unless the process runs."""
        if not self.is_running():
            raise ClusterError(
                f"{self.name} is not running; the end of its log ({self.log_path}):\n"
                + self.log_tail()
            )

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of the process's output."""
        if not self.log_path.exists():
            return "(empty)"
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, timeout_seconds: float = 10.0, number: int = signal.SIGTERM) -> None:
        """Ask the process to end, then kill it when the time is up, and forget it."""
        identity = self.identity
        if identity is not None:
            identity.signal(number)
            if not wait_until_dead(identity, timeout_seconds):
                identity.signal(signal.SIGKILL)
                wait_until_dead(identity, 10.0)
        self._reap()
        self.record_path.unlink(missing_ok=True)

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        self.stop(number=signal.SIGKILL)

    def _reap(self) -> None:
        if self._child is not None:
            self._child.poll()


def wait_until_dead(identity: Identity, timeout_seconds: float) -> bool:
    """Whether the process ended within the time."""
    deadline = time.monotonic() + timeout_seconds
    while identity.is_alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def stop_all(processes: Sequence[Supervised], timeout_seconds: float = 10.0) -> None:
    """Stop several processes together: all are asked first, then awaited one by one."""
    for process in processes:
        if identity := process.identity:
            identity.signal(signal.SIGTERM)
    for process in processes:
        process.stop(timeout_seconds)
