"""Whether what was stored under an older CRD is still what the newer one takes."""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]


def breaking_changes(older: Schema, newer: Schema) -> list[str]:
    """Returns a sentence for each change of a CRD that a stored object may not survive.

    Fields may be added, and become optional or wider; everything else breaks somebody. Rules in
    CEL are not compared.
    """
    versions = {found["name"]: found for found in newer["spec"]["versions"]}
    found: list[str] = []
    for version in older["spec"]["versions"]:
        name = version["name"]
        if name not in versions:
            found.append(f"version {name} is gone")
            continue
        was, now = (it["schema"]["openAPIV3Schema"] for it in (version, versions[name]))
        found += [f"{name}: {sentence}" for sentence in _changes(was, now, "")]
    return found


def _changes(older: Schema, newer: Schema, path: str) -> Iterator[str]:
    if older.get("type") != newer.get("type"):
        yield f"{path} was {older.get('type')}, is {newer.get('type')}"
        return
    if older.get("nullable") and not newer.get("nullable"):
        yield f"{path} may not be null any more"
    yield from _narrowed(older, newer, path)
    fields, others = older.get("properties", {}), newer.get("properties", {})
    for name, inner in fields.items():
        if name in others:
            yield from _changes(inner, others[name], f"{path}.{name}")
        elif not newer.get("x-kubernetes-preserve-unknown-fields"):
            yield f"{path}.{name} is gone"
    for name in sorted({*newer.get("required", [])} - {*older.get("required", [])}):
        yield f"{path}.{name} is required now"
    for key in ("items", "additionalProperties"):
        if isinstance(older.get(key), dict) and isinstance(newer.get(key), dict):
            yield from _changes(older[key], newer[key], f"{path}[]")


def _narrowed(older: Schema, newer: Schema, path: str) -> Iterator[str]:
    """What is allowed no more: words of an enum, and values beyond a bound."""
    gone = {*older.get("enum", [])} - {*newer.get("enum", older.get("enum", []))}
    if gone or ("enum" in newer and "enum" not in older):
        yield f"{path} takes only {newer['enum']}"
    for key, is_tighter in _BOUNDS.items():
        if key in newer and (key not in older or is_tighter(newer[key], older[key])):
            yield f"{path} has {key} {newer[key]}, had {older.get(key, 'none')}"
    if "pattern" in newer and newer["pattern"] != older.get("pattern"):
        yield f"{path} must match {newer['pattern']}"


def _is_less(newer: float, older: float) -> bool:
    return newer < older


def _is_more(newer: float, older: float) -> bool:
    return newer > older


_BOUNDS = {
    **dict.fromkeys(("maximum", "maxLength", "maxItems", "maxProperties"), _is_less),
    **dict.fromkeys(("minimum", "minLength", "minItems", "minProperties"), _is_more),
}
