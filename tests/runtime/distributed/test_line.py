"""The line between ranks: who is here, how each ended, who is gone."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tenyson.distributed.line import Farewell, Line

MEMBER = """
import sys, time
from tenyson.distributed.line import Line
rank, size, port, token = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
line = Line(rank, size, silence_seconds=float(sys.argv[5]))
line.connect("127.0.0.1", port, token)
assert line.wait_until_all_are_here(20)
print("here", flush=True)
trouble = line.wait_for_trouble(60)
print(trouble[0].rank, trouble[0].exit_code, trouble[0].text, flush=True)
"""


class Group:
    """Rank 0 in this process, the others in processes of their own."""

    def __init__(self, size: int, silence_seconds: float = 30.0) -> None:
        self.hub = Line(0, size, silence_seconds=silence_seconds)
        self.port, self.token = self.hub.open()
        self.others = [
            subprocess.Popen(
                [sys.executable, "-c", MEMBER, str(rank), str(size), str(self.port), self.token,
                 str(silence_seconds)],
                stdout=subprocess.PIPE, text=True,
            )
            for rank in range(1, size)
        ]  # fmt: skip
        assert self.hub.wait_until_all_are_here(20)

    def heard_by(self, rank: int) -> str:
        output = self.others[rank - 1].stdout
        assert output is not None
        assert output.readline() == "here\n"
        return output.readline().strip()


@pytest.fixture
def make_group() -> Iterator[Any]:
    made: list[Group] = []

    def make(*args: Any, **kwargs: Any) -> Group:
        made.append(Group(*args, **kwargs))
        return made[-1]

    yield make
    for process in [p for group in made for p in group.others]:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_a_killed_rank_is_known_to_all_at_once(make_group: Any) -> None:
    group = make_group(3)
    started = time.monotonic()

    group.others[0].kill()

    assert group.hub.wait_for_trouble(20) == [Farewell(1, None, "its process is gone")]
    assert group.heard_by(2) == "1 None its process is gone"
    assert time.monotonic() - started < 5


def test_a_rank_that_fails_tells_the_others_how(make_group: Any) -> None:
    group = make_group(2)

    group.hub.say(65, "RewardError: no such word")

    assert group.heard_by(1) == "0 65 RewardError: no such word"


def test_a_silent_rank_is_given_up_and_learns_of_it_when_it_wakes(make_group: Any) -> None:
    group = make_group(3, silence_seconds=2.0)
    frozen = group.others[0]

    frozen.send_signal(signal.SIGSTOP)
    trouble = group.hub.wait_for_trouble(20)
    heard = group.heard_by(2)
    frozen.send_signal(signal.SIGCONT)

    assert [(f.rank, f.exit_code) for f in trouble] == [(1, None)]
    assert "said nothing for 2 s" in trouble[0].text
    assert heard.startswith("1 None")
    assert group.heard_by(1)  # of its own end, or that the hub has hung up


def test_a_stranger_is_turned_away(make_group: Any) -> None:
    group = make_group(2)

    for words in (b"GET / HTTP/1.1\r\n\r\n", b'{"hello": 1, "token": "other"}\n', b"x" * 70_000):
        stranger = socket.create_connection(("127.0.0.1", group.port), timeout=10)
        with stranger, contextlib.suppress(ConnectionError):
            stranger.sendall(words + b"\n")
            while stranger.recv(1000):  # a hub that kept it would time out here
                pass

    assert group.hub.farewells == {}


def test_the_missing_ranks_are_known() -> None:
    hub = Line(0, 3, silence_seconds=30)
    port, token = hub.open()
    member = Line(2, 3, silence_seconds=30)

    member.connect("127.0.0.1", port, token)

    assert not hub.wait_until_all_are_here(0.3)
    assert hub.missing() == [1]
