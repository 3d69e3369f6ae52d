from pathlib import Path
from typing import Any

import pytest

from tenyson.errors import StoppedError
from tenyson.jobs.options import RunOptions
from tenyson.jobs.rl import RLJob
from tenyson.jobs.sampling.zero_variance import (
    FurtherPrompts,
    flat_groups,
    groups_to_sample,
    unscored,
)
from tenyson.jobs.stop import StopRequest
from tests.runtime.left_behind import metric_rows

NAN = float("nan")


@pytest.mark.parametrize(
    ("rewards", "weights", "flat"),
    [
        ({"a": [1, 1, 0, 1]}, [1.0], [True, False]),
        ({"a": [1, 0, 1, 0], "b": [0, 1, 1, 0]}, [1.0, 1.0], [True, False]),
        ({"a": [1, 0, 1, 0], "b": [0, 1, 1, 0]}, [2.0, 1.0], [False, False]),
        ({"a": [1, NAN, NAN, NAN]}, [1.0], [True, True]),
        ({"a": [1, NAN, 1, 0], "b": [0, 1, NAN, NAN]}, [1.0, 1.0], [True, False]),
        # Their standard deviations are 0.8e-8 and 1.1e-8: the row of a group is told by the same.
        ({"a": [0, 1.2e-8, 0, 1.6e-8]}, [1.0], [True, False]),
    ],
    ids=["one function", "sums", "weights", "not scored", "partly scored", "nearly"],
)
def test_a_group_is_flat_when_its_weighted_sums_are_alike(
    rewards: dict[str, list[float]], weights: list[float], flat: list[bool]
) -> None:
    assert flat_groups(rewards, weights, 2) == flat


def test_a_completion_is_unscored_when_no_function_applies() -> None:
    assert unscored({"a": [NAN, NAN, 1.0], "b": [NAN, 0.0, NAN]}) == 1


@pytest.mark.parametrize(
    ("missing", "seen", "wanted"),
    [
        (0, [False] * 8, 0),
        (2, [True, True, False, False], 4),
        (1, [True] * 8, 8),
        (4, [True] * 8, 8),
    ],
)
def test_as_many_groups_are_sampled_as_are_likely_to_fill_the_round(
    missing: int, seen: list[bool], wanted: int
) -> None:
    assert groups_to_sample(missing, seen, at_most=8) == wanted


def test_further_prompts_come_each_in_turn_and_go_on_from_a_position() -> None:
    whole = FurtherPrompts(10, seed=3)
    taken = whole.take(4, but=()) + whole.take(6, but=())
    assert sorted(taken) == list(range(10))

    resumed = FurtherPrompts(10, seed=3)
    resumed.position = 4
    assert resumed.take(6, but=()) == taken[4:]
    assert FurtherPrompts(10, seed=4).take(10, but=()) != taken


def test_a_prompt_of_the_round_is_not_taken_again() -> None:
    further = FurtherPrompts(5, seed=0)
    assert sorted(further.take(9, but={1, 3})) == [0, 2, 4]
    assert further.take(1, but=range(5)) == []


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


HARD = {"rewards": ["hard_prompts_reward"]}


