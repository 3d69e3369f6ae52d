"""How ranks find each other: rank 0's store, the line, then torch's process group.

The waiting is done in short steps, so that a stop ends it: inside torch's own rendezvous a signal
would not be seen for its whole timeout.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from tenyson.contract import Env
from tenyson.distributed.line import Line
from tenyson.distributed.place import RankPlace, places_here
from tenyson.distributed.ranks import LOG, GiveUp, Ranks
from tenyson.errors import ConfigError, DependencyError, Problem, TenysonError

START_SECONDS = 1800.0
"""Images are pulled and nodes are made while the first rank waits for the last."""
SILENCE_SECONDS = 60.0
COLLECTIVE_TIMEOUT = timedelta(minutes=30)
"""Long, since rank 0 saves and uploads while the others wait; the line knows who is gone."""
STEP_SECONDS = 0.5
_LINE_KEY = "tenyson/line"


def join(
    place: RankPlace,
    *,
    check_stop: Callable[[], None],
    give_up: GiveUp,
    env: Mapping[str, str] = os.environ,
) -> Ranks:
    """Returns this process as one of its attempt's ranks, with all others there.

    Args:
        place: Where it stands.
        check_stop: Raises where a stop was asked for.
        give_up: Leaves a result and ends the process, where the main thread hangs for good.
        env: Holds the two timeouts of the contract.

    Raises:
        DependencyError: Not all ranks came in time.
        ConfigError: There are fewer GPUs here than ranks.
    """
    if place.is_alone:
        return Ranks()
    import torch

    _refuse_what_cannot_work(place, torch)
    os.environ.update(place.variables())
    if not torch.cuda.is_available():
        # accelerate would name the device cpu:0, which torch.load cannot restore to.
        os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"
    wait = _Wait(_seconds(env, Env.START_TIMEOUT, START_SECONDS), check_stop)
    line = Line(
        place.rank, place.size, silence_seconds=_seconds(env, Env.PEER_TIMEOUT, SILENCE_SECONDS)
    )
    ranks = Ranks(place, line=line, give_up=give_up)
    try:
        store = _store(place, wait, torch)
        _open_line(place, line, store, wait)
        _wait_for_all(ranks, line, wait)
    except TenysonError as error:
        ranks.leave(error.exit_code, error.message)
        raise
    line.alarm(ranks.on_trouble)
    _start_process_group(place, store, torch)
    LOG.info("All %d ranks are here", place.size)
    return ranks


def own_place(env: Mapping[str, str]) -> RankPlace:
    """Returns where this process stands.

    Raises:
        ConfigError: The environment asks for several processes, which somebody has to start.
    """
    places = places_here(env)
    if len(places) > 1:
        raise ConfigError(
            [Problem("PET_NPROC_PER_NODE", f"asks for {len(places)} processes, this is one")],
            hint="Start the ranks with python -m tenyson.runner, torchrun or accelerate launch.",
        )
    return places[0]


def _wait_for_all(ranks: Ranks, line: Line, wait: "_Wait") -> None:
    def are_here() -> bool:
        ranks.check()
        return line.wait_until_all_are_here(STEP_SECONDS)

    wait.until(are_here, lambda: f"rank {ranks.place.rank} waits for {_listed(line.missing())}")


class _Wait:
    """Waits for one thing after the other, within one limit for all."""

    def __init__(self, limit_seconds: float, check_stop: Callable[[], None]) -> None:
        self._limit_seconds = limit_seconds
        self._deadline = time.monotonic() + limit_seconds
        self._check_stop = check_stop

    def until(self, is_there: Callable[[], Any], what: Callable[[], str]) -> None:
        """Returns when it is there; raises DependencyError when the time is over."""
        next_word = time.monotonic() + 2
        while not is_there():
            self._check_stop()
            now = time.monotonic()
            if now > self._deadline:
                raise DependencyError(
                    f"The ranks did not come together in {self._limit_seconds:g} s: {what()}.",
                    hint=f"See why the other pods do not run; {Env.START_TIMEOUT} gives more time.",
                )
            if now > next_word:
                LOG.info("Waiting: %s", what())
                next_word = now + 60
            time.sleep(STEP_SECONDS / 5)


def _refuse_what_cannot_work(place: RankPlace, torch: Any) -> None:
    if torch.distributed.is_initialized():
        raise ConfigError(
            [Problem("ranks", "this process has a process group already")],
            hint="A process runs one job on several ranks; start another process for the next.",
        )
    gpus = torch.cuda.device_count()
    if torch.cuda.is_available() and gpus < place.local_size:
        raise ConfigError(
            [Problem("PET_NPROC_PER_NODE", f"{place.local_size} ranks here for {gpus} GPUs")],
            hint="Start one rank per GPU.",
        )


def _store(place: RankPlace, wait: _Wait, torch: Any) -> Any:
    hosts = place.is_main and not place.store_is_given
    address = "localhost" if hosts else place.master_addr
    if not hosts:
        wait.until(
            lambda: _answers(place.master_addr, place.master_port),
            lambda: f"no rank 0 at {place.master_addr}:{place.master_port}",
        )
    try:
        return torch.distributed.TCPStore(
            address,
            place.master_port,
            is_master=hosts,
            wait_for_workers=False,
            timeout=timedelta(seconds=60),
        )
    except RuntimeError as error:
        raise DependencyError(
            f"The store of the ranks at {address}:{place.master_port} cannot be used: "
            f"{str(error).splitlines()[0]}",
            hint="Is the port taken? MASTER_PORT names another.",
        ) from error


def _open_line(place: RankPlace, line: Line, store: Any, wait: _Wait) -> None:
    if place.is_main:
        store.set(_LINE_KEY, "{} {}".format(*line.open()))
        return
    wait.until(lambda: store.check([_LINE_KEY]), lambda: "rank 0 has not opened its line")
    port, token = store.get(_LINE_KEY).decode().split()
    try:
        line.connect(place.master_addr, int(port), token)
    except OSError as error:
        raise DependencyError(
            f"Rank 0 at {place.master_addr}:{port} does not answer: {error}.",
            hint="The ranks' pods must reach each other on every port.",
        ) from error


def _start_process_group(place: RankPlace, store: Any, torch: Any) -> None:
    torch.distributed.init_process_group(
        # Our own decisions are made on the CPU, whatever the model trains on.
        backend="cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
        store=torch.distributed.distributed_c10d.PrefixStore("tenyson/group", store),
        rank=place.rank,
        world_size=place.size,
        timeout=COLLECTIVE_TIMEOUT,
    )


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


def _seconds(env: Mapping[str, str], name: str, default: float) -> float:
    given = env.get(name) or str(default)
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigError([Problem(name, f"expected a number of seconds, got {given!r}")])
    return seconds


def _listed(ranks: list[int]) -> str:
    if not ranks:
        return "the others"
    shown = ", ".join(str(rank) for rank in ranks[:8])
    return f"rank{'s' if len(ranks) > 1 else ''} {shown}{', …' if len(ranks) > 8 else ''}"
