"""How long a command takes to say what it can do."""

import subprocess
import sys
import time

COMMANDS = {"runner_s": "tenyson.runner", "command_s": "tenyson.cli"}


def helps(quick: bool) -> list[dict[str, float]]:
    """Returns the seconds of `--help` of each command, run by run; the first run compiles."""
    runs = [
        {figure: _seconds(module) for figure, module in COMMANDS.items()}
        for _ in range(4 if quick else 12)
    ]
    return runs[1:]


def _seconds(module: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", module, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started
