"""What does not fit together in a configuration is refused before any pod starts."""

from typing import Any

import pytest

from tenyson.controller.plan import plan
from tests.controller.builders import NOW, condition, make_job, observe
from tests.controller.plans import wanted


def accepted(kind: str, **sections: Any) -> dict[str, Any]:
    config = {"model": {"name": "x"}, **sections}
    done = plan(observe(make_job(type=kind, config=config)), NOW)
    return condition(wanted(done), "Accepted")


@pytest.mark.parametrize(
    ("kind", "sections", "says"),
    [
        ("RL", {"rl": {"epsilon_high": 0.1}}, "config.rl.epsilon_high: 0.1 is below rl.epsilon"),
        ("SFT", {"budget": {"max_cost": 5}}, "config.budget.max_cost: needs budget.price_per_hour"),
        ("SFT", {"adapter": {"kind": "full", "path": "a"}}, "config.adapter.path: adapter.kind"),
        ("Eval", {"evaluation": {"pass_at": [8]}}, "config.evaluation.pass_at: pass@8 needs"),
        ("Eval", {"evaluation": {"num_samples": 4}}, "greedy samples are all alike"),
        ("RL", {"trainer_args": {"save_strategy": "no"}}, "config.trainer_args.save_strategy: is"),
        ("RL", {"trainer_args": {"beta": 0.1}}, "has a field of its own: set rl.beta"),
        ("SFT", {"training": {"max_steps": True}}, "config.training.max_steps: expected a number"),
        ("SFT", {"training": {"num_steps": 0}}, "(written as `training.num_steps`)"),
    ],
)
def test_a_combination_that_cannot_run_is_refused_with_its_path(
    kind: str, sections: dict[str, Any], says: str
) -> None:
    refused = accepted(kind, **sections)

    assert (refused["status"], refused["reason"]) == ("False", "InvalidConfig")
    assert says in refused["message"]


def test_all_problems_stand_in_one_message() -> None:
    refused = accepted("RL", budget={"max_cost": 5}, rl={"num_generations": 3, "delta": 0.5})

    for path in ("budget.max_cost", "rl.delta", "training.per_device_train_batch_size"):
        assert f"config.{path}: " in refused["message"]


def test_fields_of_an_evaluation_do_no_harm_in_a_training_job() -> None:
    found = accepted("SFT", evaluation={"num_samples": 4, "temperature": 1.0, "pass_at": [4]})

    assert found["status"] == "True"


def test_the_documents_flat_spelling_is_accepted_from_a_config_map() -> None:
    done = plan(observe(make_job(config={"model": "x", "steps": 4, "batch_size": 2})), NOW)

    assert condition(wanted(done), "Accepted")["status"] == "True"
    assert done.create
