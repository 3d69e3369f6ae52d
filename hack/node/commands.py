"""Commands of this machine's own tools."""

from __future__ import annotations

import subprocess

from hack.cluster.errors import ClusterError


def run(*argv: str, stdin: str | None = None) -> str:
    """What the command prints.

    Raises:
        ClusterError: it failed, with its words.
    """
    answer = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise ClusterError(
            f"`{' '.join(argv)}` ended with {answer.returncode}: "
            f"{(answer.stderr or answer.stdout).strip()[-1500:]}"
        )
    return answer.stdout


def succeeds(*argv: str) -> bool:
    """Whether the command ends well."""
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0
