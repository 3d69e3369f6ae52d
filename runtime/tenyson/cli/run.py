"""`tenyson run`: the runner by a shorter name."""

from collections.abc import Sequence

from tenyson import runner


def main(arguments: Sequence[str]) -> int:
    """Runs one attempt at a job and returns its exit code."""
    return runner.main(arguments)
