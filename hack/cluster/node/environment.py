"""The environment of a container, from its spec and the objects that the spec names."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hack.cluster.node.downward import Allocatable, field_value, resource_value
from hack.cluster.node.errors import ConfigError

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REFERENCE = re.compile(r"\$(\$|\([^()\s]+\))")


@dataclass(frozen=True)
class Reference:
    """A ConfigMap or Secret that a container's environment names."""

    kind: str
    """`configmap` or `secret`, as the kubelet's messages spell them."""
    name: str


Sources = Mapping[Reference, Mapping[str, Any] | None]
"""The objects by reference; None for one that does not exist."""


def references(container: Mapping[str, Any]) -> Iterator[Reference]:
    """The objects that the container's environment names."""
    for source in container.get("envFrom") or []:
        yield _reference_of(source)[0]
    for variable in container.get("env") or []:
        value_from = variable.get("valueFrom") or {}
        for kind, field in (("configmap", "configMapKeyRef"), ("secret", "secretKeyRef")):
            if field in value_from:
                yield Reference(kind, value_from[field]["name"])


def build_environment(
    pod: Mapping[str, Any],
    container: Mapping[str, Any],
    sources: Sources,
    defaults: Mapping[str, str],
    allocatable: Allocatable,
) -> dict[str, str]:
    """The container's whole environment.

    Args:
        pod: the pod, for field references.
        container: its container.
        sources: what `references` named.
        defaults: variables under all others, as an image brings them.
        allocatable: the node's resources, for limits that are not set.

    Raises:
        ConfigError: something that is not optional is missing.
    """
    hostname = pod["spec"].get("hostname") or pod["metadata"]["name"]
    # A home that can be written to, as this machine's own is bound read-only.
    values = {"PATH": _PATH, "HOME": "/tmp", "HOSTNAME": hostname, **defaults}
    for source in container.get("envFrom") or []:
        values |= _values_from(source, sources)
    for variable in container.get("env") or []:
        if "valueFrom" in variable:
            value = _value_from(variable["valueFrom"], pod, container, sources, allocatable)
            if value is not None:
                values[variable["name"]] = value
        else:
            values[variable["name"]] = expand(variable.get("value") or "", values)
    return values


def expand(text: str, values: Mapping[str, str]) -> str:
    """The text with each `$(NAME)` replaced; an unknown one stays, and `$$` stands for `$`."""

    def replacement(match: re.Match[str]) -> str:
        inner = match.group(1)
        return "$" if inner == "$" else values.get(inner[1:-1], match.group(0))

    return _REFERENCE.sub(replacement, text)


def object_data(kind: str, value: Mapping[str, Any]) -> dict[str, bytes]:
    """The entries of a ConfigMap or Secret, as bytes."""
    if kind == "secret":
        return {k: base64.b64decode(v) for k, v in (value.get("data") or {}).items()}
    texts = {k: v.encode() for k, v in (value.get("data") or {}).items()}
    return texts | {k: base64.b64decode(v) for k, v in (value.get("binaryData") or {}).items()}


def _reference_of(source: Mapping[str, Any]) -> tuple[Reference, bool]:
    kind, field = (
        ("secret", "secretRef") if "secretRef" in source else ("configmap", "configMapRef")
    )
    reference = source[field]
    return Reference(kind, reference["name"]), bool(reference.get("optional"))


def _values_from(source: Mapping[str, Any], sources: Sources) -> dict[str, str]:
    reference, optional = _reference_of(source)
    value = sources.get(reference)
    if value is None:
        if optional:
            return {}
        raise ConfigError(f'{reference.kind} "{reference.name}" not found')
    prefix = source.get("prefix") or ""
    entries = object_data(reference.kind, value).items()
    return {f"{prefix}{name}": content.decode(errors="replace") for name, content in entries}


def _value_from(
    value_from: Mapping[str, Any],
    pod: Mapping[str, Any],
    container: Mapping[str, Any],
    sources: Sources,
    allocatable: Allocatable,
) -> str | None:
    if "fieldRef" in value_from:
        return field_value(pod, value_from["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in value_from:
        return resource_value(container, value_from["resourceFieldRef"], allocatable)
    if "secretKeyRef" in value_from:
        return _keyed(Reference("secret", ""), value_from["secretKeyRef"], sources)
    if "configMapKeyRef" in value_from:
        return _keyed(Reference("configmap", ""), value_from["configMapKeyRef"], sources)
    raise ConfigError(f"variable source {', '.join(value_from)} is not known to this node")


def _keyed(kind: Reference, selector: Mapping[str, Any], sources: Sources) -> str | None:
    """The value of one key, or None where it is missing and optional."""
    reference = Reference(kind.kind, selector["name"])
    value = sources.get(reference)
    entries = object_data(reference.kind, value) if value is not None else {}
    if selector["key"] in entries:
        return entries[selector["key"]].decode(errors="replace")
    if selector.get("optional"):
        return None
    if value is None:
        raise ConfigError(f'{reference.kind} "{reference.name}" not found')
    raise ConfigError(f"couldn't find key {selector['key']} in {reference.kind} {pod_key(value)}")


def pod_key(value: Mapping[str, Any]) -> str:
    """`namespace/name` of an object."""
    return f"{value['metadata'].get('namespace', '')}/{value['metadata'].get('name', '')}"
