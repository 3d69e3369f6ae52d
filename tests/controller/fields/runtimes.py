"""A TenysonRuntime of a test's namespace."""

from typing import Any

from tenyson.controller import names
from tests.controller.api import Namespace

TEAM = {"name": "team", "kind": names.RUNTIME_KIND}
"""`spec.runtimeRef` to it."""


def make_runtime(ns: Namespace, **spec: Any) -> str:
    """Makes it, and returns its path."""
    path = f"/apis/{names.API_VERSION}/namespaces/{ns.name}/{names.RUNTIME_PLURAL}"
    body = {
        "apiVersion": names.API_VERSION,
        "kind": names.RUNTIME_KIND,
        "metadata": {"name": TEAM["name"]},
        "spec": spec,
    }
    ns.api.call("POST", path, body)
    return f"{path}/{TEAM['name']}"