@pytest.mark.train
def test_more_groups_teach_something_with_the_filter(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    useful = {}
    for name, is_on in (("without", False), ("with", True)):
        config = make_config(
            task=HARD,
            training={"max_steps": 8, "per_device_train_batch_size": 32, "learning_rate": 1e-4},
            rl={"filter_zero_variance": is_on},
        )
        RLJob(config, sum_task, output_dir=tmp_path / name).run()
        rows = metric_rows(tmp_path / name)
        left = "zero_variance_left" if is_on else "zero_variance_share"
        useful[name] = 1 - mean([row[left] for row in rows])
        shares = [row["zero_variance_share"] for row in rows]
        assert shares[0] == pytest.approx(rows[0]["frac_reward_zero_std"])

    assert useful["without"] < 0.6
    assert useful["with"] > 0.85


@pytest.mark.train
def test_what_cannot_be_replaced_is_told(make_config: Any, sum_task: Any, tmp_path: Path) -> None:
    config = make_config(
        task={"rewards": ["same_reward", "never_applies"]},
        training={"max_steps": 2},
        rl={"filter_zero_variance": True, "max_extra_rounds": 3},
    )

    result = RLJob(config, sum_task, output_dir=tmp_path).run()

    assert [row["extra_rounds"] for row in metric_rows(tmp_path)] == [3.0, 3.0]
    assert [row["rewards/never_applies/none_share"] for row in metric_rows(tmp_path)] == [1.0, 1.0]
    assert any(
        "4 of 4 groups earned all the same; 4 of them could not be replaced" in warning
        for warning in result.warnings
    )


@pytest.mark.train
def test_completions_that_nobody_scores_are_counted_and_told(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(task={"rewards": ["never_applies"]}, training={"max_steps": 2})

    result = RLJob(config, sum_task, output_dir=tmp_path).run()

    assert [row["unscored_share"] for row in metric_rows(tmp_path)] == [1.0, 1.0]
    assert any("16 completions got None from every reward" in w for w in result.warnings)


@pytest.mark.train
def test_a_run_that_replaces_groups_resumes_exactly(
    make_config: Any,
    sum_task: Any,
    tmp_path: Path,
    weights_of: Any,
    largest_difference: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which prompts came in between is part of the state, not only what was sampled for them."""
    from tenyson.jobs.sampling._sampling import SamplingTrainer

    config = make_config(task=HARD, training={"max_steps": 4}, rl={"filter_zero_variance": True})
    RLJob(config, sum_task, output_dir=tmp_path / "whole").run()
    stop, replace = StopRequest(), SamplingTrainer._replace

    def stop_in_step_2(self: Any, *arguments: Any) -> Any:
        if self.state.global_step == 1:
            stop.make("SIGTERM")
        return replace(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(SamplingTrainer, "_replace", stop_in_step_2)
        options = RunOptions(stop=stop)
        with pytest.raises(StoppedError):
            RLJob(config, sum_task, output_dir=tmp_path / "parts", options=options).run()
    assert sum(row["extra_rounds"] for row in metric_rows(tmp_path / "parts")) > 0

    resumed = RLJob(config, sum_task, output_dir=tmp_path / "parts").run()

    assert resumed.resumed_from_step == 2
    left, right = (weights_of(tmp_path / part) for part in ("whole", "parts"))
    assert largest_difference(left, right) == 0.0


def test_rows_of_two_rounds_are_padded_to_one_width_on_their_own_sides() -> None:
    import torch

    from tenyson.jobs.sampling._batches import pick_rows, trained_tokens

    def batch(prompt: list[int], completion: list[int], advantage: float) -> dict[str, Any]:
        ids, mask = torch.tensor([prompt] * 2), torch.tensor([completion] * 2)
        return {
            "prompt_ids": ids,
            "prompt_mask": torch.ones_like(ids),
            "completion_ids": mask,
            "completion_mask": torch.ones_like(mask),
            "old_per_token_logps": -mask.float(),
            "advantages": torch.full((2,), advantage),
            "num_items_in_batch": torch.tensor(9),
        }

    first, second = batch([5], [6, 7, 8], 1.0), batch([1, 2], [3], -1.0)
    joined = pick_rows([(first, slice(0, 1)), (second, slice(1, 2))], pad_token_id=99)

    assert {name: value.tolist() for name, value in joined.items()} == {
        "prompt_ids": [[99, 5], [1, 2]],
        "prompt_mask": [[0, 1], [1, 1]],
        "completion_ids": [[6, 7, 8], [3, 99, 99]],
        "completion_mask": [[1, 1, 1], [1, 0, 0]],
        "old_per_token_logps": [[-6.0, -7.0, -8.0], [-3.0, 0.0, 0.0]],
        "advantages": [1.0, -1.0],
    }
    assert trained_tokens(joined) == 4


def test_rows_with_pictures_are_not_put_together_by_guesswork() -> None:
    from tenyson.jobs.sampling._batches import pick_rows

    with pytest.raises(NotImplementedError, match="pixel_values"):
        pick_rows([({"pixel_values": None}, slice(0, 1))], pad_token_id=0)
