"""From the environment to the ranks that a process is or starts; which exit code tells most."""

from typing import Any

import pytest

from tenyson.contract import ExitCode, most_telling
from tenyson.distributed.place import RankPlace, places_here
from tenyson.errors import ConfigError

TWO_NODES = {"PET_NNODES": "2", "PET_NODE_RANK": "1", "PET_MASTER_ADDR": "a-0.a"}


@pytest.mark.parametrize("env", [{}, {"PET_NNODES": "1"}, {"RANK": "0", "WORLD_SIZE": "1"}])
def test_one_process_trains_alone(env: dict[str, str]) -> None:
    assert places_here(env) == (RankPlace(),)


def test_a_pod_of_several_is_itself_a_rank() -> None:
    (place,) = places_here({**TWO_NODES, "PET_MASTER_PORT": "2222", "PET_NPROC_PER_NODE": "1"})

    assert place == RankPlace(1, 2, 0, 1, "a-0.a", 2222)
    assert place.variables().items() >= {
        "RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1",
        "MASTER_ADDR": "a-0.a", "MASTER_PORT": "2222",
    }.items()  # fmt: skip


def test_the_completion_index_stands_in_for_the_node_rank() -> None:
    env = {"PET_NNODES": "2", "JOB_COMPLETION_INDEX": "1", "MASTER_ADDR": "a-0.a"}

    assert places_here(env)[0].rank == 1
    assert places_here(env)[0].master_port == 29500


def test_a_pod_with_several_gpus_starts_its_own_ranks() -> None:
    places = places_here({**TWO_NODES, "PET_NPROC_PER_NODE": "4"})

    assert [place.rank for place in places] == [4, 5, 6, 7]
    assert [place.local_rank for place in places] == [0, 1, 2, 3]
    assert {place.size for place in places} == {8}


def test_a_process_that_torchrun_started_is_a_rank_whatever_the_pod_says() -> None:
    env = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    env |= {"MASTER_ADDR": "h", "MASTER_PORT": "1", "TORCHELASTIC_USE_AGENT_STORE": "True"}

    assert places_here({**env, "PET_NPROC_PER_NODE": "2"}) == (
        RankPlace(3, 4, 1, 2, "h", 1, store_is_given=True),
    )


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"PET_NNODES": "two"}, "PET_NNODES: expected a number from 1, got 'two'"),
        ({"PET_NNODES": "1:4"}, "PET_NNODES: expected a number from 1, got '1:4'"),
        ({"PET_NPROC_PER_NODE": "auto"}, "PET_NPROC_PER_NODE: expected a number from 1"),
        ({"PET_NNODES": "2", "PET_MASTER_ADDR": "a"}, "PET_NODE_RANK: is not set"),
        ({"PET_NNODES": "2", "PET_NODE_RANK": "0"}, "PET_MASTER_ADDR: is not set"),
        ({**TWO_NODES, "PET_NODE_RANK": "2"}, "a number below PET_NNODES = 2, got 2"),
        ({**TWO_NODES, "PET_MASTER_PORT": "99999"}, "expected a port, got 99999"),
        ({"RANK": "1"}, "WORLD_SIZE: is not set"),
        ({"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "a"}, "MASTER_PORT: is not set"),
    ],
)
def test_a_variable_that_makes_no_sense_is_a_configuration_error(
    env: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        places_here(env)

    assert says in str(raised.value)


def test_all_that_is_wrong_is_said_together() -> None:
    with pytest.raises(ConfigError, match="2 problems"):
        places_here({"PET_NNODES": "2"})


@pytest.mark.parametrize(
    ("codes", "tells_most"),
    [
        ([0, 0], 0),
        ([75, 65], 65),
        ([69, 77, 71], 77),
        ([75, 71, 70], 71),
        ([0, 75], 75),
        ([75, -11], 70),
        ([75, 134], 70),
        ([0, 73], 73),
    ],
)
def test_what_only_a_person_can_mend_tells_most(codes: list[int], tells_most: int) -> None:
    assert most_telling(codes) == tells_most
    assert most_telling(reversed(codes)) == tells_most


def test_every_exit_code_has_its_place_in_the_order() -> None:
    assert [most_telling([code]) for code in ExitCode] == list(ExitCode)
