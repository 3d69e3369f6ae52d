"""Roles of the controller: written down, bound to an account, and compared with what it asks."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml

from tenyson.controller.observed import Object
from tests.controller.faults.request import Request

ROLE: Final = Path(__file__).with_name("role.yaml")
SYSTEM: Final = "tenyson-system"
Right = tuple[str, str, str]
OPEN: Final[set[Right]] = {("create", "authorization.k8s.io", "selfsubjectaccessreviews")}
"""What Kubernetes itself lets every account do, to ask for its own rights."""


def cluster_wide() -> list[Object]:
    """Returns the roles of a controller that serves all namespaces."""
    return list(yaml.safe_load_all(ROLE.read_text(encoding="utf-8")))


def namespaced(*namespaces: str) -> list[Object]:
    """Returns the roles of a controller that serves these namespaces; none for the cluster."""
    served, _, own = cluster_wide()
    name = served["metadata"]["name"]
    return [
        *({**served, "kind": "Role", "metadata": {"name": name, "namespace": namespace}}
          for namespace in namespaces),
        own,
    ]  # fmt: skip


def bind(cluster: Any, roles: Iterable[Object], account: str, system: str = SYSTEM) -> None:
    """Gives an account of the controller's namespace these roles."""
    for role in roles:
        kind, meta = role["kind"], role["metadata"]
        binding = {
            "apiVersion": role["apiVersion"],
            "kind": f"{kind}Binding",
            "metadata": meta,
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": meta["name"],
            },
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": system}],
        }  # fmt: skip
        for body in (role, binding):
            cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(body))


def granted(roles: Iterable[Object]) -> set[Right]:
    """Returns verb, group and resource of all that roles grant."""
    return {
        (verb, group, resource)
        for role in roles
        for rule in role["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def used(requests: Iterable[Request]) -> set[Right]:
    """Returns what a controller has asked for, but for what every account may."""
    return {request.right for request in requests if request.resource} - OPEN


def refused(requests: Iterable[Request]) -> set[tuple[Right, str]]:
    """Returns what was refused for want of a right, and in which namespace."""
    return {
        (request.right, request.namespace)
        for request in requests
        if request.status in (401, 403)
    }  # fmt: skip
