"""What is asked before each attempt: parents, their adapter, Secrets and ConfigMaps."""

from datetime import timedelta
from typing import Any

import pytest

from tenyson.controller.observed import Job, Observed, Reference
from tenyson.controller.policies import adapter, dependencies, pins, references
from tenyson.controller.policies.adapter import Adapter
from tenyson.controller.policies.check import Answer, Finding
from tenyson.controller.policies.pins import NOTHING, Pins
from tenyson.controller.run_spec import RunSpec
from tests.controller.builders import NOW, conditions, ended_job, make_job, observe, time


def run_of(observed: Observed) -> RunSpec:
    run = pins.run_spec(observed, Pins(NOTHING))
    assert run is not None
    return run


def waits_for(*parents: str, name: str = "j", condition: str = "Complete") -> Any:
    return make_job(name, dependsOn=[{"job": p, "condition": condition} for p in parents])


def found(job: Job, *others: Job) -> Finding | None:
    observed = observe(job, others=others)
    return dependencies.find(observed, run_of(observed))


@pytest.mark.parametrize(
    ("condition", "state", "answer"),
    [
        ("Complete", "Complete", None),
        ("Complete", "Failed", Answer.FAIL),
        ("Failed", "Failed", None),
        ("Failed", "Complete", Answer.FAIL),
        ("Finished", "Complete", None),
        ("Finished", "Failed", None),
        ("Finished", "", Answer.WAIT),
    ],
)
def test_a_parent_must_end_as_the_child_needs_it(
    condition: str, state: str, answer: Answer | None
) -> None:
    parent = ended_job("p", state) if state else make_job("p")
    finding = found(waits_for("p", condition=condition), parent)
    assert (finding.answer if finding else None) == answer
    assert finding is None or "p" in finding.message


def test_a_parent_that_ended_wrongly_decides_though_others_are_still_awaited() -> None:
    finding = found(
        waits_for("absent", "runs", "bad"), make_job("runs"), ended_job("bad", "Failed")
    )
    assert finding is not None
    assert (finding.answer, "TenysonJob bad is Failed" in finding.message) == (Answer.FAIL, True)


def test_a_parent_that_is_not_there_may_come() -> None:
    finding = found(waits_for("absent"))
    assert finding is not None
    assert finding.answer is Answer.WAIT
    assert "absent does not exist in namespace n" in finding.message


def test_a_run_that_has_started_asks_for_its_parents_no_more() -> None:
    started = make_job(status={"startTime": time()}, dependsOn=[{"job": "gone"}])
    assert found(started) is None


@pytest.mark.parametrize(
    ("others", "circle"),
    [
        ([("b", ["j"])], "j -> b -> j"),
        ([("b", ["c"]), ("c", ["j"])], "j -> b -> c -> j"),
        ([("b", ["x", "c"]), ("x", []), ("c", ["j"])], "j -> b -> c -> j"),
        ([("b", ["c", "d"]), ("c", ["e"]), ("d", ["e"]), ("e", [])], ""),
        ([("b", ["c"]), ("c", ["b"])], ""),
        ([("b", ["absent"])], ""),
    ],
)
def test_a_circle_is_told_from_one_above_and_from_ways_that_meet_again(
    others: list[tuple[str, list[str]]], circle: str
) -> None:
    finding = found(waits_for("b"), *(waits_for(*parents, name=name) for name, parents in others))
    assert finding is not None
    refused = finding.answer is Answer.REFUSE
    assert refused is bool(circle)
    assert circle in finding.message


def located(parent: Job | None, status: Any = None, **spec: Any) -> Adapter | str | None:
    job = make_job(status=status, adapterFrom={"job": "p"}, **spec)
    observed = observe(job, others=[parent] if parent else [])
    return adapter.resolve(observed, run_of(observed))


@pytest.mark.parametrize(
    ("uri", "spec", "path"),
    [
        ("s3://b/n/p-1", {}, "s3://b/n/p-1/checkpoint-final"),
        ("s3://b/n/p-1/", {}, "s3://b/n/p-1/checkpoint-final"),
        ("file:///runs/p", {}, "file:///runs/p/checkpoint-final"),
        ("pvc://data/n/p-1", {"output": {"volumeClaim": "data"}},
         "/tenyson/output/n/p-1/checkpoint-final"),
    ],
)  # fmt: skip
def test_an_adapter_lies_in_its_runs_final_checkpoint(uri: str, spec: Any, path: str) -> None:
    parent = ended_job("p", result={"outputUri": uri, "adapterSha256": "f00"})
    assert located(parent, **spec) == Adapter(path, "f00")
    assert located(ended_job("p", result={"outputUri": uri}), **spec) == Adapter(path, "")


