"""A stop as the edge between two steps takes it up: nobody gets a nearer deadline than was set."""

import math
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tenyson.config.checkpoint import CheckpointConfig
from tenyson.contract import Env
from tenyson.distributed.place import RankPlace, places_here
from tenyson.distributed.ranks import Ranks
from tenyson.jobs.preemption._edge import EdgeCallback
from tenyson.jobs.preemption.process import Stopping
from tenyson.jobs.preemption.watch import NoticeWatch
from tenyson.jobs.stop import StopRequest
from tests.runtime.preemption.test_stop import Clock

pytest.importorskip("transformers")


class TwoRanks(Ranks):
    """This rank, and a peer that was asked to stop and has some time left."""

    def __init__(self, peer_seconds: float) -> None:
        super().__init__(RankPlace(rank=1, size=2))
        self._peer_seconds = peer_seconds

    def any_of(self, *flags: bool) -> tuple[bool, ...]:
        return (flags[0], True)

    def least_of(self, value: float) -> float:
        return min(value, self._peer_seconds)


def pass_an_edge(stop: StopRequest, ranks: Ranks | None = None) -> Any:
    control = SimpleNamespace(should_save=False, should_evaluate=False, should_training_stop=False)
    edge = EdgeCallback(CheckpointConfig(), stop, ranks or Ranks())
    edge.on_step_end(None, SimpleNamespace(global_step=1, max_steps=4), control)
    return control


@pytest.mark.parametrize(("asked", "left"), [(math.inf, math.inf), (120.0, 118.0), (None, 23.0)])
def test_an_edge_brings_no_nearer_deadline_than_was_asked_for(
    asked: float | None, left: float
) -> None:
    stop = StopRequest(grace_seconds=25, clock=Clock())
    stop.make("who asks", seconds=asked)

    assert pass_an_edge(stop).should_training_stop

    assert stop.remaining_seconds == left
    assert stop.reason == "who asks"


@pytest.mark.parametrize(
    ("peer", "own", "left"), [(math.inf, None, math.inf), (7.0, None, 7.0), (7.0, 120.0, 7.0)]
)
def test_a_rank_has_as_long_as_the_rank_that_was_asked(
    peer: float, own: float | None, left: float
) -> None:
    stop = StopRequest(grace_seconds=25, clock=Clock())
    if own is not None:
        stop.make("EC2", seconds=own)

    assert pass_an_edge(stop, TwoRanks(peer)).should_training_stop

    assert stop.remaining_seconds == left
    assert stop.reason == ("a request to another rank" if own is None else "EC2")


def test_a_request_is_passed_on_to_ranks_as_it_was_made() -> None:
    stop = StopRequest()
    stopping = Stopping(stop)
    assert stopping.signal_for_ranks() is None
    stop.make("SIGINT", seconds=math.inf)
    assert stopping.signal_for_ranks() == signal.SIGINT
    stop.make("SIGINT")
    assert stopping.signal_for_ranks() == signal.SIGTERM


@pytest.mark.parametrize("ranks", [1, 2])
def test_each_rank_looks_for_notices_itself_and_the_launcher_does_not(
    ranks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(Env.PREEMPTION_NOTICE, "file")
    monkeypatch.setenv(Env.PREEMPTION_FILE, str(tmp_path / "preempted"))
    stopping = Stopping(StopRequest())
    stopping.watch(places_here({"PET_NPROC_PER_NODE": str(ranks)}), last_call=lambda: None)
    for watch in stopping._watches:
        watch.close()

    looks = any(isinstance(watch, NoticeWatch) for watch in stopping._watches)

    assert looks == (ranks == 1)
