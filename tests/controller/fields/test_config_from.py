"""`configFrom`: configuration from a ConfigMap, under the job's own."""

import json
from typing import Any

import pytest
import yaml

from tenyson.controller import names
from tests.controller.api import ApiError, Namespace, eventually
from tests.controller.builders import condition

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]

SOURCE = {"configMapKeyRef": {"name": "shared", "key": "job.yaml"}}
AT_ONCE = {"backoffSeconds": 0, "backoffMaxSeconds": 0}
BELOW = {
    "model": {"name": "task:tiny"},
    "training": {"max_steps": 9, "seed": 1},
    "task": {"words": ["a", "b"]},
}


def write(ns: Namespace, content: Any, key: str = "job.yaml") -> None:
    """Makes the ConfigMap, or replaces its content."""
    text = content if isinstance(content, str) else yaml.safe_dump(content)
    data = {"metadata": {"name": "shared"}, "data": {key: text}}
    try:
        ns.api.call("POST", f"{ns.core}/configmaps", data)
    except ApiError as error:
        if error.status != 409:
            raise
        ns.api.call("PUT", f"{ns.core}/configmaps/shared", data)


def config(ns: Namespace, child: str = "j-a0") -> Any:
    annotations = ns.child(child)["spec"]["template"]["metadata"]["annotations"]
    return json.loads(annotations[names.ANNOTATION_CONFIG])


def test_the_jobs_own_config_is_merged_over_the_config_map(ns: Namespace) -> None:
    write(ns, BELOW)
    own = {"training": {"seed": 7}, "task": {"words": ["c"]}}
    ns.create("j", configFrom=SOURCE, config=own)
    assert config(ns) == {
        "model": {"name": "task:tiny"},
        "training": {"max_steps": 9, "seed": 7},
        "task": {"words": ["c"]},
    }


def test_a_config_map_may_bring_the_whole_configuration_as_json(ns: Namespace) -> None:
    write(ns, json.dumps(BELOW))
    manifest = ns.manifest("j", configFrom=SOURCE)
    del manifest["spec"]["config"]
    ns.api.call("POST", ns.jobs_path, manifest)
    assert config(ns) == BELOW


def test_the_configuration_is_read_once_when_the_run_starts(ns: Namespace) -> None:
    write(ns, BELOW)
    ns.create("j", configFrom=SOURCE, config={}, retry=AT_ONCE)
    first = ns.phase("j", "Starting")
    write(ns, {**BELOW, "training": {"max_steps": 99}})
    ns.run_to_end("j-a0", 75)
    assert config(ns, "j-a1") == BELOW
    second = ns.phase("j", "Starting", attempt=1)
    assert second["child"]["configHash"] == first["child"]["configHash"]
    ns.api.call("DELETE", f"{ns.core}/configmaps/shared")
    ns.run_to_end("j-a1", 75)
    assert config(ns, "j-a2") == BELOW


def test_a_missing_config_map_and_a_missing_key_are_told_apart(ns: Namespace) -> None:
    ns.create("j", configFrom=SOURCE, config={})
    refused = ns.reason("j", "Accepted", "ConfigMapNotFound")
    assert "ConfigMap shared does not exist (key job.yaml is needed)" in refused["message"]
    write(ns, BELOW, key="other.yaml")

    def has_no_key() -> bool:
        return "has no key job.yaml" in condition(ns.status("j"), "Accepted")["message"]

    eventually(has_no_key)
    assert ns.children() == []
    write(ns, BELOW)
    assert config(ns) == BELOW


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("model: [unclosed", "key job.yaml of ConfigMap shared is no YAML or JSON"),
        ("- a\n- b\n", "must hold a mapping, not list"),
        ("", "must hold a mapping, not NoneType"),
        ("training: {max_steps: 2030-01-01}", "holds what JSON cannot"),
        ("model: {name: .nan}\n", "holds what JSON cannot"),
        ("task: {text: " + "x" * 17000 + "}", "is too large: with the runtime"),
    ],
    ids=["no YAML", "a list", "empty", "a date", "not a number", "too large"],
)
def test_what_cannot_be_a_configuration_is_refused_with_its_fault(
    ns: Namespace, content: str, sentence: str
) -> None:
    write(ns, content)
    ns.create("j", configFrom=SOURCE)
    refused = ns.reason("j", "Accepted", "InvalidConfigSource")
    assert sentence in refused["message"]
    assert condition(ns.status("j"), "Stalled")["status"] == "True"
    assert ns.children() == []


def test_a_refused_source_is_read_again_until_it_is_right(ns: Namespace) -> None:
    write(ns, "- a")
    ns.create("j", configFrom=SOURCE, config={})
    ns.reason("j", "Accepted", "InvalidConfigSource")
    write(ns, BELOW)
    assert config(ns) == BELOW


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"training": {"max_steps": 9}}, "config.model"),
        ({**BELOW, "training": {"learning_rat": 1}}, "learning_rate"),
        ({**BELOW, "training": "none"}, "config.training"),
        ({**BELOW, 7: 1}, "config"),
    ],
    ids=["no model", "unknown key", "wrong type", "a number as a key"],
)
def test_both_together_must_make_a_valid_configuration(
    ns: Namespace, content: Any, sentence: str
) -> None:
    write(ns, content)
    ns.create("j", configFrom=SOURCE, config={})
    refused = ns.reason("j", "Accepted", "InvalidConfig")
    assert sentence in refused["message"]
    assert ns.children() == []
    write(ns, BELOW)
    assert config(ns) == BELOW