@pytest.mark.parametrize(
    ("parent", "said"),
    [
        (None, "TenysonJob p, which does not exist"),
        (ended_job("p", result={}), "kept no output"),
        (ended_job("p", type="Eval"), "names p, an Eval"),
        (ended_job("p"), "set output.volumeClaim to claim (it is not set)"),
    ],
)
def test_an_adapter_that_cannot_be_had_comes_with_what_to_do(parent: Any, said: str) -> None:
    assert said in str(located(parent))


def test_an_adapter_on_another_claim_names_both() -> None:
    told = located(ended_job("p"), output={"volumeClaim": "mine"})
    assert "set output.volumeClaim to claim (it is mine)" in str(told)


def test_the_adapter_that_a_run_began_with_is_kept_in_its_status() -> None:
    child = {"job": "j-a0", "configHash": "c", "adapterPath": "/a", "adapterSha256": "f00"}
    assert located(None, {"child": child}) == Adapter("/a", "f00")
    del child["adapterSha256"]
    assert located(None, {"child": child}) == Adapter("/a", "")


def test_a_run_that_asks_for_no_adapter_gets_none() -> None:
    observed = observe(make_job())
    assert adapter.resolve(observed, run_of(observed)) is None
    assert adapter.find(observed, run_of(observed)) is None


ALL = make_job(
    telemetry={"databaseSecretRef": {"name": "db", "key": "url"}},
    output={"hub": {"repo": "a/b", "tokenSecretRef": {"name": "hub", "key": "token"}}},
    env=[
        {"name": "A", "value": "1"},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
    ],
)
NEEDED = (
    Reference("Secret", "db", "url"),
    Reference("Secret", "hub", "token"),
    Reference("Secret", "s", "k"),
    Reference("ConfigMap", "c", "k"),
)


def test_every_key_that_the_pods_need_is_looked_up_at_once() -> None:
    observed = observe(ALL)
    finding = references.find(observed, run_of(observed))
    assert finding is not None
    assert (finding.answer, finding.references) == (Answer.LOOK_UP, NEEDED)
    some = observe(ALL, references={NEEDED[0]: "found"})
    again = references.find(some, run_of(some))
    assert again is not None
    assert again.answer is Answer.LOOK_UP


@pytest.mark.parametrize(
    ("state", "reasons", "said"),
    [
        ("no object", ("SecretNotFound", "ConfigMapNotFound"), "does not exist (key {key} is"),
        ("no key", ("SecretNotFound", "ConfigMapNotFound"), "has no key {key}"),
        ("forbidden", ("ReferenceForbidden",) * 2, "may not read {kind} {name}"),
    ],
)
@pytest.mark.parametrize("reference", NEEDED)
def test_what_is_missing_is_named_with_its_kind(
    reference: Reference, state: str, reasons: tuple[str, str], said: str
) -> None:
    states = {**dict.fromkeys(NEEDED, "found"), reference: state}
    observed = observe(ALL, references=states)
    finding = references.find(observed, run_of(observed))
    assert finding is not None
    assert finding.reason.word == reasons[reference.kind == "ConfigMap"]
    told = said.format(kind=reference.kind, name=reference.name, key=reference.key)
    assert told in finding.message
    assert "namespace n" in finding.message
    assert (finding.answer, finding.polled) == (Answer.REFUSE, True)


def test_when_all_is_there_nothing_is_found() -> None:
    observed = observe(ALL, references=dict.fromkeys(NEEDED, "found"))
    assert references.find(observed, run_of(observed)) is None


@pytest.mark.parametrize(
    ("waited", "again"), [(None, 1.0), (0, 1.0), (4, 1.0), (40, 10.0), (120, 30.0), (9999, 30.0)]
)
def test_what_is_missing_is_asked_for_ever_more_rarely(waited: int | None, again: float) -> None:
    held = [] if waited is None else conditions(Stalled="True")
    observed = observe(make_job(status={"conditions": held}))
    now = NOW + timedelta(seconds=waited or 0)
    assert references.poll_seconds(observed, now) == again
