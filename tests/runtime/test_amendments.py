"""What a run changes of its own configuration."""

from typing import Any

import pytest

from tenyson.config import parse_config
from tenyson.contract import JobType
from tenyson.jobs.training.amendments import Amendments, roll_back, shrink


def config_of(micro: int, accumulation: int, **rl: Any) -> Any:
    training = {
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": accumulation,
        "learning_rate": 0.01,
    }
    return parse_config({"model": {"name": "m"}, "training": training, "rl": rl}, JobType.SFT)


@pytest.mark.parametrize(
    ("micro", "accumulation", "smaller"),
    [(8, 1, (4, 2)), (6, 3, (3, 6)), (9, 2, (3, 6)), (5, 1, (1, 5)), (2, 4, (1, 8))],
)
def test_a_smaller_micro_batch_makes_the_same_batch(
    micro: int, accumulation: int, smaller: tuple[int, int]
) -> None:
    config = config_of(micro, accumulation)

    amended = shrink(Amendments(), config, JobType.SFT, is_sampling=False)
    assert amended is not None
    training = amended.apply(config).training

    found = training.per_device_train_batch_size, training.gradient_accumulation_steps
    assert found == smaller
    assert found[0] * found[1] == micro * accumulation


@pytest.mark.parametrize("steps_per_generation", [None, 4])
def test_groups_stay_whole_in_smaller_micro_batches(steps_per_generation: int | None) -> None:
    config = config_of(8, 2, num_generations=8, steps_per_generation=steps_per_generation)
    before = 8 * (steps_per_generation or 2)

    amended = shrink(Amendments(), config, JobType.RL, is_sampling=False)
    assert amended is not None
    smaller = amended.apply(config)

    steps = smaller.rl.steps_per_generation or smaller.training.gradient_accumulation_steps
    assert smaller.training.per_device_train_batch_size * steps == before
    assert before % smaller.rl.num_generations == 0
    assert smaller.rl.sampling_batch_size is None


def test_a_round_that_was_too_large_is_sampled_in_micro_batches() -> None:
    config = config_of(8, 2, num_generations=8)

    amended = shrink(Amendments(), config, JobType.RL, is_sampling=True)

    assert amended is not None
    assert amended.apply(config).rl.sampling_batch_size == 4


def test_memory_may_run_out_once() -> None:
    config = config_of(8, 1)
    once = shrink(Amendments(), config, JobType.SFT, is_sampling=False)
    assert once is not None

    assert shrink(once, config, JobType.SFT, is_sampling=False) is None
    assert shrink(Amendments(), config_of(1, 8), JobType.SFT, is_sampling=False) is None


def test_a_rollback_halves_the_learning_rate_once() -> None:
    once = roll_back(Amendments(micro_batch_divisor=2))
    assert once is not None

    assert once.apply(config_of(8, 1)).training.learning_rate == pytest.approx(0.005)
    assert once.micro_batch_divisor == 2
    assert roll_back(once) is None


@pytest.mark.parametrize("micro", [1, 2, 3, 16])
def test_who_gives_another_micro_batch_gets_it(micro: int) -> None:
    once = shrink(
        Amendments(learning_rate_scale=0.5), config_of(8, 2), JobType.RL, is_sampling=True
    )
    assert once is not None
    config = config_of(micro, 2)

    amended = once.fitted(config)

    training = amended.apply(config).training
    assert training.per_device_train_batch_size == micro
    assert training.gradient_accumulation_steps == 2
    assert amended == Amendments(learning_rate_scale=0.5)


def test_the_micro_batch_that_ran_out_of_memory_stays_divided() -> None:
    once = shrink(Amendments(), config_of(8, 2), JobType.SFT, is_sampling=False)
    assert once is not None

    assert once.fitted(config_of(8, 2)) == once


def test_a_file_that_does_not_say_what_was_divided_counts_where_it_can_be() -> None:
    older = Amendments.from_json('{"micro_batch_divisor": 2}')

    assert older.fitted(config_of(4, 2)).micro_batch_divisor == 2
    assert older.fitted(config_of(1, 8)).micro_batch_divisor == 1


def test_amendments_survive_their_file_and_ignore_what_a_newer_version_added() -> None:
    amendments = Amendments(micro_batch_divisor=2, sampling_batch_size=4, learning_rate_scale=0.5)
    newer = amendments.to_json().replace("{", '{"color": 1,', 1)

    assert Amendments.from_json(amendments.to_json()) == amendments
    assert Amendments.from_json(newer) == amendments


@pytest.mark.parametrize("text", ["", "[]", "{", '{"micro_batch_divisor": "two"}'])
def test_a_broken_file_holds_no_amendments(text: str) -> None:
    with pytest.raises(ValueError, match=r"amendments|Expecting"):
        Amendments.from_json(text)


def test_no_amendments_change_nothing() -> None:
    config = config_of(8, 2, steps_per_generation=4)

    assert Amendments().apply(config) == config
