"""Whether this replica may write."""

import math
import time
from collections.abc import Callable


class Fence:
    """Open until a moment that each renewal of the lease puts off; without a lease, for good.

    It shuts by itself as time goes by, so a replica that was paused, or whose loop was blocked,
    is fenced off before any code of it has run.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = math.inf

    @property
    def is_open(self) -> bool:
        """Whether a write may go out now."""
        return self._clock() < self._until

    def keep_open_until(self, moment: float) -> None:
        """Lets writes go until a moment of the clock."""
        self._until = moment

    def shut(self) -> None:
        """Refuses all writes from now on."""
        self._until = -math.inf
