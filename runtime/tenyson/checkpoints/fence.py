"""Which attempt may write: a marker in the output folder and in its mirror names the newest one.

A pod that is cut off from the API server counts as lost, and the next attempt starts; but the pod
may still run, and write to the volume or the bucket that both have. So an attempt names itself in
the marker before it does anything else, and looks at it before every write to the output folder,
every rotation and every upload. Where a newer one is named it is superseded: it writes nothing
more and ends.

No storage lets a look and a write be one action: an attempt may be paused after its look and
write when it wakes. What slips through so is harmless:

- A checkpoint has its attempt in its path. A late one is whole (it is renamed, in the mirror its
  manifest comes last) and never counts as newer than one of a later attempt (`layout.Place`).
- A rotation removes from folders of its own and older attempts only, and never the newest ones of
  those it saw; what the next attempt resumed from was among them.
- `checkpoint-final` is put in place by a rename that fails where there is one already. One that is
  there is replaced only if an attempt up to this one wrote it, and put back if that was wrong.
- In the mirror, where folders cannot be renamed, `checkpoint-final` is written below the attempt's
  folder first. A late file may damage the copy in the root, never that: whoever finds the copy
  damaged reads the other (`mirror.fetch_folder`).
- `job_result.json` is written into the attempt's folder too, so a late one in the root hides the
  newer and does not destroy it. In a cluster the result that counts is the termination message.
- A row of `metrics.jsonl` and of the telemetry carries its attempt; readers take the newest.
- Two attempts that write the marker at once: the older may win. The newer finds an older attempt
  in it at its next look, and writes itself again.
"""

import json
import logging
import socket
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tenyson.checkpoints.layout import attempt_folder, attempt_of_folder
from tenyson.checkpoints.mirror import Mirror
from tenyson.contract import Env, File
from tenyson.errors import SupersededError
from tenyson.files import write_atomically

LOG = logging.getLogger("tenyson.checkpoints")


@dataclass(frozen=True)
class Marker:
    """The newest attempt, as the marker names it."""

    attempt: int
    writer: str
    """The host, and a word drawn at random: two processes may claim to be the same attempt."""
    started_at: str

    def to_json(self) -> str:
        """Returns the file's content."""
        return json.dumps({"schema_version": 1, **asdict(self)}, indent=1) + "\n"


class Fence:
    """Lets one attempt write, as long as no newer one has started."""

    def __init__(self, folder: Path, attempt: int, mirror: Mirror | None = None) -> None:
        self.folder = folder
        self.attempt = attempt
        self._mirror = mirror
        self._is_claimed = False
        self._own = Marker(
            attempt,
            writer=f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}",
            started_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        )

    @property
    def attempt_folder(self) -> Path:
        """Holds what only this attempt writes."""
        return self.folder / attempt_folder(self.attempt)

    def claim(self) -> None:
        """Names this attempt the newest one, here and in the mirror.

        Raises:
            SupersededError: A newer attempt has started.
        """
        found = [read_marker(self.folder)]
        if self._mirror is not None:
            found.append(_parse(self._mirror.read_text(File.NEWEST_ATTEMPT)))
        for marker in found:
            if marker is not None and marker.attempt > self.attempt:
                raise self._superseded_by(marker)
        self._write()
        self._is_claimed = True
        if self._mirror is not None:
            self._mirror.write_text(File.NEWEST_ATTEMPT, self._own.to_json())
            self._mirror.guard = self.check_everywhere

    def check(self) -> None:
        """Looks at the output folder's marker; a read of a small file.

        Before the claim, a process that claimed the same number is no hindrance.

        Raises:
            SupersededError: A newer attempt has started.
        """
        if self._is_overwritten(read_marker(self.folder)):
            self._write()

    def check_everywhere(self) -> None:
        """Looks at both markers; the mirror calls this before each upload."""
        self.check()
        if self._mirror is not None and self._is_overwritten(
            _parse(self._mirror.read_text(File.NEWEST_ATTEMPT))
        ):
            self._mirror.write_text(File.NEWEST_ATTEMPT, self._own.to_json())

    def is_current(self) -> bool:
        """Whether no newer attempt has started, by the output folder's marker."""
        try:
            self.check()
        except SupersededError:
            return False
        except OSError as error:  # it does not say that there is a newer one
            LOG.warning("The marker cannot be read: %s", error)
        return True

    def write(self, name: str, content: str) -> None:
        """Writes a file of the output folder, unless a newer attempt has started."""
        write_atomically(self.folder / name, content, before_rename=self.check)

    def _write(self) -> None:
        write_atomically(self.folder / File.NEWEST_ATTEMPT, self._own.to_json())

    def _is_overwritten(self, marker: Marker | None) -> bool:
        """Whether an older attempt wrote the marker after this one."""
        if marker is None or marker == self._own:
            return False  # one that is gone or broken names nobody
        if marker.attempt > self.attempt or (self._is_claimed and marker.attempt == self.attempt):
            raise self._superseded_by(marker)
        return self._is_claimed

    def _superseded_by(self, marker: Marker) -> SupersededError:
        return SupersededError(
            f"Attempt {self.attempt} is superseded: attempt {marker.attempt} of this run started "
            f"at {marker.started_at} ({marker.writer}). This one writes nothing more.",
            hint="The newer attempt goes on. If it is none, give a greater number "
            f"({Env.ATTEMPT}), or none, or another output folder.",
        )


def next_attempt(folder: Path, mirror: Mirror | None = None) -> int:
    """Returns the number after the newest attempt that has left a trace; 0 in a new folder."""
    numbers = [attempt_of_folder(path.name) for path in folder.glob("attempt-*")]
    markers = [read_marker(folder)]
    if mirror is not None:
        markers.append(_parse(mirror.read_text(File.NEWEST_ATTEMPT)))
    numbers += [marker.attempt for marker in markers if marker is not None]
    return max((number for number in numbers if number is not None), default=-1) + 1


def read_marker(folder: Path) -> Marker | None:
    """Returns the marker of an output folder; None where there is none that can be read."""
    try:
        # Opened, not only looked at: NFS asks the server again when a file is opened.
        return _parse((folder / File.NEWEST_ATTEMPT).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _parse(text: str | None) -> Marker | None:
    try:
        content = json.loads(text) if text is not None else None
        if content is None:
            return None
        return Marker(int(content["attempt"]), str(content["writer"]), str(content["started_at"]))
    except (ValueError, KeyError, TypeError) as error:
        LOG.warning("%s cannot be read and is passed over: %s", File.NEWEST_ATTEMPT, error)
        return None
