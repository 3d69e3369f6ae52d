"""Which checkpoints are old enough to go: as many verified ones as are to be kept stay."""

from pathlib import Path

from tenyson.checkpoints import manifest
from tenyson.checkpoints.layout import Place
from tenyson.errors import CheckpointError

_Look = tuple[tuple[str, int, int], ...]


class Verified:
    """Verifies folders, each once as long as nobody touches its files."""

    def __init__(self) -> None:
        self._looks: dict[Path, _Look] = {}

    def __call__(self, folder: Path) -> bool:
        """Whether the folder is what its manifest says."""
        try:
            look = _look(folder)
            if look and self._looks.get(folder) == look:
                return True
            manifest.verify(folder)
        except (CheckpointError, OSError):
            self._looks.pop(folder, None)
            return False
        self._looks[folder] = look
        return True

    def note(self, folder: Path) -> None:
        """Takes a folder as verified: it was sealed just now."""
        try:
            self._looks[folder] = _look(folder)
        except OSError:
            self._looks.pop(folder, None)  # it is read when it is asked for


def surplus(
    places: list[Place], folder: Path, keep: int, is_verified: Verified, *, pinned_step: int | None
) -> list[Place]:
    """Returns the places older than the `keep` newest verified ones, those of one step apart.

    Args:
        places: Of this attempt and older ones.
        folder: The output folder.
        keep: How many stay.
        is_verified: Remembers what it has read.
        pinned_step: Checkpoints of this step stay whatever their age.
    """
    newest_first = sorted(places, reverse=True)
    if len(newest_first) <= keep:
        return []
    kept = 0
    for index, place in enumerate(newest_first):
        if kept == keep:
            return [p for p in reversed(newest_first[index:]) if p.step != pinned_step]
        kept += is_verified(folder / place.name)
    return []


def surplus_in_mirror(places: list[Place], keep: int, *, pinned_step: int | None) -> list[Place]:
    """Returns the places older than the `keep` newest; the oldest comes first.

    There the finished ones count, those with a manifest: to verify them all would be read.
    """
    return [place for place in sorted(places)[:-keep] if place.step != pinned_step]


def spare_last_good(old: list[Place], places: list[Place], bad_from: int | None) -> list[Place]:
    """Returns the old ones that may go: not the last one before what may turn out to be bad.

    Args:
        old: Those that are too many.
        places: All, these among them.
        bad_from: The first step that may be bad; None where none is in doubt.
    """
    if bad_from is None:
        return old
    good = max((place for place in places if place.step < bad_from), default=None)
    return [place for place in old if place != good]


def up_to_attempt(attempt: int, places: list[Place]) -> list[Place]:
    """Returns the places of the attempt and older ones; newer ones are not its to touch."""
    return sorted(place for place in places if place.attempt <= attempt)


def _look(folder: Path) -> _Look:
    found = []
    for path in sorted(folder.rglob("*")):
        stat = path.stat()
        if path.is_file():
            found.append((path.relative_to(folder).as_posix(), stat.st_size, stat.st_mtime_ns))
    return tuple(found)
