"""The order of runs, their names, and which evaluations may be compared; nothing is read."""

from datetime import timedelta
from typing import Any

from tenyson.reporting.lineage import in_order, nearest_parents, stage_names
from tenyson.reporting.records import ModelScores, Run
from tenyson.reporting.scored_models import scored_sets
from tests.runtime.reporting.chain_runs import START


def run(run_id: str, job_type: str, *parents: str, minute: int = 0, **values: Any) -> Run:
    at = START + timedelta(minutes=minute)
    return Run(run_id, values.pop("name", run_id), job_type, at, parents=parents, **values)


CHAIN = [
    run("rl-eval", "eval", "rl", "sft"),
    run("rl", "rl", "sft"),
    run("sft-eval", "eval", "sft"),
    run("sft", "sft", minute=5),
    run("base-eval", "eval", minute=9),
]
PROMPTS = {"a": "1", "b": "2"}


def scores(run_id: str, label: str = "", prompts: dict[str, str] = PROMPTS, **metrics: Any) -> Any:
    metrics = metrics or {"correct": [0, 1]}
    by_row = {n: dict(zip(prompts, map(float, v), strict=True)) for n, v in metrics.items()}
    return ModelScores(run_id, label, by_row, prompts)


def test_a_run_comes_after_those_that_it_comes_from() -> None:
    order = [r.run_id for r in in_order(CHAIN)]
    assert order.index("sft") < order.index("rl") < order.index("rl-eval")
    assert order.index("sft") < order.index("sft-eval")


def test_the_nearest_parent_is_none_of_the_other_parents_parents() -> None:
    nearest = nearest_parents(CHAIN)
    assert nearest["rl-eval"] == ["rl"]
    assert nearest["rl"] == ["sft"]
    assert nearest["sft"] == []


def test_runs_that_name_each_other_do_not_hang_the_report() -> None:
    circle = [run("a", "sft", "b"), run("b", "rl", "a")]
    assert len(in_order(circle)) == 2
    assert nearest_parents(circle)


def test_a_stage_is_called_by_its_kind_where_that_is_enough() -> None:
    assert stage_names(CHAIN) == {"sft": "SFT", "rl": "RL"}
    second = [*CHAIN, run("rl2", "rl", "rl", name="again")]
    assert stage_names(second) == {"sft": "SFT", "rl": "rl", "rl2": "again"}
    same_name = [run("x", "rl", name="n"), run("y", "rl", name="n")]
    assert stage_names(same_name) == {"x": "x", "y": "y"}


def test_models_stand_in_the_order_of_the_chain() -> None:
    [found] = scored_sets(CHAIN, [scores("rl-eval"), scores("base-eval"), scores("sft-eval")])
    assert [model.name for model in found.models] == ["base", "SFT", "RL"]


def test_one_evaluation_of_several_models_is_told_apart_by_its_labels() -> None:
    found = [scores("rl-eval", label) for label in ("rl", "base", "sft", "other")]
    [models] = [s.models for s in scored_sets(CHAIN, found)]
    assert [model.name for model in models] == ["base", "SFT", "RL", "other"]


def test_samples_beside_greedy_answers_are_a_set_of_their_own_and_no_model() -> None:
    labels = ("", "base", "sampled", "base/sampled", "sft", "sft/sampled")
    sets = scored_sets(CHAIN, [scores("rl-eval", label) for label in labels])
    assert [[model.name for model in s.models] for s in sets] == [["base", "SFT", "RL"]] * 2
    assert [s.sampled for s in sets] == [False, True]
    assert [model.found.label for model in sets[1].models] == [
        "base/sampled", "sft/sampled", "sampled",
    ]  # fmt: skip


def test_other_prompts_are_another_set_and_a_lonely_base_is_none() -> None:
    others = {"a": "changed", "b": "2"}
    found = [scores("rl-eval"), scores("sft-eval"), scores("base-eval", prompts=others)]
    sets = scored_sets(CHAIN, found)
    assert [[model.name for model in s.models] for s in sets] == [["SFT", "RL"]]


def test_of_two_evaluations_of_a_model_the_newer_counts() -> None:
    again = run("sft-eval-2", "eval", "sft", minute=30)
    found = [scores("sft-eval-2", correct=[1, 1]), scores("sft-eval", correct=[0, 0])]
    [[model]] = [s.models for s in scored_sets([*CHAIN, again], found)]
    assert model.found.run_id == "sft-eval-2"


def test_only_metrics_that_all_models_have_are_compared_the_telling_one_first() -> None:
    before = scores("sft-eval", length=[3, 9], accuracy=[0, 1], own=[1, 1])
    after = scores("rl-eval", length=[3, 9], accuracy=[1, 1])
    [found] = scored_sets(CHAIN, [before, after])
    assert found.metrics == ["accuracy", "length"]
