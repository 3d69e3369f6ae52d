"""A stop that was asked of one rank, as all ranks follow it."""

from tenyson.distributed.ranks import Ranks
from tenyson.jobs.stop import StopRequest


def stop_together(stop: StopRequest, ranks: Ranks) -> None:
    """Makes the request all ranks', with the nearest deadline of any; all ranks call it."""
    stop.join("a request to another rank", ranks.least_of(stop.remaining_seconds))
    ranks.part()
