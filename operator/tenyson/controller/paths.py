"""Where each kind of resource lies on the API server."""

from typing import Final

from tenyson.controller import names
from tenyson.controller.observed import Object

_PLURALS: Final = {"Job": "jobs", "Service": "services", "Secret": "secrets",
                   "ConfigMap": "configmaps"}  # fmt: skip


def resource_path(api: str, plural: str, namespace: str | None) -> str:
    """Returns the path of a kind of resource, in one namespace or in all."""
    root = f"/api/{api}" if api == "v1" else f"/apis/{api}"
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


def kind_path(api: str, kind: str, namespace: str) -> str:
    """Returns the path of a kind, by its name, in a namespace."""
    return resource_path(api, _PLURALS[kind], namespace)


def path_of(body: Object) -> str:
    """Returns the path of the objects of a body's kind, in its namespace."""
    return kind_path(body["apiVersion"], body["kind"], body["metadata"]["namespace"])


def job_path(namespace: str, name: str) -> str:
    """Returns the path of a TenysonJob."""
    return f"{resource_path(names.API_VERSION, names.PLURAL, namespace)}/{name}"
