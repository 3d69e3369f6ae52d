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


def say_done(result: "JobResult") -> None:
    """Tells how a run went that did what it was asked to."""
    names = ("train_loss", "loss", "reward", "eval_loss")
    shown = {n: result.metrics[n] for n in names if n in result.metrics} or result.metrics
    numbers = " · ".join(f"{n} {v:.4g}" for n, v in list(shown.items())[:6])
    say(
        f"Done in {result.total_time_seconds:.1f}s{' · ' if numbers else ''}{numbers}\n"
        f"  Results: {result.local_output_dir}\n"
    )


def say_failed(result: "JobResult", error: BaseException) -> None:
    """Tells why a run ended before it was done, and what can be done about it."""
    failure = result.failure
    name = "Stopped" if result.status == "stopped" else f"{failure.type if failure else 'Error'}"
    say(f"\n{name}: {failure.message if failure else error}\n")
    if failure and failure.hint:
        say(f"  {failure.hint}\n")
    if result.status == "budget":
        say_done(result)


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
