"""The CEL rules at a TenysonJob's root: on its own name, and on what may change after the start.

Only from there can `metadata.name` and `status` be seen.
"""

from typing import Final

from tenyson.controller.names import MAX_JOB_NAME
from tenyson.controller.rules import Rule

IMMUTABLE: Final = (
    "type", "task", "config", "configFrom", "dependsOn", "adapterFrom", "runtimeRef", "image",
    "nodes", "resources", "placement", "backend", "modal", "env", "telemetry", "output",
    "checkpoint", "queueName", "budget",
)  # fmt: skip
"""Fields of the spec that may not change once the run has started."""

DEADLINES: Final = ("activeDeadlineSeconds", "pendingDeadlineSeconds", "progressDeadlineSeconds")
"""Fields of the spec that may only be raised, or lifted, once the run has started."""


def _immutable(field: str) -> Rule:
    return {
        "rule": (
            "!has(oldSelf.status) || !has(oldSelf.status.startTime) || "
            f"(has(self.spec.{field}) ? has(oldSelf.spec.{field}) && "
            f"self.spec.{field} == oldSelf.spec.{field} : !has(oldSelf.spec.{field}))"
        ),
        "message": (
            f"spec.{field} cannot change once the run has started; make another TenysonJob. "
            "Only suspend, stop, retry, ttlSecondsAfterFinished and the deadlines may change."
        ),
    }


def _raised_only(field: str) -> Rule:
    return {
        "rule": (
            "!has(oldSelf.status) || !has(oldSelf.status.startTime) || "
            f"!has(self.spec.{field}) || "
            f"(has(oldSelf.spec.{field}) && self.spec.{field} >= oldSelf.spec.{field})"
        ),
        "message": (
            f"spec.{field} can only be raised or set to null once the run has started; "
            "to end the run, set stop to true."
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
    *(_raised_only(field) for field in DEADLINES),
]
