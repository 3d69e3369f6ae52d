"""Folders of builds that were killed: nobody else removes them, and each holds all of its rows."""

import re
import shutil
import time
from pathlib import Path
from typing import Final

SUFFIX: Final = ".tmp"
_STAGING: Final = re.compile(r"\..+-.+\.[a-z0-9_]{8}\.tmp")
"""`.NAME-VERSION.RANDOM.tmp`, as `tempfile` makes it of prefix and suffix."""
OLD_SECONDS: Final = 24 * 3600.0
"""A build writes all the time; one that has written nothing for a day is no build any more."""


def staging_prefix(key: str) -> str:
    """Returns how the folder of a build begins, which no data set's own does."""
    return f".{key}."


def sweep(store: Path, now: float | None = None) -> list[Path]:
    """Removes what killed builds have left in a store, once it is old; returns what it removed.

    Args:
        store: The folder that data sets lie in.
        now: Seconds since 1970; None is now.
    """
    oldest = (time.time() if now is None else now) - OLD_SECONDS
    found = [path for path in store.glob(f".*{SUFFIX}") if _STAGING.fullmatch(path.name)]
    folders = [path for path in found if path.is_dir() and not path.is_symlink()]
    dead = [path for path in folders if _last_write(path) < oldest]
    for path in dead:
        shutil.rmtree(path, ignore_errors=True)  # another build may sweep, too
    return dead


def _last_write(folder: Path) -> float:
    """Returns when something in the folder last changed; now for one that goes away meanwhile."""
    try:
        return max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))
    except OSError:
        return time.time()
