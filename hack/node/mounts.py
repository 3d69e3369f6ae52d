"""Mounts that a kubelet and containerd leave below a folder."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_DETACH = 2  # MNT_DETACH of umount(2): also where something still has a file open


def unmount_below(folder: Path) -> None:
    """Unmount all that is mounted below the folder, the innermost first."""
    libc = ctypes.CDLL(None, use_errno=True)
    for path in sorted(_mounted_below(folder), key=len, reverse=True):
        if libc.umount2(os.fsencode(path), _DETACH) != 0:
            error = ctypes.get_errno()
            raise OSError(error, f"umount: {os.strerror(error)}", path)


def _mounted_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    # Blanks in a path are written as \040.
    paths = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    return [path for path in paths if path.startswith(f"{folder}/")]
