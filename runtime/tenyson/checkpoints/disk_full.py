"""Whether a write failed because the disk is full; the libraries have many words for it."""

import contextlib
import errno
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tenyson.checkpoints.layout import Place
from tenyson.errors import DependencyError, TenysonError

_SIGNS = ("no space left", "os error 28", "disk quota exceeded", "os error 122")
_TORCH = ("pytorchstreamwriter", "file write failed", "unexpected pos")
"""What torch says where it could not write; it does not say why."""
_FULL_BYTES = 2**20
"""Free space below which a failed write is put down to the lack of it."""


@contextlib.contextmanager
def disk_full_is_said(
    name: str, aside: Path, finished: Callable[[], Sequence[Place]]
) -> Iterator[None]:
    """Raises a sentence of ours where the block fails for lack of space.

    Args:
        name: The checkpoint that is saved in the block.
        aside: The folder it is written to; still there when the block has failed.
        finished: Says which checkpoints there are.

    Raises:
        DependencyError: The disk is full.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, TenysonError) and is_disk_full(error, aside):
            kept = [place.name for place in finished()]
            raise _no_space(name, aside, kept) from error
        raise


def is_disk_full(error: BaseException, folder: Path) -> bool:
    """Whether the error, or one that it came from, means that `folder` takes no more."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        text = str(cause).lower()
        if any(sign in text for sign in _SIGNS):
            return True
        if any(sign in text for sign in _TORCH) and _free_bytes(folder) < _FULL_BYTES:
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _no_space(name: str, aside: Path, kept: Sequence[str]) -> DependencyError:
    written = sum(path.stat().st_size for path in aside.rglob("*") if path.is_file())
    return DependencyError(
        f"No space left for {name} in {aside.parent}: {written:,} bytes of it were written, "
        f"{_free_bytes(aside):,} are free. Saved before and untouched: "
        f"{', '.join(kept) or 'nothing'}.",
        hint="Give the output folder more space, or keep fewer checkpoints (checkpoint.keep); the "
        "next attempt goes on from the newest.",
    )


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free
