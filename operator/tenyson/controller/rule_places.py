"""Puts the CEL rules, and the keys of lists that are maps, into the CRDs' schemas."""

from typing import Any, Final

from tenyson.controller.root_rules import ROOT
from tenyson.controller.rules import JOB, RUNTIME, Rule

JOB_LIST_KEYS: Final = {
    "spec.dependsOn": ["job"],
    "spec.env": ["name"],
    "status.conditions": ["type"],
}
"""Lists that are maps: server-side apply merges them by these keys, and refuses a repeated one."""
RUNTIME_LIST_KEYS: Final = {"spec.env": ["name"], "spec.pod.volumes": ["name"]}


def place_in_job(schema: dict[str, Any]) -> None:
    """Puts every rule and list key of a TenysonJob where it belongs.

    Raises:
        KeyError: A rule stands at a place that the schema does not have.
    """
    schema["x-kubernetes-validations"] = ROOT
    _place(schema, JOB, JOB_LIST_KEYS)


def place_in_runtime(schema: dict[str, Any]) -> None:
    """Puts every rule and list key of a runtime where it belongs.

    Raises:
        KeyError: A rule stands at a place that the schema does not have.
    """
    _place(schema, RUNTIME, RUNTIME_LIST_KEYS)


def _place(
    schema: dict[str, Any], rules: dict[str, list[Rule]], keys: dict[str, list[str]]
) -> None:
    for path, found in rules.items():
        _at(schema, path).setdefault("x-kubernetes-validations", []).extend(found)
    for path, names in keys.items():
        _at(schema, path).update(
            {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": names}
        )


def _at(schema: dict[str, Any], path: str) -> dict[str, Any]:
    for part in path.split("."):
        schema = schema["properties"][part.removesuffix("[]")]
        if part.endswith("[]"):
            schema = schema["items"]
    return schema
