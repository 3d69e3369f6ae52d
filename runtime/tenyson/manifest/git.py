"""The code's commit, and whether it was changed since."""

import hashlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenyson.contract import Env


def git_facts(folder: Path, env: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Returns `git_sha`, `git_dirty` and the hash of the changes, of the repository at a folder.

    An image has no repository: there the commit is what TENYSON_GIT_SHA says.

    Args:
        folder: Any folder of the repository, such as that of the task's file.
        env: The process's environment.
    """
    if (sha := _git(folder, "rev-parse", "HEAD")) is None:
        return {
            "git_sha": env.get(Env.GIT_SHA) or None,
            "git_dirty": False,
            "git_diff_sha256": None,
        }
    # Binary too, and against the commit: what is staged counts like what is not.
    diff = _git(folder, "diff", "--binary", "--no-ext-diff", "--no-color", "HEAD")
    return {
        "git_sha": sha.decode().strip(),
        "git_dirty": None if diff is None else bool(diff),  # None: git could not tell
        "git_diff_sha256": hashlib.sha256(diff).hexdigest() if diff else None,
    }


def _git(folder: Path, *arguments: str) -> bytes | None:
    """Returns what git says there; None outside a repository, or without git."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
