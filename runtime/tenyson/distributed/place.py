"""Where a process stands among the ranks of its attempt, read from torchrun's variables.

Three ways to be started: alone; as a rank (`RANK`, by torchrun, accelerate or our launcher); or as
the process of a pod (`PET_*`, by the controller), which is a rank itself or starts several.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from tenyson.errors import ConfigError, Problem

DEFAULT_PORT = 29500
"""torchrun's own."""


@dataclass(frozen=True)
class RankPlace:
    """One rank's place; the default is a process that trains alone."""

    rank: int = 0
    size: int = 1
    """Ranks of the attempt, on all nodes together."""
    local_rank: int = 0
    local_size: int = 1
    """Ranks in this pod."""
    master_addr: str = "127.0.0.1"
    """Host of rank 0."""
    master_port: int = 0
    """Port of rank 0's store; 0 leaves the choice to whoever starts the ranks."""
    store_is_given: bool = False
    """Whether the store runs already, as torchrun's agent has it."""

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, which alone writes what the run leaves."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether there is no other rank."""
        return self.size == 1

    def variables(self) -> dict[str, str]:
        """Returns the variables that torch and accelerate read."""
        return {
            "RANK": str(self.rank),
            "WORLD_SIZE": str(self.size),
            "LOCAL_RANK": str(self.local_rank),
            "LOCAL_WORLD_SIZE": str(self.local_size),
            "MASTER_ADDR": self.master_addr,
            "MASTER_PORT": str(self.master_port),
            # Unset, every rank of a pod would take all of its cores.
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS")
            or str(max(1, len(os.sched_getaffinity(0)) // self.local_size)),
        }


def places_here(env: Mapping[str, str]) -> tuple[RankPlace, ...]:
    """Returns the places to be filled by this process: one is its own, several are to be started.

    Raises:
        ConfigError: Holds every variable that is missing or makes no sense.
    """
    reader = _Reader(env)
    places = _as_a_rank(reader) if env.get("RANK") else _as_a_pod(reader)
    if reader.problems:
        raise ConfigError(
            reader.problems,
            source="the environment",
            hint="These are torchrun's variables; leave them all unset for one process.",
        )
    return places


def _as_a_rank(reader: "_Reader") -> tuple[RankPlace, ...]:
    size = reader.number("WORLD_SIZE", minimum=1)
    rank = reader.number("RANK", below=("WORLD_SIZE", size))
    local_size = reader.number("LOCAL_WORLD_SIZE", default=1, minimum=1)
    local_rank = reader.number("LOCAL_RANK", default=0, below=("LOCAL_WORLD_SIZE", local_size))
    if size <= 1:
        return (RankPlace(),)
    address = reader.text("MASTER_ADDR")
    port = reader.port("MASTER_PORT")
    given = reader.env.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    return (RankPlace(rank, size, local_rank, local_size, address, port, given),)


def _as_a_pod(reader: "_Reader") -> tuple[RankPlace, ...]:
    nodes = reader.number("PET_NNODES", default=1, minimum=1)
    per_node = reader.number("PET_NPROC_PER_NODE", default=1, minimum=1)
    if nodes * per_node <= 1:
        return (RankPlace(),)
    node, address, port = 0, "127.0.0.1", 0
    if nodes > 1:
        index = "PET_NODE_RANK" if reader.env.get("PET_NODE_RANK") else "JOB_COMPLETION_INDEX"
        node = reader.number(index, below=("PET_NNODES", nodes), instead_of="PET_NODE_RANK")
        address = reader.text("PET_MASTER_ADDR", "MASTER_ADDR")
        port = reader.port("PET_MASTER_PORT", "MASTER_PORT", default=DEFAULT_PORT)
    return tuple(
        RankPlace(node * per_node + i, nodes * per_node, i, per_node, address, port)
        for i in range(per_node)
    )


class _Reader:
    """Reads variables and gathers what is wrong with them."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.problems: list[Problem] = []

    def number(
        self,
        name: str,
        *,
        default: int | None = None,
        minimum: int = 0,
        below: tuple[str, int] | None = None,
        instead_of: str = "",
    ) -> int:
        given = self.env.get(name)
        if not given:
            if default is None:
                self.problems.append(Problem(instead_of or name, "is not set"))
            return default or 0
        if not given.isdecimal() or int(given) < minimum:
            self.problems.append(Problem(name, f"expected a number from {minimum}, got {given!r}"))
            return max(minimum, default or 0)
        if below and below[1] and int(given) >= below[1]:
            limit = f"expected a number below {below[0]} = {below[1]}, got {given}"
            self.problems.append(Problem(name, limit))
        return int(given)

    def text(self, *names: str) -> str:
        for name in names:
            if value := self.env.get(name):
                return value
        self.problems.append(Problem(names[0], "is not set; expected the host of rank 0"))
        return ""

    def port(self, *names: str, default: int | None = None) -> int:
        name = next((n for n in names if self.env.get(n)), names[0])
        port = self.number(name, default=default, minimum=1)
        if port > 65535:
            self.problems.append(Problem(name, f"expected a port, got {port}"))
        return port
