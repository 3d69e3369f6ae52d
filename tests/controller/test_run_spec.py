"""Whose word counts: the job's, the configuration's, the runtime's, in this order."""

from typing import Any

import pytest

from tenyson.controller.resource.runtime import TenysonRuntimeSpec
from tenyson.controller.resource.spec import parse_spec
from tenyson.controller.run_spec import DEFAULT_RETRY, Limits, RunSpec
from tests.controller.builders import job_spec


def run(runtime: Any = None, config_from: Any = None, **spec: Any) -> RunSpec:
    found = TenysonRuntimeSpec.model_validate(runtime or {})
    return RunSpec(parse_spec(job_spec(**spec)), found, config_from or {}, "image")


def test_the_jobs_own_configuration_is_merged_over_the_config_maps() -> None:
    below = {"model": {"name": "below", "revision": "r"}, "training": {"max_steps": 1}, "x": [1, 2]}
    above = {"model": {"name": "above"}, "x": [3], "training": None}
    assert run(config_from=below, config=above).config == {
        "model": {"name": "above", "revision": "r"}, "training": None, "x": [3],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "config", "runtime", "steps"),
    [
        (1, 2, 3, 1),
        (None, 2, 3, 2),
        (None, None, 3, 3),
        (None, None, None, None),
    ],
)
def test_of_checkpoint_settings_the_jobs_comes_first_and_the_runtimes_last(
    spec: Any, config: Any, runtime: Any, steps: Any
) -> None:
    given = {"model": {"name": "m"}, **({"checkpoint": {"every_steps": config}} if config else {})}
    found = run(
        {"checkpoint": {"everySteps": runtime}}, config=given, checkpoint={"everySteps": spec}
    ).config.get("checkpoint")
    assert (found or {}).get("every_steps") == steps
    assert found is not None or steps is None, "nothing is said where nobody says anything"


@pytest.mark.parametrize(("given", "spelled"), [("Auto", "auto"), ("Never", "never"), (40, 40)])
def test_resume_is_spelled_as_the_runner_takes_it(given: Any, spelled: Any) -> None:
    assert run(checkpoint={"resume": given}).config["checkpoint"] == {"resume": spelled}


def test_a_checkpoint_section_that_is_none_is_left_for_the_runner_to_refuse() -> None:
    config = {"model": {"name": "m"}, "checkpoint": "often"}
    assert run({"checkpoint": {"keep": 2}}, config=config).config["checkpoint"] == "often"


def test_a_jobs_variable_takes_the_place_of_the_runtimes() -> None:
    runtime = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    env = run(runtime, env=[{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]).env
    assert [(v.name, v.value) for v in env] == [("A", "1"), ("B", "3"), ("C", "4")]


def test_retries_take_each_number_from_whoever_says_it_first() -> None:
    runtime = {"retry": {"maxRetries": 5, "backoffSeconds": 20}}
    assert run(runtime, retry={"maxRetries": 0}).retry == Limits(0, 10, 20, 600)
    assert run().retry == Limits(**DEFAULT_RETRY)


def test_output_is_overlaid_field_by_field() -> None:
    runtime = {"output": {"uri": "s3://common", "volumeClaim": "data"}}
    output = run(runtime, output={"uri": "s3://own"}).output
    assert (output.uri, output.volume_claim) == ("s3://own", "data")


def test_telemetry_comes_from_the_runtime_unless_the_job_names_its_own() -> None:
    runtime = {"telemetry": {"databaseSecretRef": {"name": "common", "key": "url"}}}
    own = {"databaseSecretRef": {"name": "own", "key": "url"}}
    common = run(runtime).telemetry.database_secret_ref
    mine = run(runtime, telemetry=own).telemetry.database_secret_ref
    assert common is not None
    assert mine is not None
    assert (common.name, mine.name) == ("common", "own")


def test_a_hub_without_a_repository_is_none() -> None:
    assert run(output={"hub": {"private": True}}).hub is None
    hub = run(output={"hub": {"repo": "a/b"}}).hub
    assert hub is not None
    assert hub.repo == "a/b"


@pytest.mark.parametrize(("gpus", "ranks"), [(0, 1), (1, 1), (8, 8)])
def test_there_is_one_rank_per_gpu_and_one_without(gpus: int, ranks: int) -> None:
    assert run(resources={"gpus": gpus}).ranks_per_node == ranks
