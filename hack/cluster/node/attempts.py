"""The records of a container's attempts in the node's state folder, written by the shim.

They are all that the agent knows about a container, so an agent that starts again knows the same.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.files import read_json, write_json
from hack.cluster.processes import Identity

_SHIM = Path(__file__).with_name("shim.py")
_SHIM_START_SECONDS = 5.0


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended."""

    exit_code: int
    finished_at: float
    ran: bool = True
    """False where the program could not be started at all."""
    is_lost: bool = False
    """Whether the container vanished without a word, as when the machine stopped."""


class Attempt:
    """One start of a container: a folder that the shim writes to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log_path = folder / "log"
        self.message_path = folder / "termination-log"

    @property
    def number(self) -> int:
        """Counted from 0; the restarts before it."""
        return int(self.folder.name)

    @property
    def identifier(self) -> str:
        """What `containerID` shows."""
        pod, container = self.folder.parents[2].name, self.folder.parent.name
        return f"process://{pod}/{container}/{self.number}"

    @property
    def started_at(self) -> float | None:
        """Seconds since the epoch; None until the sandbox stands."""
        record = read_json(self.folder / "started.json")
        return float(record["started_at"]) if record else None

    def main_process(self) -> Identity | None:
        """The container's first process, or None before it is there."""
        return self._identity("started.json")

    def shim(self) -> Identity | None:
        """The process that holds the container, or None before it is there."""
        return self._identity("shim.json")

    def outcome(self, now: float) -> Outcome | None:
        """How it ended; None while it runs.

        A shim that is gone without having said how its container ended was killed with it.
        """
        if record := read_json(self.folder / "exit.json"):
            return Outcome(**record)
        shim = self.shim()
        if shim.is_alive() if shim else self._may_still_start(now):
            return None
        if record := read_json(self.folder / "exit.json"):  # written between the two looks
            return Outcome(**record)
        return self.declare_lost(now)

    def declare_lost(self, now: float) -> Outcome:
        """Write down that nobody knows how the container ended."""
        outcome = Outcome(exit_code=137, finished_at=now, is_lost=True)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(self.folder / "exit.json", vars(outcome))
        return outcome

    def signal(self, number: int) -> None:
        """Send the signal to the container's main process."""
        if process := self.main_process():
            process.signal(number)

    def kill(self) -> None:
        """End every process of the container: the kernel ends a namespace with its first one."""
        self.signal(signal.SIGKILL)
        if self.main_process() is None and (shim := self.shim()):
            shim.signal(signal.SIGKILL)  # the sandbox was not up yet; it dies with its parent

    def start(self, argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start the shim, which outlives the agent."""
        write_json(self.folder / "spec.json", {"argv": list(argv), "env": dict(env)})
        with (self.folder / "shim.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", str(_SHIM), str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _identity(self, name: str) -> Identity | None:
        record = read_json(self.folder / name)
        return Identity(**record["identity"]) if record and record["identity"] else None

    def _may_still_start(self, now: float) -> bool:
        return now - self.folder.stat().st_mtime < _SHIM_START_SECONDS


class ContainerRecords:
    """All attempts of one container of one pod."""

    def __init__(self, pod_folder: Path, container: str) -> None:
        self.folder = pod_folder / "containers" / container

    def attempts(self) -> list[Attempt]:
        """Every attempt on record, oldest first; the last two have their files."""
        if not self.folder.exists():
            return []
        numbers = sorted(int(path.name) for path in self.folder.iterdir())
        return [Attempt(self.folder / str(number)) for number in numbers]

    def latest(self) -> Attempt | None:
        """The newest attempt."""
        attempts = self.attempts()
        return attempts[-1] if attempts else None

    def prepare(self) -> Attempt:
        """A folder for the next attempt; of the earlier ones only the last is kept."""
        attempts = self.attempts()
        for old in attempts[:-1]:
            shutil.rmtree(old.folder, ignore_errors=True)
        attempt = Attempt(self.folder / str(attempts[-1].number + 1 if attempts else 0))
        for name in ("tmp", "var-tmp"):
            (attempt.folder / name).mkdir(parents=True, mode=0o700)
        attempt.message_path.touch(mode=0o666)
        attempt.log_path.touch()
        return attempt


def read_pod_attempts(pod_folder: Path) -> list[Attempt]:
    """Every attempt of every container of a pod."""
    containers = pod_folder / "containers"
    names = [path.name for path in containers.iterdir()] if containers.exists() else []
    return [a for name in names for a in ContainerRecords(pod_folder, name).attempts()]


def kill_pod(pod_folder: Path) -> None:
    """End every process of a pod and wait for its shims."""
    attempts = read_pod_attempts(pod_folder)
    deadline = time.monotonic() + 10.0
    for attempt in attempts:
        while attempt.outcome(time.time()) is None and time.monotonic() < deadline:
            attempt.kill()
            time.sleep(0.02)
