"""Files between the ranks: a checkpoint is made of all ranks' states, and read by all of them."""

import contextlib
import hashlib
import logging
from pathlib import Path
from typing import Any

from tenyson.contract import File
from tenyson.distributed.ranks import Ranks

LOG = logging.getLogger("tenyson.ranks")
CHUNK_BYTES = 64 * 2**20


def collect_files(ranks: Ranks, folder: Path) -> None:
    """Brings the files that the other ranks have in their folder into rank 0's.

    They are small: each rank's random states, and in RL the round of sampling under way.
    """
    if ranks.size == 1:
        return
    own = {} if ranks.is_main else {p.name: p.read_bytes() for p in folder.iterdir()}
    for files in ranks.gather(own):
        for name, content in files.items():
            (folder / name).write_bytes(content)


def share_folder(ranks: Ranks, folder: Path | None, own: Path) -> Path:
    """Returns where this rank finds rank 0's checkpoint folder.

    That is the very folder where this rank sees it, too, as in one pod or on a shared volume. Else
    rank 0 sends a copy: no storage is asked of a run that its ranks do not have in common.

    Args:
        ranks: All of them call this.
        folder: The sealed folder on rank 0; of no meaning elsewhere.
        own: Where a copy may be put; must exist.
    """
    if ranks.size == 1:
        assert folder is not None
        return folder
    shared: tuple[str, str] = ranks.share(
        (str(folder.resolve()), _seal_of(folder)) if folder else None
    )
    path, seal = Path(shared[0]), shared[1]
    sees_it = ranks.is_main or _seal_of(path) == seal
    (is_needed,) = ranks.any_of(not sees_it)
    if not is_needed:
        return path
    LOG.info("Rank 0 sends %s to the ranks that do not see it", path.name)
    target = None if sees_it else own / path.name
    _send_files(ranks, path, target)
    return path if target is None else target


def _seal_of(folder: Path) -> str:
    """What the folder's manifest hashes to; empty where there is none."""
    try:
        return hashlib.sha256((folder / File.CHECKPOINT_MANIFEST).read_bytes()).hexdigest()
    except OSError:
        return ""


def _send_files(ranks: Ranks, source: Path, target: Path | None) -> None:
    """Sends rank 0's files, in chunks; ranks without a target listen and keep nothing."""
    names: list[tuple[str, int]] = ranks.share(
        [(p.relative_to(source).as_posix(), p.stat().st_size) for p in _files_of(source)]
        if ranks.is_main
        else None
    )
    for name, size in names:
        with contextlib.ExitStack() as stack:
            reader = writer = None
            if ranks.is_main:
                reader = stack.enter_context(open(source / name, "rb"))
            if target is not None:
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                writer = stack.enter_context(open(target / name, "wb"))
            for start in range(0, size, CHUNK_BYTES):
                chunk = _send_chunk(min(CHUNK_BYTES, size - start), reader)
                if writer is not None:
                    writer.write(chunk)


def _send_chunk(size: int, reader: Any) -> bytes:
    import torch

    buffer = torch.empty(size, dtype=torch.uint8)
    if reader is not None:
        reader.readinto(buffer.numpy())
    torch.distributed.broadcast(buffer, src=0)
    return buffer.numpy().tobytes()


def _files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
