"""Where a run's checkpoints lie, and which of two is the newer one.

```
<output>/newest_attempt.json            the attempt that may write here
<output>/attempt-<N>/checkpoint-<step>/ what attempt N saved
<output>/checkpoint-final/              the trained adapter or model, with the results beside it
<output>/checkpoint-<step>/             of runs before attempts had folders: read, never written
```
The mirror has the same names below its URI.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tenyson.contract import File

NO_ATTEMPT = -1
"""Stands for checkpoints in the output folder itself."""
_NAME = re.compile(r"(?:attempt-(\d+)/)?checkpoint-(\d+)")
_ATTEMPT = re.compile(r"attempt-(\d+)")


@dataclass(frozen=True, order=True)
class Place:
    """A checkpoint's attempt and step; the greater one is the newer one.

    The attempt counts first. An attempt starts from the newest checkpoint, so what it saves is
    further on; what a cut off attempt still writes after that never gets ahead of it.
    """

    attempt: int
    step: int

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Returns the place that a name below the output folder stands for, if any."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        return cls(NO_ATTEMPT if match[1] is None else int(match[1]), int(match[2]))

    @property
    def name(self) -> str:
        """`attempt-1/checkpoint-20`, below the output folder."""
        checkpoint = f"checkpoint-{self.step}"
        if self.attempt == NO_ATTEMPT:
            return checkpoint
        return f"{attempt_folder(self.attempt)}/{checkpoint}"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files are all what its manifest says."""

    place: Place
    folder: Path
    facts: dict[str, Any] = field(compare=False)
    """What was written into its manifest when it was saved."""

    @property
    def step(self) -> int:
        """Optimiser steps that it has behind it."""
        return self.place.step


def attempt_folder(attempt: int) -> str:
    """Returns the name of an attempt's folder."""
    return File.ATTEMPT_FOLDER.format(attempt=attempt)


def attempt_of_folder(name: str) -> int | None:
    """Returns the attempt whose folder has this name, if it is one's."""
    match = _ATTEMPT.fullmatch(name)
    return int(match[1]) if match else None
