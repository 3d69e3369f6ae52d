"""Which kept answers count: those that follow from the same in every part."""

from pathlib import Path
from typing import Any

import pytest

from tenyson.config import parse_config
from tenyson.evaluation.completions import Sampling
from tenyson.jobs.evaluating.answers_recipe import answers_recipe

MANIFEST: dict[str, Any] = {
    "model": {"weights_sha256": "w", "source": "/here"},
    "datasets": {"eval": {"fingerprint": "rows"}},
    "task": {"fingerprint": "code"},
    "config": {"task": {"level": 1}},
}
PROMPTS, EPISODES = {"engine": "hf", "max_turns": None}, {"engine": "hf", "max_turns": 6}


def recipe(engine: Any, manifest: Any = None, **sections: Any) -> str:
    config = parse_config({"model": {"name": "m"}, **sections})
    return answers_recipe(MANIFEST | (manifest or {}), config, "a", Sampling(4), engine)


@pytest.mark.parametrize(
    "change",
    [
        {"datasets": {"eval": {"fingerprint": "other rows"}}},
        {"task": {"fingerprint": "other code"}},
        {"config": {"task": {"level": 2}}},
    ],
)
def test_an_episode_follows_from_its_row_and_its_game_and_an_answer_does_not(change: Any) -> None:
    assert recipe(EPISODES) != recipe(EPISODES, change)
    assert recipe(PROMPTS) == recipe(PROMPTS, change)


@pytest.mark.parametrize(
    "change",
    [{"model": {"name": "m", "loader": "unsloth"}}, {"adapter": {"kind": "qlora"}}],
)
def test_how_the_weights_are_loaded_counts(change: Any) -> None:
    assert recipe(PROMPTS) != recipe(PROMPTS, **change)


def test_the_folder_of_the_same_weights_does_not_count() -> None:
    moved = {"model": {"weights_sha256": "w", "source": "/there"}}

    assert recipe(PROMPTS) == recipe(PROMPTS, moved)


@pytest.mark.train
def test_no_name_of_an_adapter_takes_the_main_ones_folder() -> None:
    from tenyson.jobs.evaluating._eval_models import FETCHED
    from tenyson.jobs.models._adapters import FETCHED_ADAPTER

    assert not FETCHED_ADAPTER.startswith(FETCHED.format(name=""))
    assert Path(FETCHED.format(name="start")).name != FETCHED_ADAPTER
