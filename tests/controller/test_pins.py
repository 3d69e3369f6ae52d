"""What a run begins with is read once; every later attempt takes it from there."""

import json
from typing import Any

import pytest

from tenyson.controller import names
from tenyson.controller.observed import Observed, Reference, Runtime
from tenyson.controller.plan import Plan, plan
from tenyson.controller.policies import pins
from tenyson.controller.policies.check import Answer, Finding
from tenyson.controller.policies.pins import MAX_BYTES, NOTHING, Pins
from tenyson.controller.reading import read_runtime
from tenyson.controller.status_size import MAX_BYTES as MAX_STATUS
from tests.controller.builders import NOW, condition, make_child, make_job, make_pod, observe, time

SOURCE = {"configMapKeyRef": {"name": "common", "key": "job.yaml"}}
REFERENCE = Reference("ConfigMap", "common", "job.yaml")
RUNTIME = {"image": "own:1", "env": [{"name": "A", "value": "1"}]}


def runtime(spec: Any, name: str = "default", namespace: str = "") -> Runtime:
    meta = {"name": name, "uid": "u", "resourceVersion": "1"}
    place = {"namespace": namespace} if namespace else {}
    return read_runtime({"metadata": {**meta, **place}, "spec": spec})


def seen(content: str | None = None, state: str = "found", **more: Any) -> Observed:
    """A job whose ConfigMap has been looked up, as far as it names one."""
    found = {} if content is None and state == "found" else {REFERENCE: state}
    spec = {"configFrom": SOURCE} if found else {}
    contents = {} if content is None else {REFERENCE: content}
    job = make_job(status=more.pop("status", None), **spec, **more.pop("spec", {}))
    return observe(job, references=found, contents=contents, **more)


def read(observed: Observed) -> Pins:
    found = pins.resolve(observed, None)
    assert isinstance(found, Pins)
    return found


def refused(observed: Observed) -> Finding:
    found = pins.resolve(observed, None)
    assert isinstance(found, Finding)
    return found


def test_without_runtime_and_config_map_there_is_nothing_to_keep() -> None:
    assert read(seen()) == Pins(NOTHING)
    assert read(seen()).runtime_hash == ""


def test_the_runtime_and_the_configuration_are_kept_as_they_were_written() -> None:
    found = read(seen("training: {max_steps: 3}", runtime=runtime(RUNTIME)))
    assert json.loads(found.text) == {
        "runtime": {"kind": "ClusterTenysonRuntime", "name": "default", "spec": RUNTIME},
        "config": {"training": {"max_steps": 3}},
    }


def test_a_runtimes_hash_tells_of_its_content_and_not_of_its_order() -> None:
    def digest(spec: Any) -> str:
        return read(seen(runtime=runtime(spec))).runtime_hash

    assert digest(RUNTIME) == digest(dict(reversed(RUNTIME.items())))
    assert digest(RUNTIME) != digest({**RUNTIME, "image": "own:2"})
    assert len(digest(RUNTIME)) == 16


def test_a_run_that_has_begun_goes_on_with_what_it_began_with() -> None:
    """From the status first, else from the child of a pass whose status was never written."""
    began, now = json.dumps({"runtime": {"spec": RUNTIME}}), runtime({"image": "own:2"})
    child = make_child(annotations={names.ANNOTATION_PINNED: began})
    assert pins.resolve(seen(runtime=now, status={"pinned": began}), None) == Pins(began)
    assert pins.resolve(seen(runtime=now), child) == Pins(began)
    assert pins.resolve(seen(runtime=now), make_child()) == Pins(NOTHING)
    assert pins.resolve(seen(runtime=now, status={"startTime": time()}), None) == Pins(NOTHING)


def test_the_next_attempt_is_made_with_the_runtime_of_the_first() -> None:
    first = plan(seen(runtime=runtime(RUNTIME), spec={"retry": {"backoffSeconds": 0}}), NOW)
    assert first.status is not None
    child, pod = make_child(ended="Failed"), make_pod(code=70)
    job = make_job(status=first.status, retry={"backoffSeconds": 0})
    edited = runtime({"image": "own:2"})
    ended = plan(observe(job, child, pod, runtime=edited), NOW)
    assert ended.status is not None
    job = make_job(status=ended.status, retry={"backoffSeconds": 0})
    again = plan(observe(job, child, pod, runtime=edited), NOW)
    assert image_of(first) == image_of(again) == "own:1"
    assert again.status is not None
    assert again.status["child"]["runtimeHash"] == first.status["child"]["runtimeHash"]


