"""Which fields of a run may change once it has started, and how."""

from typing import Any

import pytest

from tenyson.controller import root_rules
from tenyson.controller.resource.spec import TenysonJobSpec
from tests.controller.api import ApiError, Namespace, eventually
from tests.controller.builders import CONFIG

pytestmark = pytest.mark.cluster
KEPT = {
    "type": "RL", "task": "x.y:Z", "config": {"training": {"seed": 1}},
    "configFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}, "dependsOn": [{"job": "p"}],
    "adapterFrom": {"job": "p"}, "runtimeRef": {"name": "r"}, "image": "other", "nodes": 2,
    "resources": {"gpus": 2}, "placement": {"nodeSelector": {"a": "b"}}, "backend": "Modal",
    "modal": {"gpu": ["H100"]}, "env": [{"name": "A", "value": "1"}],
    "telemetry": {"databaseSecretRef": {"name": "s", "key": "k"}},
    "output": {"uri": "s3://other"}, "checkpoint": {"keep": 9}, "queueName": "q",
    "budget": {"pricePerHour": 1},
}  # fmt: skip
"""A change of each field that a run keeps once it has started."""
STEERED: dict[str, list[Any]] = {
    "suspend": [True], "stop": [True], "ttlSecondsAfterFinished": [5, 9, None],
    "retry": [{"maxRetries": 9}, {"maxRetries": 0}], "activeDeadlineSeconds": [101, None],
    "pendingDeadlineSeconds": [101, None], "progressDeadlineSeconds": [101, 5000],
}  # fmt: skip
"""Changes, one after the other, of each field that may still change."""


def start(ns: Namespace, **spec: Any) -> None:
    """Makes a job that counts as started, without an operator."""
    ns.create("j", **spec)
    started = {"status": {"startTime": "2030-01-01T00:00:00Z"}}
    ns.api.merge(f"{ns.jobs_path}/j/status", started)


def test_every_field_is_either_kept_or_steered() -> None:
    fields = {str(field.alias) for field in TenysonJobSpec.model_fields.values()}
    assert fields == set(KEPT) | set(STEERED)


@pytest.mark.parametrize("field", KEPT)
def test_a_started_run_keeps_its_spec(ns: Namespace, field: str) -> None:
    start(ns, config={**CONFIG, "task": {"words": "some"}})
    refusal = rf"spec\.{field} cannot change once the run has started"
    with pytest.raises(ApiError, match=refusal):
        ns.edit("j", **{field: KEPT[field]})


@pytest.mark.parametrize("field", ["image", "env", "dependsOn", "queueName", "budget"])
def test_a_started_run_keeps_what_it_once_said(ns: Namespace, field: str) -> None:
    start(ns, **{field: KEPT[field]})
    with pytest.raises(ApiError, match=rf"spec\.{field} cannot change once the run has started"):
        ns.edit("j", **{field: None})


@pytest.mark.parametrize("field", STEERED)
def test_a_started_run_may_still_be_steered(ns: Namespace, field: str) -> None:
    deadlines = dict.fromkeys(root_rules.DEADLINES, 100)
    start(ns, **deadlines)
    for value in STEERED[field]:
        ns.edit("j", **{field: value})


@pytest.mark.parametrize("field", root_rules.DEADLINES)
def test_a_deadline_is_not_lowered_and_not_set_once_the_run_has_started(
    ns: Namespace, field: str
) -> None:
    start(ns, **{field: 100})
    refusal = rf"spec\.{field} can only be raised or set to null"
    with pytest.raises(ApiError, match=refusal):
        ns.edit("j", **{field: 99})

    def lift() -> Any:
        job = ns.job("j") or {}
        lifted = {**job, "spec": {**job["spec"], field: None}}
        try:
            return ns.api.call("PUT", f"{ns.jobs_path}/j", lifted)
        except ApiError as error:
            if error.status != 409:  # then the operator wrote meanwhile
                raise
            return None

    assert eventually(lift)["spec"].get(field) is None
    with pytest.raises(ApiError, match=refusal):
        ns.edit("j", **{field: 100})


def test_a_stop_is_not_undone(ns: Namespace) -> None:
    ns.create("j", stop=True)
    for value in (False, None):
        with pytest.raises(ApiError, match=r"spec\.stop is not undone; to run again, make"):
            ns.edit("j", stop=value)


def test_anything_may_change_before_the_start(ns: Namespace) -> None:
    ns.create("j", suspend=True)  # else an operator of other tests may start it meanwhile
    ns.edit("j", type="RL", config={"training": {"seed": 7}})
