"""What is logged, for a reader of the standard error: which lines, and how they get there."""

import logging
import sys
from typing import TextIO


class StandardErrorHandler(logging.StreamHandler[TextIO]):
    """Writes to `sys.stderr` as it is then: a progress bar puts itself in its place.

    A handler that holds the stream from before writes its lines into the middle of the bar.
    """

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """The stream to write to."""
        return sys.stderr


def listen_to_logs(rank: int) -> None:
    """Shows what the libraries and the runtime log, one plain line each, on standard error."""
    prefix = f"[rank {rank}] " if rank else ""
    handlers = [StandardErrorHandler()]
    logging.basicConfig(format=f"{prefix}%(message)s", handlers=handlers, level=logging.WARNING)
    # What concerns all ranks is rank 0's to tell.
    logging.getLogger("tenyson.ranks" if rank else "tenyson").setLevel(logging.INFO)
