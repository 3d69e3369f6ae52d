"""Configurations of a size that nobody means: refused, and never in anybody else's way."""

from typing import Any

import orjson
import pytest

from tenyson.controller import nesting
from tenyson.controller.answers import parsed
from tenyson.controller.kept import keep_job
from tenyson.controller.observed import Reference
from tenyson.controller.plan import plan
from tests.controller.builders import CONFIG, NOW, condition, job_body, observe, read_job


def nested(levels: int) -> Any:
    value: Any = "bottom"
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def text(levels: int) -> bytes:
    return b'{"a":' * levels + b'"[{}]\\""' + b"}" * levels


def test_a_value_is_cut_below_its_last_level_and_nowhere_else() -> None:
    assert nesting.cut({"a": [{"b": 1}], "c": [2]}, 2) == {"a": [None], "c": [2]}
    assert nesting.cut({"a": [{"b": 1}], "c": [2]}, 3) == {"a": [{"b": 1}], "c": [2]}


@pytest.mark.parametrize("levels", range(1, 6))
def test_text_is_cut_where_its_value_would_be(levels: int) -> None:
    value = {"a": [{"b": ['"]}', []]}, 3], "c": {"d": {"e": {}}}, "f": "{["}
    assert orjson.loads(nesting.cut_text(orjson.dumps(value), levels)) == nesting.cut(value, levels)


@pytest.mark.parametrize("levels", [200, 900, 1100, 5000])
def test_a_list_is_read_whatever_one_of_its_objects_holds(levels: int) -> None:
    page = b'{"items":[{"deep":%b},{"name":"other"}]}' % text(levels)
    assert parsed(page)["items"][1] == {"name": "other"}


@pytest.mark.parametrize("levels", [200, 900])
def test_a_job_that_is_nested_too_deep_is_kept_and_refused(levels: int) -> None:
    job = keep_job(job_body(config={**CONFIG, "task": nested(levels)})).read()
    done = plan(observe(job), NOW)
    assert done.create == ()
    assert done.status is not None
    refused = condition(done.status, "Accepted")
    assert refused["reason"] == "InvalidConfig"
    assert "nested more than 100 levels deep" in refused["message"]


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (BOMB, "holds more than 100000 values"),
        ("a: " + "[" * 200 + "]" * 200, "nested more than 100 levels deep"),
        ("a: " + "[" * 9000 + "]" * 9000, "nested"),
        ("a: b\n" + "# comment\n" * 10_000, "100005 bytes; 65536 are the most"),
        ("a: &a [*a]", "nested more than 100 levels deep"),
    ],
    ids=["a bomb", "deep", "deeper", "large", "in itself"],
)
def test_a_config_map_that_would_explode_is_refused(content: str, problem: str) -> None:
    source = {"configMapKeyRef": {"name": "c", "key": "k"}}
    reference = Reference("ConfigMap", "c", "k")
    job = read_job(job_body(configFrom=source))
    seen = observe(job, references={reference: "found"}, contents={reference: content})
    done = plan(seen, NOW)
    assert done.create == ()
    assert done.status is not None
    assert problem in condition(done.status, "Accepted")["message"]
