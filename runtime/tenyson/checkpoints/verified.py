"""Checkpoints whose every file is what its manifest says, from the folder or from the mirror."""

import logging
from collections.abc import Callable, Iterable, Iterator

from tenyson.checkpoints import manifest
from tenyson.checkpoints.folder import OutputFolder
from tenyson.checkpoints.layout import Checkpoint, Place
from tenyson.checkpoints.mirror import Mirror
from tenyson.contract import File
from tenyson.errors import CheckpointError

LOG = logging.getLogger("tenyson.checkpoints")


def verified(
    places: Iterable[Place],
    files: OutputFolder,
    mirror: Mirror | None,
    warn: Callable[[str], None],
) -> Iterator[Checkpoint]:
    """Yields those of the checkpoints that verify, each looked at when it is asked for.

    A broken one in the folder is renamed to `broken-…`; one that is only in the mirror is fetched.

    Args:
        places: What to look at, in this order.
        files: The output folder.
        mirror: Where copies are; None where there are none.
        warn: Is told why one is passed over.
    """
    for place in places:
        folder = files.path / place.name
        if folder.is_dir():
            try:
                yield Checkpoint(place, folder, manifest.verify(folder))
                continue
            except CheckpointError as error:
                warn(f"{error.message} {files.set_aside(place, 'broken')}")
        if mirror is not None and _fetch(place, files, mirror, warn):
            yield Checkpoint(place, folder, manifest.read(folder))


def _fetch(place: Place, files: OutputFolder, mirror: Mirror, warn: Callable[[str], None]) -> bool:
    """Whether the mirror had it; then it is in the folder, verified."""
    with files.aside() as aside:
        try:
            if not mirror.exists(f"{place.name}/{File.CHECKPOINT_MANIFEST}"):
                return False
            mirror.fetch(place.name, aside / "fetched")
            manifest.verify(aside / "fetched")
        except CheckpointError as error:
            warn(f"In {mirror.uri}, {place.name}: {error.message} Another one is used.")
            return False
        files.replace(aside / "fetched", files.path / place.name)
    LOG.info("Fetched %s from %s", place.name, mirror.uri)
    return True
