"""Settings of the kernel that a kubelet changes for the whole machine, to be set back."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from hack.cluster.files import read_json, write_json

_FOLDER = Path("/proc/sys")
_CHANGED = (
    *("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"),
    *("kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"),
)


def save_tunables(record: Path) -> None:
    """Write down what the settings are, unless that was done before."""
    if not record.exists():
        names = [name for name in _CHANGED if (_FOLDER / name).exists()]
        write_json(record, {name: (_FOLDER / name).read_text().strip() for name in names})


def restore_tunables(record: Path) -> None:
    """Set the settings back to what was written down."""
    for name, value in (read_json(record) or {}).items():
        with suppress(OSError):  # a container's root may not
            (_FOLDER / name).write_text(value)
    record.unlink(missing_ok=True)
