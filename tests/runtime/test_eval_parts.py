"""The parts of an evaluation that need no model: kept samples, draws, the proof of an adapter."""

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tenyson.config import parse_config
from tenyson.contract import JobType
from tenyson.errors import CheckpointError, ConfigError
from tenyson.evaluation.completions import Completion, Draw, Request, Sampling
from tenyson.evaluation.proof import prove_adapters
from tenyson.evaluation.samples_log import SamplesLog, read_samples

REQUESTS = [Request("a", (1, 2)), Request("b", (3,)), Request("c", (4,))]
ANSWERS = {
    key: [Completion(f"{key}{i} \u2028 ü", i, is_truncated=i > 0) for i in range(2)]
    for key in ("a", "b", "c")
}


def kept(path: Path, *keys: str, of: str = "x") -> None:
    requests = {request.key: request for request in REQUESTS}
    SamplesLog(path, lambda: None).append(of, {key: ANSWERS[key] for key in keys}, requests)


def test_samples_come_back_as_they_were_kept(tmp_path: Path) -> None:
    kept(tmp_path / "log", "a", "b")

    found = read_samples(tmp_path / "log", "x", REQUESTS, draws=2)

    assert found.answers == {"a": ANSWERS["a"], "b": ANSWERS["b"]}
    assert (found.others, found.damaged) == (0, 0)


def test_a_torn_line_costs_its_own_row_only(tmp_path: Path) -> None:
    path = tmp_path / "log"
    kept(path, "a", "b")
    path.write_bytes(path.read_bytes()[:-30])
    kept(path, "c")

    found = read_samples(path, "x", REQUESTS, draws=2)

    assert found.answers.keys() == {"a", "c"}
    assert found.damaged == 1


def test_an_altered_answer_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "log"
    kept(path, "a", "b")
    path.write_text(path.read_text().replace("a1 ", "a2 "))

    assert read_samples(path, "x", REQUESTS, draws=2).answers.keys() == {"b"}


@pytest.mark.parametrize("change", ["recipe", "prompt", "draws"])
def test_answers_to_something_else_count_for_nothing(tmp_path: Path, change: str) -> None:
    kept(tmp_path / "log", "a")
    requests = [Request("a", (9,))] if change == "prompt" else REQUESTS
    recipe = "y" if change == "recipe" else "x"

    found = read_samples(tmp_path / "log", recipe, requests, draws=3 if change == "draws" else 2)

    assert found.answers == {}
    assert found.others == (0 if change == "draws" else 1)


def test_answers_of_the_runs_further_models_are_no_others(tmp_path: Path) -> None:
    kept(tmp_path / "log", "a", of="main")
    kept(tmp_path / "log", "b", of="of another run")

    found = read_samples(tmp_path / "log", "base", REQUESTS, 2, of_this_run=("main", "base"))

    assert found.answers == {}
    assert found.others == 1


def test_nothing_is_kept_once_a_newer_attempt_has_started(tmp_path: Path) -> None:
    def superseded() -> None:
        raise CheckpointError("superseded")

    with pytest.raises(CheckpointError):
        SamplesLog(tmp_path / "log", superseded).append("x", ANSWERS, {r.key: r for r in REQUESTS})

    assert not (tmp_path / "log").exists()


def test_a_samples_seed_hangs_on_its_row_and_number_alone() -> None:
    few, many = Sampling(8, 1.0, num_samples=2, seed=3), Sampling(99, 0.5, num_samples=9, seed=3)

    assert few.seed_of("r1", Draw(1, 1.0)) == many.seed_of("r1", Draw(1, 0.5))
    seeds = {few.seed_of(f"r{row}", Draw(index, 1.0)) for row in range(99) for index in range(9)}
    assert len(seeds) == 99 * 9
    assert few.seed_of("r1", Draw(1, 1.0)) != Sampling(8, 1.0, seed=4).seed_of("r1", Draw(1, 1.0))


def test_greedy_answers_come_before_the_samples_where_both_are_wanted() -> None:
    both = Sampling(8, 0.7, num_samples=2, include_greedy=True)

    assert both.draws == (Draw(0, 0.0), Draw(0, 0.7), Draw(1, 0.7))
    assert Sampling(8, 0.0, include_greedy=True).draws == (Draw(0, 0.0),)


def engine(**log_probs: list[dict[int, float]]) -> Any:
    return SimpleNamespace(first_log_probs=lambda prompts, model: log_probs[model])


def test_an_adapter_that_moves_one_token_is_proved() -> None:
    models = engine(base=[{1: -1.0, 2: -2.0}], tuned=[{1: -1.0, 2: -2.5}])

    assert prove_adapters(models, REQUESTS, {"tuned": Path("x")}) == {"tuned": 0.5}


def test_an_adapter_that_moves_nothing_is_refused() -> None:
    models = engine(base=[{1: -1.0}], tuned=[{1: -1.0}])

    with pytest.raises(CheckpointError, match="adapter in x changes nothing"):
        prove_adapters(models, REQUESTS, {"tuned": Path("x")})


@pytest.mark.parametrize("broken", [{1: math.nan}, {1: math.inf}, {}])
def test_a_model_whose_scores_are_no_numbers_is_refused(broken: dict[int, float]) -> None:
    with pytest.raises(CheckpointError, match="no numbers"):
        prove_adapters(engine(base=[broken]), REQUESTS, {})
    with pytest.raises(CheckpointError, match="adapter in x gives scores"):
        prove_adapters(engine(base=[{1: -1.0}], tuned=[broken]), REQUESTS, {"tuned": Path("x")})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"adapters": {"base": "x"}}, "evaluation.adapters: 'base' already names"),
        ({"adapters": {"a-sampled": "x"}}, "evaluation.adapters: 'a-sampled' already names"),
        ({"adapters": {"a": ""}}, "evaluation.adapters: 'a' has no folder or URI"),
    ],
)
def test_names_that_would_hide_other_results_are_refused(
    settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config({"model": {"name": "m"}, "evaluation": settings}, JobType.EVAL)

    assert says in str(raised.value)


def test_every_line_of_the_log_is_json(tmp_path: Path) -> None:
    kept(tmp_path / "log", "a", "b", "c")

    entries = [json.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]

    assert [entry["id"] for entry in entries] == ["a", "b", "c"]
