"""What an attempt has cost in time, tokens and memory, for its result."""

import resource
import sys
from pathlib import Path

from tenyson.jobs.measuring.tokens import TokenCounts
from tenyson.jobs.result import JobResult
from tenyson.phases import Phases


def add_measurements(result: JobResult, phases: Phases, tokens: TokenCounts) -> None:
    """Fills in the result what was measured up to now."""
    result.phase_seconds = phases.seconds()
    result.tokens = tokens.as_result()
    rate = tokens.rate()
    result.tokens_per_second = None if rate is None else round(rate, 1)
    result.peak_memory = peak_memory()


def peak_memory() -> dict[str, int]:
    """Returns the most bytes that this process has held: `rss`, and `cuda` where it used a GPU."""
    found = {"rss": _peak_rss()}
    torch = sys.modules.get("torch")  # a run that failed before it was loaded needs none
    if torch is not None and torch.cuda.is_initialized():
        found["cuda"] = sum(
            torch.cuda.max_memory_reserved(gpu) for gpu in range(torch.cuda.device_count())
        )
    return found


def _peak_rss() -> int:
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        # Not getrusage: it starts from what the parent process held when it forked.
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration, ValueError):
        kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return kibibytes if sys.platform == "darwin" else kibibytes * 1024
