"""Where log lines go: to the standard error of the moment."""

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