def image_of(done: Plan) -> str:
    return str(done.create[-1]["spec"]["template"]["spec"]["containers"][0]["image"])


def test_what_was_pinned_is_written_into_the_child_and_the_status() -> None:
    done = plan(seen(runtime=runtime(RUNTIME)), NOW)
    assert done.status is not None
    annotations = done.create[-1]["metadata"]["annotations"]
    assert annotations[names.ANNOTATION_PINNED] == done.status["pinned"]
    plain = plan(seen(), NOW)
    assert plain.status is not None
    assert plain.create[-1]["metadata"]["annotations"] == {}
    assert "pinned" not in plain.status


def test_a_runtime_that_is_named_must_be_there_and_be_readable() -> None:
    named = {"runtimeRef": {"name": "gpu", "kind": "TenysonRuntime"}}
    missing = refused(seen(spec=named))
    assert (missing.reason.word, missing.answer) == ("RuntimeNotFound", Answer.REFUSE)
    assert "TenysonRuntime gpu" in missing.message
    broken = refused(seen(runtime=runtime({"imagee": "x"}, "gpu", "n"), spec=named))
    assert broken.reason.word == "InvalidRuntime"
    assert "spec.imagee" in broken.message


def test_a_config_map_is_looked_up_first() -> None:
    unseen = observe(make_job(configFrom=SOURCE))
    assert refused(unseen).answer is Answer.LOOK_UP
    assert refused(unseen).references == (REFERENCE,)


@pytest.mark.parametrize(
    ("content", "state", "reason", "said"),
    [
        (None, "no object", "ConfigMapNotFound", "ConfigMap common does not exist"),
        (None, "no key", "ConfigMapNotFound", "has no key job.yaml"),
        (None, "forbidden", "ReferenceForbidden", "ConfigMap common"),
        ("a: [", "found", "InvalidConfigSource", "is no YAML or JSON"),
        ("- a", "found", "InvalidConfigSource", "must hold a mapping, not list"),
        ("", "found", "InvalidConfigSource", "must hold a mapping"),
        ("a: 2020-01-01", "found", "InvalidConfigSource", ""),
        ("a: " + "x" * MAX_BYTES, "found", "InvalidConfigSource", "bytes"),
    ],
)
def test_a_config_map_that_cannot_serve_is_refused_and_asked_for_again(
    content: str | None, state: str, reason: str, said: str
) -> None:
    finding = refused(seen(content, state))
    assert (finding.reason.word, finding.answer, finding.polled) == (reason, Answer.REFUSE, True)
    assert said in finding.message


def test_a_large_runtime_is_told_from_a_large_config_map() -> None:
    large = {"env": [{"name": f"A{i}", "value": "x" * 4000} for i in range(5)]}
    assert refused(seen("a: 1", runtime=runtime(large))).reason.word == "InvalidRuntime"
    # Just short of half in its own JSON, and too much as a string of the status.
    escaped = {"env": [{"name": "A", "value": "\\" * 4075}]}
    assert refused(seen(runtime=runtime(escaped))).reason.word == "InvalidRuntime"


@pytest.mark.parametrize("letter", ["x", '"', "\\", "é", "\n"])
def test_what_is_kept_leaves_room_for_the_rest_of_the_status(letter: str) -> None:
    """In the status it is a string within JSON, where quotes and backslashes count twice."""
    content = json.dumps({"task": {"words": letter * (MAX_BYTES // 2)}})
    done = plan(seen(content), NOW)
    assert done.status is not None
    assert len(json.dumps(done.status)) <= MAX_STATUS // 4 * 3
    kept = len(json.dumps(done.status.get("pinned", "")))
    assert kept <= MAX_BYTES
    assert bool(kept > 2) is not bool(condition(done.status, "Stalled"))
