"""A request as Kubernetes' authorisation sees it: verb, group, resource, namespace, name."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass
class Request:
    """What was asked, and what was answered."""

    verb: str
    path: str
    group: str = ""
    resource: str = ""
    """With its subresource: `tenysonjobs/status`. Empty for a path that is no resource."""
    namespace: str = ""
    name: str = ""
    at: float = field(default_factory=time.monotonic)
    status: int = 0
    """What the client was answered; 0 as long as it was answered nothing, or cut off."""
    served: bool = False
    """Whether the API server saw it."""

    @property
    def right(self) -> tuple[str, str, str]:
        """Verb, group and resource: what a role must grant."""
        return self.verb, self.group, self.resource or self.path

    @property
    def is_write(self) -> bool:
        """Whether it changes something."""
        return self.verb not in ("get", "list", "watch")


def read_request(method: str, path: str, query: Mapping[str, str]) -> Request:
    """Returns a request's meaning."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, rest = "", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, rest = parts[1], parts[3:]
    else:
        return Request(_VERBS.get(method, "get"), path)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    resource = "/".join([rest[0], *rest[2:]])
    verb = _VERBS.get(method) or _read_verb(name, query)
    return Request(verb, path, group, resource, namespace, name)


def _read_verb(name: str, query: Mapping[str, str]) -> str:
    if query.get("watch") in ("1", "true"):
        return "watch"
    return "get" if name else "list"
