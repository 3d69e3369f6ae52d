"""The parts of an evaluation that need no model: prompts, kept samples, pass@k, intervals."""

import itertools
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tenyson.config import parse_config
from tenyson.contract import JobType
from tenyson.errors import CheckpointError, ConfigError, TaskError
from tenyson.evaluation.completions import Completion, Draw, Request, Sampling
from tenyson.evaluation.intervals import (
    binary_names,
    metric_intervals,
    pass_metrics,
    without_own_columns,
)
from tenyson.evaluation.pass_at_k import mean_pass_at_k, pass_at_k
from tenyson.evaluation.prompts import prepare_prompts
from tenyson.evaluation.proof import prove_adapters
from tenyson.evaluation.samples_log import SamplesLog, read_samples
from tenyson.evaluation.statistics import wilson_interval


class Letters:
    """A tokenizer of letters; marks the end of a text where it is told to."""

    chat_template = None
    eos_token_id = 0

    def __init__(self, adds_end: bool = False) -> None:
        self._end = [0] if adds_end else []

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) for letter in text] + self._end}


def prepare(prompts: list[Any], tokenizer: Any = None, **settings: Any) -> Any:
    given = {"context_length": 10, "max_new_tokens": 4, "truncate": False, **settings}
    keys = [f"r{place}" for place in range(len(prompts))]
    return prepare_prompts(tokenizer or Letters(), keys, prompts, **given)


def test_a_prompt_that_leaves_no_room_is_named_with_its_length() -> None:
    with pytest.raises(TaskError) as raised:
        prepare(["abc", "abcdefgh", "abcdefghi"])

    message = str(raised.value)
    assert "2 prompts leave no room for evaluation.max_new_tokens = 4" in message
    assert "context of 10 tokens: row 'r2' has 9 tokens, 'r1' has 8 tokens" in message
    assert "evaluation.truncate_prompts" in message


def test_truncation_keeps_the_end_of_a_prompt_and_counts() -> None:
    prepared = prepare(["abc", "abcdefgh"], truncate=True)

    assert [bytes(request.ids).decode() for request in prepared.requests] == ["abc", "cdefgh"]
    assert prepared.truncated == 1


def test_truncation_cannot_make_room_that_the_context_does_not_have() -> None:
    with pytest.raises(TaskError, match="context of 10"):
        prepare(["abc"], truncate=True, max_new_tokens=10)


def test_a_model_without_a_known_context_takes_any_length() -> None:
    assert len(prepare(["a" * 99], context_length=None).requests[0].ids) == 99


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("", "row 'r0' is empty"),
        (None, "is None; expected a text"),
        ([], "is []; expected a text"),
        ([1, 2], r"is \[1, 2\]; expected a text"),
        ([{"role": "user", "content": "a"}], "no chat template"),
    ],
)
def test_what_is_no_prompt_is_refused_by_its_row(prompt: Any, says: str) -> None:
    with pytest.raises(TaskError, match=says.replace("[]", r"\[\]")):
        prepare([prompt])


def test_prompts_that_end_with_the_end_of_text_token_are_counted() -> None:
    assert prepare(["a", "b"], Letters(adds_end=True)).ended == 2
    assert prepare(["a", "b"]).ended == 0


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


@pytest.mark.parametrize(("n", "correct"), [(n, c) for n in (1, 4, 7) for c in range(n + 1)])
def test_pass_at_k_is_the_share_of_subsets_with_a_right_sample(n: int, correct: int) -> None:
    samples = [1] * correct + [0] * (n - correct)
    for k in range(1, n + 1):
        subsets = list(itertools.combinations(samples, k))
        share = sum(any(subset) for subset in subsets) / len(subsets)
        assert pass_at_k(n, correct, k) == pytest.approx(share)


def test_pass_at_k_stays_a_probability_for_many_samples() -> None:
    exact = 1 - math.comb(990, 500) / math.comb(1000, 500)

    assert pass_at_k(1000, 10, 500) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize(("n", "correct", "k"), [(4, 1, 5), (4, 5, 1), (4, -1, 1), (4, 1, 0)])
def test_pass_at_k_refuses_numbers_that_do_not_fit(n: int, correct: int, k: int) -> None:
    with pytest.raises(ValueError, match="expected 1 <= k <= n"):
        pass_at_k(n, correct, k)


def test_pass_at_1_is_the_mean_and_has_an_interval_over_prompts() -> None:
    samples = [[1, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]] * 10

    estimate = mean_pass_at_k(samples, 1)

    assert estimate.value == pytest.approx(5 / 12)
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.low < estimate.value < estimate.high
    assert estimate.n == 30


def details(*values: tuple[float, ...], name: str = "correct") -> list[list[dict[str, Any]]]:
    return [[{name: value, "note": "x"} for value in row] for row in values]


def test_a_share_of_one_answer_each_gets_wilsons_interval() -> None:
    rows = details(*[(1.0,)] * 3, *[(0.0,)] * 7)

    found = metric_intervals({"accuracy": 0.3, "chance": 0.05, "note": "x"}, rows)

    assert found == {"accuracy": wilson_interval(3, 10)}


def test_means_over_samples_are_bootstrapped_over_prompts() -> None:
    rows = details(*[(1.0, 1.0, 0.0)] * 20, *[(0.0, 0.0, 0.0)] * 20)

    interval = metric_intervals({"correct": 1 / 3}, rows)["correct"]

    assert interval.low is not None
    assert interval.high is not None
    # 40 prompts carry it, not 120 samples.
    assert interval.n == 40
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * (1 / 3) / 40**0.5, rel=0.1)


def test_a_metric_that_two_numbers_could_explain_gets_no_interval() -> None:
    rows = [[{"a": a, "b": 0.5}] for a in (0.0, 1.0)]

    assert metric_intervals({"score": 0.5}, rows) == {}


def test_a_metric_does_not_get_anothers_interval_for_being_0_as_well() -> None:
    rows = details(*[(0.0,)] * 200, name="won")

    assert metric_intervals({"win_rate": 0.0, "held_out_win_rate": 0.0}, rows) == {}
    found = metric_intervals({"won": 0.0, "held_out_win_rate": 0.0}, rows)
    assert found == {"won": wilson_interval(0, 200)}


def test_a_number_that_does_not_vary_has_no_interval() -> None:
    assert metric_intervals({"part": 0.5}, details(*[(0.5,)] * 9, name="part")) == {}


def test_what_repeats_the_prompts_row_is_no_score() -> None:
    rows = [{"id": 7, "turns": 2, "correct": 1}, {"id": 8, "turns": 0, "correct": 1}]
    told = [
        [{"id": 7, "turns": 2, "correct": 1}, {"id": 7, "turns": 2, "correct": 0}],
        [{"id": 8, "turns": 0, "correct": 1}],
    ]

    scores = without_own_columns(told, rows)

    # A data set's column may be called as a score is; the values tell them apart.
    assert scores == [[{"correct": 1}, {"correct": 0}], [{"correct": 1}]]


def test_pass_at_k_is_told_of_every_binary_number() -> None:
    rows = [[{"right": 1, "form": True, "part": 0.5}, {"right": 0, "form": True, "part": 0.1}]]

    assert binary_names(rows) == ["right", "form"]
    found = pass_metrics(rows, [2, 1, 2], ["right"])
    assert {name: estimate.value for name, estimate in found.items()} == {
        "right_pass@1": 0.5,
        "right_pass@2": 1.0,
    }


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
