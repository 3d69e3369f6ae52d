"""The operators that are measured, as processes: how they start, and what they have used."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.operator.client import AGENT
from hack.cluster.audit import Write

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Contender:
    """An operator, and how one starts it."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, kubeconfig: Path, log: Path, **environment: str) -> "Running":
        """Returns its process, just started."""
        roots = [str(ROOT), *(str(ROOT / part) for part in ("runtime", "operator", "tasks"))]
        variables = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(roots),
            "KUBECONFIG": str(kubeconfig),
            **self.environment,
            **environment,
        }
        with log.open("ab") as sink:
            process = subprocess.Popen(
                [sys.executable, *self.command, "--all-namespaces", "--standalone"],
                env=variables, stdout=sink, stderr=sink, cwd=log.parent,
            )  # fmt: skip
        return Running(process, log)


TENYSON = Contender(
    "Tenyson",
    ("-m", "tenyson.controller"),
    {
        "TENYSON_RUNNER_IMAGE": "runner",
        "TENYSON_PROGRESS_PORT": "0",
        "TENYSON_METRICS_PORT": "0",
    },
)
NAIVE = Contender("naive kopf", ("-m", "kopf", "run", str(Path(__file__).with_name("naive.py"))))


@dataclass
class Running:
    """The process of an operator."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def check(self) -> None:
        """Raises an error with the end of its log if it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"The operator has ended:\n{self.log_tail()}")

    def log_tail(self, lines: int = 20) -> str:
        """Returns the end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        """Ends it as a rollout does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it as a lost node does."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def cpu_seconds(self) -> float:
        """Returns the processor time it has used."""
        return cpu_seconds(self.process.pid)

    def memory_mb(self, field: str) -> float:
        """Returns `VmRSS` (now) or `VmHWM` (at most), in MB of 2^20 bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
        raise ValueError(f"/proc/{self.process.pid}/status has no {field}")


@contextlib.contextmanager
def running(contender: Contender, kubeconfig: Path, log: Path, **env: str) -> Iterator[Running]:
    """The operator, within the block."""
    started = contender.start(kubeconfig, log, **env)
    try:
        yield started
    finally:
        started.stop()


def cpu_seconds(pid: int) -> float:
    """Returns the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def is_operators(write: Write) -> bool:
    """Whether neither the load nor a person's kubectl made this write."""
    return not write.agent.startswith((AGENT, "kubectl"))
