"""Starts the ranks of one pod and waits for them, as torchrun does, but keeps each exit code.

torchrun ends with 1 whatever happened, and the controller decides on retries by the code.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tenyson.contract import Env, ExitCode
from tenyson.distributed.place import RankPlace

POLL_SECONDS = 0.1
NUDGE_SECONDS = 5.0
"""After a rank failed, until the others are asked to stop: one that waits for it learns so."""
KILL_SECONDS = 120.0
"""After a rank failed, until those left are killed."""
_MEMORY_EVENTS = Path("/sys/fs/cgroup/memory.events")
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Ended:
    """How one rank's process ended."""

    rank: int
    exit_code: int | None
    """By the runner's contract; None for a process that was killed and tells nothing."""
    how: str
    """In words: `ended with 65`, `was killed by SIGKILL`."""
    message: Path
    """Where its termination message is, if it left one."""


def run_ranks(
    command: Sequence[str],
    places: Sequence[RankPlace],
    *,
    messages: Path,
    signal_asked: Callable[[], signal.Signals | None],
    env: Mapping[str, str] = os.environ,
) -> list[Ended]:
    """Returns how each rank of this pod ended; a stop that is asked for is passed on.

    Args:
        command: Starts one rank; its place comes by the environment.
        places: Of the ranks.
        messages: Folder for their termination messages.
        signal_asked: How the ranks are to be asked to stop, None as long as they are not.
        env: What the ranks' environment is made from.
    """
    places = _with_a_port(places)
    kills_before = _oom_kills()
    files = [messages / f"rank-{place.rank}.json" for place in places]
    processes = []
    try:
        for place, file in zip(places, files, strict=True):
            variables = {**env, **place.variables(), Env.RESULT_PATH: str(file)}
            processes.append(_start(command, variables))
        was_stopped = _wait_for(processes, signal_asked)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
    out_of_memory = _oom_kills() > kills_before
    ended = []
    for place, file, process in zip(places, files, processes, strict=True):
        code, how = meaning_of(process.returncode, was_stopped, out_of_memory)
        ended.append(Ended(place.rank, code, how, file))
    return ended


def meaning_of(returncode: int, was_stopped: bool, out_of_memory: bool) -> tuple[int | None, str]:
    """Returns the exit code that a process's end stands for, and its end in words.

    Args:
        returncode: As subprocess has it: negative for a signal.
        was_stopped: Whether the process was asked to stop from here.
        out_of_memory: Whether the kernel killed a process of this container meanwhile.
    """
    if returncode >= 0:
        return returncode, f"ended with {returncode}"
    name = signal.Signals(-returncode).name
    if returncode == -signal.SIGKILL:
        if out_of_memory:
            return ExitCode.OUT_OF_MEMORY, "was killed: the container is out of memory"
        return None, f"was killed by {name}"
    if was_stopped and -returncode in (signal.SIGTERM, signal.SIGINT):
        # It had not come to watch for it.
        return ExitCode.STOPPED, "was stopped while it started"
    return ExitCode.INTERNAL, f"was killed by {name}"


def _wait_for(
    processes: Sequence["subprocess.Popen[bytes]"],
    signal_asked: Callable[[], signal.Signals | None],
) -> bool:
    """Whether a stop was passed on, once all have ended."""
    passed_on: signal.Signals | None = None
    failed_at: float | None = None
    while any(process.poll() is None for process in processes):
        now = time.monotonic()
        if failed_at is None and any(process.poll() for process in processes):
            failed_at = now
        since = now - failed_at if failed_at is not None else 0.0
        asked = signal.SIGTERM if since > NUDGE_SECONDS else signal_asked()
        # Once asked without a deadline they may be asked again, with one; never the other way.
        if asked is not None and passed_on not in (asked, signal.SIGTERM):
            passed_on = asked
            _signal_all(processes, asked)
        if since > KILL_SECONDS:
            _signal_all(processes, signal.SIGKILL)
        time.sleep(POLL_SECONDS)
    return passed_on is not None


def _start(command: Sequence[str], env: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    libc = ctypes.CDLL(None)

    def end_with_parent() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    # In a session of their own: Ctrl-C reaches this process alone, which passes it on once.
    return subprocess.Popen(
        command, env=dict(env), start_new_session=True, preexec_fn=end_with_parent
    )


def _signal_all(processes: Sequence["subprocess.Popen[bytes]"], number: signal.Signals) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(number)


def _with_a_port(places: Sequence[RankPlace]) -> list[RankPlace]:
    """Returns the places with a port for the store, a free one where none is given."""
    if places[0].master_port:
        return list(places)
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = int(probe.getsockname()[1])
    return [replace(place, master_port=port) for place in places]


def _oom_kills() -> int:
    """Returns how many processes of this container the kernel has killed for memory."""
    with contextlib.suppress(OSError, ValueError):
        for line in _MEMORY_EVENTS.read_text(encoding="ascii").splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0
