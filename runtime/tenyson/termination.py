"""What a runner's process tells its surroundings: words on standard error, and its last message."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenyson.contract import Env, PodPath

if TYPE_CHECKING:
    from tenyson.jobs.result import JobResult


def say(text: str) -> None:
    """Writes the text to standard error; a rank other than 0 says which it is."""
    rank = os.environ.get("RANK", "0")
    sys.stderr.write(text if rank == "0" else f"\n[rank {rank}] {text.lstrip()}")
    sys.stderr.flush()


def print_json(content: dict[str, Any]) -> None:
    """Prints the content on standard output, as one line of JSON."""
    import json

    sys.stdout.write(f"{json.dumps(content, ensure_ascii=False)}\n")
    sys.stdout.flush()


def say_at_once(text: str) -> None:
    """The same from a signal's handler: a stream may be in the middle of a write just then."""
    rank = os.environ.get("RANK", "0")
    os.write(2, (text if rank == "0" else f"\n[rank {rank}] {text.lstrip()}").encode())


def leave_termination_message(result: "JobResult") -> None:
    """Writes the result where the kubelet, or the launcher of a pod's ranks, reads it."""
    path = termination_path()
    if path is None:
        return
    try:
        # In a pod this file is a mount of its own: it is written in place, a rename would fail.
        path.write_text(result.termination_message(), encoding="utf-8")
    except OSError as error:
        say(f"The termination message cannot be written to {path}: {error}\n")


def termination_path() -> Path | None:
    """Returns where the message goes; None outside a pod, where nobody reads it."""
    if named := os.environ.get(Env.RESULT_PATH):
        return Path(named)
    default = Path(PodPath.TERMINATION_LOG)
    in_a_pod = "KUBERNETES_SERVICE_HOST" in os.environ
    return default if in_a_pod and default.exists() and os.access(default, os.W_OK) else None
