"""The small process that holds one container, so that the node agent may be restarted under it.

Run with the container's folder as its only argument, and with the standard library alone, since
there is one for each container. It starts bubblewrap as `spec.json` says and leaves behind:
`shim.json` (its own identity), `started.json` (the container's main process) and `exit.json`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def main(folder: Path) -> None:
    """Run the container of the folder to its end."""
    _write(folder / "shim.json", {"identity": _identity(os.getpid())})
    spec = json.loads((folder / "spec.json").read_text())
    (folder / "spec.json").write_text("{}")  # the environment may hold secrets
    reader, writer = os.pipe()
    with (folder / "log").open("ab") as log:
        program, *arguments = spec["argv"]
        sandbox = subprocess.Popen(
            [program, "--json-status-fd", str(writer), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=spec["env"],
            pass_fds=[writer],
            cwd="/",
        )
    os.close(writer)
    ran = _follow_status(reader, folder)
    code = sandbox.wait()
    outcome = {"exit_code": code if code >= 0 else 128 - code, "ran": ran or code < 0}
    _write(folder / "exit.json", {**outcome, "finished_at": time.time()})


def _follow_status(reader: int, folder: Path) -> bool:
    """Whether the container's program ran at all; returns when the container has ended.

    bubblewrap writes one JSON document a line: first the main process's id, and the exit code
    only if the program could be started.
    """
    ran = False
    with os.fdopen(reader, "rb") as status:
        for line in status:
            event = json.loads(line)
            if "child-pid" in event:
                started = {"identity": _identity(event["child-pid"]), "started_at": time.time()}
                _write(folder / "started.json", started)
            ran = ran or "exit-code" in event
    return ran


def _identity(pid: int) -> dict[str, Any] | None:
    """The fields of `processes.Identity`, which cannot be imported without its package."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None  # it has ended already
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    start_time = int(text.rpartition(")")[2].split()[19])
    return {"pid": pid, "start_time": start_time, "boot_id": boot_id}


def _write(path: Path, value: dict[str, Any]) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(value))
    beside.rename(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
