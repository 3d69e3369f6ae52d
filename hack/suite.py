"""`make test`: all tests in two halves side by side, for the operator's mostly wait for a cluster.

A few tests that fail run once more, alone, after both halves have ended. One that passes then fell
to a race or to the load: it does not stop the change at hand, is named in the last lines, and is a
defect of its own.
"""

import argparse
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CACHE: Final = Path(".cache")
FEW: Final = 3
"""More failures than these are no bad luck; they do not run again."""

TESTS_FAILED: Final = 1
"""Pytest's exit code when it ran to its end and tests failed."""


@dataclass(frozen=True)
class Half:
    """A part of the tests, by the arguments of pytest that choose it."""

    name: str
    arguments: tuple[str, ...]

    @property
    def log(self) -> Path:
        """Where its output waits until the other half has shown its own."""
        return CACHE / f"test-{self.name}.log"

    @property
    def cache(self) -> Path:
        """Where pytest notes what failed."""
        return CACHE / f"pytest-{self.name}"

    def command(self, *more: str) -> list[str]:
        """Returns the command that runs it."""
        cache = ("-o", f"cache_dir={self.cache.absolute()}")
        return [sys.executable, "-m", "pytest", *self.arguments, *cache, *more]

    def failed(self) -> list[str]:
        """Returns the tests that failed in the last run, by their ids."""
        found = self.cache / "v/cache/lastfailed"
        return sorted(json.loads(found.read_text())) if found.exists() else []

    def again(self) -> int:
        """Runs what failed once more, and returns pytest's exit code."""
        only_failed = ("--last-failed", "--last-failed-no-failures=none")
        return subprocess.run(self.command(*only_failed), check=False).returncode


HALVES: Final = (
    Half("controller", ("tests/controller",)),
    Half("rest", ("--ignore=tests/controller",)),
)


def run(behind: Half, before: Half) -> int:
    """Runs two halves side by side, and what failed once more; the first's output comes last.

    Returns: The exit code, 0 when each test has passed, if only alone.
    """
    CACHE.mkdir(exist_ok=True)
    for half in (behind, before):
        shutil.rmtree(half.cache, ignore_errors=True)
    with behind.log.open("wb") as log:
        beside = subprocess.Popen(behind.command(), stdout=log, stderr=log)
        try:
            code = subprocess.run(before.command(), check=False).returncode
            codes = {behind: beside.wait(), before: code}
        finally:
            beside.terminate()  # where this one was interrupted
    print(f"\nThe tests of {behind.name}, which ran beside these:\n{behind.log.read_text()}")
    return _judge(codes)


def _judge(codes: dict[Half, int]) -> int:
    broken = {half: half.failed() for half, code in codes.items() if code == TESTS_FAILED}
    failures = sorted(test for tests in broken.values() for test in tests)
    if not any(codes.values()):
        return 0
    if not set(codes.values()) <= {0, TESTS_FAILED} or not all(broken.values()):
        return 1
    if len(failures) > FEW:
        return 1
    print(f"\nOnce more, alone: {', '.join(failures)}", flush=True)
    codes_alone = [half.again() for half in broken]
    if any(codes_alone):
        return 1
    print("\nUnsteady, to be mended: these failed beside the others and passed alone:")
    print("\n".join(f"  {test}" for test in failures))
    return 0


def main() -> int:
    """Runs the tests of this project."""
    argparse.ArgumentParser(prog="python -m hack.suite", description=__doc__).parse_args()
    return run(*HALVES)


if __name__ == "__main__":
    sys.exit(main())
