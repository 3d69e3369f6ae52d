"""The CRD's CEL rules: what the API server refuses, and the sentence it says.

Each message names the field and the fix. Rules on the resource's own name and on its history
stand at the root, the only place from which `metadata.name` and `status` can be seen.
"""

import json
from typing import Any, Final

from tenyson.contract import Env
from tenyson.controller.names import MAX_JOB_NAME

Rule = dict[str, str]

IMMUTABLE: Final = (
    "type", "task", "config", "dependsOn", "adapterFrom", "image", "resources", "env",
    "telemetry", "output",
)  # fmt: skip
"""Fields of the spec that may not change once the run has started."""

_RESERVED: Final = sorted(value for name, value in vars(Env).items() if name.isupper())
_TASK: Final = (
    r"^([A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z_][A-Za-z0-9_]*)*|[^ :]+\\.py)(:[A-Za-z_][A-Za-z0-9_]*)?$"
)


def _immutable(field: str) -> Rule:
    return {
        "rule": (
            "!has(oldSelf.status) || !has(oldSelf.status.startTime) || "
            f"(has(self.spec.{field}) ? has(oldSelf.spec.{field}) && "
            f"self.spec.{field} == oldSelf.spec.{field} : !has(oldSelf.spec.{field}))"
        ),
        "message": (
            f"spec.{field} cannot change once the run has started; make another TenysonJob. "
            "Only suspend, retry and ttlSecondsAfterFinished may change."
        ),
    }


ROOT: Final[list[Rule]] = [
    {
        "rule": f"size(self.metadata.name) <= {MAX_JOB_NAME}",
        "message": (
            f"metadata.name must have at most {MAX_JOB_NAME} characters, since names of child Jobs "
            "and pods are made from it; choose a shorter name."
        ),
    },
    {
        "rule": "!self.metadata.name.contains('.')",
        "message": "metadata.name must have no dot, since it becomes part of a pod's host name.",
    },
    {
        "rule": (
            "!has(self.spec.dependsOn) || "
            "!self.spec.dependsOn.exists(d, d.job == self.metadata.name)"
        ),
        "message": (
            "spec.dependsOn names the job itself, which would wait for ever; remove that entry."
        ),
    },
    {
        "rule": "!has(self.spec.adapterFrom) || self.spec.adapterFrom.job != self.metadata.name",
        "message": (
            "spec.adapterFrom names the job itself; name the run whose adapter to start from, "
            "or remove it."
        ),
    },
    *(_immutable(field) for field in IMMUTABLE),
]

AT: Final[dict[str, list[Rule]]] = {
    "spec.task": [
        {
            "rule": f"self.matches('{_TASK}')",
            "message": (
                "task must be module.path:ClassName, a module path, or a path ending in .py, "
                "such as tenyson.examples.wordle.wordle_task:WordleTask."
            ),
        }
    ],
    "spec.env[]": [
        {
            "rule": "has(self.value) != has(self.valueFrom)",
            "message": "env needs exactly one of value and valueFrom for each name.",
        },
        {
            "rule": f"!(self.name in {json.dumps(_RESERVED)})",
            "message": (
                "env may not set the variables that the controller sets itself (TENYSON_RUN_ID, "
                "TENYSON_OUTPUT_DIR, …); choose another name, or use the spec's own field for it."
            ),
        },
    ],
    "spec.env[].valueFrom": [
        {
            "rule": "has(self.secretKeyRef) != has(self.configMapKeyRef)",
            "message": "valueFrom needs exactly one of secretKeyRef and configMapKeyRef.",
        }
    ],
    "spec.output.uri": [
        {
            "rule": "self.matches('^[a-z][a-z0-9+.-]*://.+')",
            "message": (
                "output.uri must start with a scheme, such as s3://bucket/runs; for a "
                "PersistentVolumeClaim use output.volumeClaim."
            ),
        }
    ],
    "spec.retry": [
        {
            "rule": "self.backoffSeconds <= self.backoffMaxSeconds",
            "message": (
                "retry.backoffSeconds must not exceed retry.backoffMaxSeconds; "
                "lower the first or raise the second."
            ),
        }
    ],
}
"""Rules inside the spec, by the place they stand at."""

LIST_KEYS: Final = {
    "spec.dependsOn": ["job"],
    "spec.env": ["name"],
    "status.conditions": ["type"],
}
"""Lists that are maps: server-side apply merges them by these keys, and refuses a repeated one."""


def place(schema: dict[str, Any]) -> None:
    """Puts every rule and list key where it belongs in the resource's schema.

    Raises:
        KeyError: A rule stands at a place that the schema does not have.
    """
    schema["x-kubernetes-validations"] = ROOT
    for path, rules in AT.items():
        if rules:
            _at(schema, path).setdefault("x-kubernetes-validations", []).extend(rules)
    for path, keys in LIST_KEYS.items():
        _at(schema, path).update(
            {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys}
        )


def _at(schema: dict[str, Any], path: str) -> dict[str, Any]:
    for part in path.split("."):
        schema = schema["properties"][part.removesuffix("[]")]
        if part.endswith("[]"):
            schema = schema["items"]
    return schema
