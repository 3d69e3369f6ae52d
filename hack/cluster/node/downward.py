"""What a pod may ask about itself: fields and resources, for variables and files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hack.cluster.node.addresses import LOOPBACK, pod_address
from hack.cluster.node.errors import ConfigError
from hack.cluster.node.quantities import divided

_KEYED = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")
_PLAIN = {
    "metadata.name": ("metadata", "name"),
    "metadata.namespace": ("metadata", "namespace"),
    "metadata.uid": ("metadata", "uid"),
    "spec.nodeName": ("spec", "nodeName"),
    "spec.serviceAccountName": ("spec", "serviceAccountName"),
}
_HOST_ADDRESSES = ("status.hostIP", "status.hostIPs")
_POD_ADDRESSES = ("status.podIP", "status.podIPs")


@dataclass(frozen=True)
class Allocatable:
    """What the node offers; stands in for a limit that a container does not set."""

    resources: Mapping[str, str]


def field_value(pod: Mapping[str, Any], path: str) -> str:
    """The value of a `fieldRef`.

    Raises:
        ConfigError: the node does not know the field.
    """
    if path in _PLAIN:
        section, name = _PLAIN[path]
        return str(pod[section].get(name, ""))
    if path in _HOST_ADDRESSES:
        return LOOPBACK
    if path in _POD_ADDRESSES:
        return pod_address(pod)
    if match := _KEYED.fullmatch(path):
        kind, key = match.groups()
        return str((pod["metadata"].get(kind) or {}).get(key, ""))
    if path in ("metadata.labels", "metadata.annotations"):
        values = pod["metadata"].get(path.partition(".")[2]) or {}
        # As the kubelet writes them: one `key="value"` a line, quoted as Go does.
        return "\n".join(
            f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in sorted(values.items())
        )
    raise ConfigError(f"field path {path!r} is not known to this node")


def resource_value(
    container: Mapping[str, Any], reference: Mapping[str, Any], allocatable: Allocatable
) -> str:
    """The value of a `resourceFieldRef`: `limits.cpu`, `requests.memory` and the like.

    Raises:
        ConfigError: neither the container nor the node has the resource.
    """
    kind, _, name = str(reference["resource"]).partition(".")
    resources = container.get("resources") or {}
    value = (resources.get(kind) or {}).get(name)
    if value is None and kind == "limits":
        value = allocatable.resources.get(name)
    if value is None and kind == "requests":
        value = "0"
    if value is None:
        raise ConfigError(f"resource {reference['resource']!r} is not known to this node")
    return divided(str(value), str(reference.get("divisor") or "0"))
