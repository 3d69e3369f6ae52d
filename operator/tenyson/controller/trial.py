"""`python -m tenyson.controller.trial FILE`: makes a TenysonJob, follows it to its end, deletes it.

This is what `helm test` runs. It says on one line each what happens, and at a bad end why.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tenyson.controller.apply import connect, manifests_in, path_of_kind
from tenyson.controller.cluster import ApiError, Cluster, Object

_PAUSE_SECONDS: Final = 1.0

Say = Callable[[str], object]


def main(arguments: Sequence[str]) -> int:
    """Carries out the trial; returns 0 where the run was Complete."""
    parser = argparse.ArgumentParser(prog="tenyson.controller.trial", description=__doc__)
    parser.add_argument("file", type=Path, help="manifest of one TenysonJob, with generateName")
    parser.add_argument("--timeout-seconds", type=float, default=900.0)
    options = parser.parse_args(arguments)
    (body,) = manifests_in(options.file)
    try:
        return asyncio.run(_try(body, options.timeout_seconds, _say))
    except ApiError as error:
        _say(f"The API server did not play its part: {error}")
        return 1


async def _try(body: Object, seconds: float, say: Say) -> int:
    cluster = connect()
    try:
        made = await cluster.request("POST", path_of_kind(body), body)
        path = f"{path_of_kind(made)}/{made['metadata']['name']}"
        say(f"TenysonJob {made['metadata']['namespace']}/{made['metadata']['name']} was made.")
        try:
            return await _follow(cluster, path, time.monotonic() + seconds, say)
        finally:
            with contextlib.suppress(ApiError):
                await cluster.request("DELETE", path)
    finally:
        await cluster.close()


async def _follow(cluster: Cluster, path: str, until: float, say: Say) -> int:
    """Tells how the job goes on until it is over, or the time is."""
    told = ""
    while True:
        status = (await cluster.request("GET", path)).get("status") or {}
        if (line := _in_a_line(status)) != told:
            say(told := line)
        if _is(status, "Complete"):
            _report(status, say, only="Complete")
            return 0
        if _is(status, "Failed"):
            _report(status, say)
            return 1
        if time.monotonic() >= until:
            say("It is not over in the time it had, and is given up. Its conditions:")
            _report(status, say)
            return 1
        await asyncio.sleep(_PAUSE_SECONDS)


def _in_a_line(status: Object) -> str:
    """Returns phase, reason and step; without a status, where that would come from."""
    if not status:
        return "No status yet: the controller has not looked at it."
    phase = status.get("phase", "")
    reason = next((c["reason"] for c in status.get("conditions", ()) if c["type"] == "Running"), "")
    step = (status.get("progress") or {}).get("step")
    why = f" ({reason})" if reason not in ("", phase) else ""
    return f"{phase}{why}" + (f", step {step}" if step is not None else "")


def _report(status: Object, say: Say, only: str = "") -> None:
    """Tells the conditions, or one of them, and the result's numbers."""
    for condition in status.get("conditions", ()):
        if only not in ("", condition["type"]):
            continue
        shown = (condition[name] for name in ("type", "status", "reason", "message"))
        say("  {}={} {}: {}".format(*shown))
    for name, value in ((status.get("result") or {}).get("metrics") or {}).items():
        say(f"  {name} {value}")


def _is(status: Object, kind: str) -> bool:
    conditions = status.get("conditions", ())
    return any(c["type"] == kind and c["status"] == "True" for c in conditions)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  what `helm test --logs` shows


if __name__ == "__main__":
    # As process 1 of its container it would not end on SIGTERM, and would leave its job behind.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
