"""TenysonJobs that went wrong: valid ones with a few changes that nobody should make."""

import copy
import json
from typing import Any, Final

from hypothesis import strategies as st

Object = dict[str, Any]
Path = tuple[str | int, ...]

VALID: Final[tuple[Object, ...]] = (
    {
        "type": "SFT", "task": "a.b:C",
        "config": {"model": {"name": "m"}, "task": {"x": 1, "y": [{"z": "text"}, None]}},
        "output": {"uri": "s3://bucket/runs", "hub": {"repo": "a/b", "private": True}},
    },
    {
        "type": "RL", "task": "a.b:C", "image": "i:1", "nodes": 2,
        "config": {
            "model": {"name": "m", "revision": "main"}, "adapter": {"kind": "lora", "r": 16},
            "training": {"max_steps": 3, "learning_rate": 5e-4, "per_device_train_batch_size": 8},
            "rl": {"num_generations": 8},
            "task": {"words": ["a", "b"], "deep": {"er": [1, {"est": 0}]}, "seed": 1, "of": None},
        },
        "dependsOn": [{"job": "parent", "condition": "Finished"}],
        "resources": {"gpus": 1, "cpu": "8", "memory": "64Gi", "sharedMemory": "1Gi"},
        "placement": {
            "nodeSelector": {"a": "b"}, "priorityClassName": "",
            "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}],
        },
        "retry": {"maxRetries": 1, "maxInfraRetries": 2, "backoffSeconds": 1},
    },
    {
        "type": "Eval", "task": "a.b:C", "config": {"model": {"name": "m"}},
        "adapterFrom": {"job": "parent"},
        "configFrom": {"configMapKeyRef": {"name": "c", "key": "k"}},
        "env": [
            {"name": "A", "value": "1"},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ],
        "telemetry": {"databaseSecretRef": {"name": "db", "key": "url"}},
        "output": {"uri": "s3://bucket/runs", "volumeClaim": None},
        "checkpoint": {"everySteps": 5, "keep": 2, "resume": "Auto"},
        "runtimeRef": {"name": "r", "kind": "TenysonRuntime"},
        "activeDeadlineSeconds": 60, "pendingDeadlineSeconds": 60, "queueName": "q",
        "budget": {"maxCost": 1.5, "pricePerHour": 2.0, "currency": "EUR"}, "suspend": True,
    },
)  # fmt: skip


def _nested(depth: int) -> Any:
    value: Any = "bottom"
    for level in range(depth):
        value = {"a": value} if level % 2 else [value]
    return value


_TEXTS: Final = (
    "", " ", "a" * 300, "x" * 70_000, "ünïcödé ☃ 🦊", "\u0000", "\u202e\u200b", "../../etc/passwd",
    "{}", "${HOME}", "$(reboot)", "%s%n", "null", "-1", "1e400", "0x10", "A.b:C", "job/../job",
    "line\nbreak\r\n\ttab", "'\";--", "9" * 400, "\ud7ff", "{{ .Values }}", "self", "parent",
)  # fmt: skip
_NUMBERS: Final = (
    0, -1, 1, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**64, 10**30, 0.1, -0.0, 1e308,
    5e-324, 1e-7,
)  # fmt: skip
_OTHERS: Final[tuple[Any, ...]] = (
    None, True, False, [], {}, [None], [[]], {"": ""}, {"a": None}, _nested(12), "@deep", "@deeper",
    ["x"] * 2_000, [{"name": "A", "value": "1"}] * 3, {f"k{n}": n for n in range(500)},
    [{"job": "parent"}] * 17, [{"job": "parent"}, {"job": "parent"}], {"kind": "Secret"},
)  # fmt: skip
_DEPTHS: Final = {"@deep": 200, "@deeper": 2000}
"""Objects and lists in one another, too many for Python to build."""
_LIKELY: Final[tuple[Any, ...]] = (
    0, 1, 2, 7, 64, 1000, True, False, None, 0.5, "a", "b-1", "4Gi", "8", "task:x", [], {}, ["a"],
)  # fmt: skip
"""What the API server often admits, so that the controller has to deal with it."""
_UNKNOWN: Final = (
    "unknown", "Type", "max_steps", "$ref", "", "metadata", "status", "é", "a.b", "x" * 300,
    "__proto__", "kind", "suspended",
)  # fmt: skip


def _paths(value: Any, path: Path = ()) -> list[Path]:
    children: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    deeper = [found for key, child in children for found in _paths(child, (*path, key))]
    return [path, *deeper] if path else deeper


def _parent(spec: Object, path: Path) -> Any:
    found: Any = spec
    for key in path[:-1]:
        found = found[key]
    return found


_JOBS: Final = ("@0", "@-1", "@1", "@-2", "@2", "parent")
"""Jobs to refer to; `@<N>` stands for the job that many places further on, `@0` for itself."""


@st.composite
def specs(draw: st.DrawFn) -> Object:
    """A spec with one to three changes."""
    spec = copy.deepcopy(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        paths = _paths(spec)
        free = [path for path in paths if path[:2] == ("config", "task")]
        # The section without a schema is where all that JSON can hold reaches the controller.
        path = draw(st.sampled_from(free if free and draw(st.booleans()) else paths))
        _change(spec, path, draw)
        if not _paths(spec):
            break
    return spec


def _change(spec: Object, path: Path, draw: st.DrawFn) -> None:
    holder = _parent(spec, path)
    values = draw(st.sampled_from([_LIKELY, (*_TEXTS, *_NUMBERS, *_OTHERS, *_JOBS)]))
    odd = copy.deepcopy(draw(st.sampled_from(values)))
    match draw(st.sampled_from(["replace", "replace", "remove", "add", "move", "refer"])):
        case "replace":
            holder[path[-1]] = odd
        case "remove":
            del holder[path[-1]]
        case "add" if isinstance(holder, dict):
            holder[draw(st.sampled_from(_UNKNOWN))] = odd
        case "move":
            spec[draw(st.sampled_from(sorted(spec)))] = copy.deepcopy(holder[path[-1]])
        case _:
            spec["dependsOn"] = [{"job": draw(st.sampled_from(_JOBS))}]


def written(spec: Object, number: int) -> str:
    """Returns the spec of the job `m<number>` as JSON, with the other jobs' names in it."""
    text = json.dumps(spec)
    for word, levels in _DEPTHS.items():
        text = text.replace(f'"{word}"', '{"a":[' * levels + "1" + "]}" * levels)
    for job in _JOBS[:-1]:
        text = text.replace(f'"{job}"', f'"m{number + int(job[1:])}"')
    return text
