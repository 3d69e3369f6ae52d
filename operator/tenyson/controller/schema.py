"""Turns a pydantic model into the structural OpenAPI schema that a CRD takes.

Kubernetes wants no `$ref`, one type per field, `nullable` for None and a boolean
`exclusiveMinimum`; and rule costs stay bounded only where every string, list and map has a maximum.
"""

import json
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_KEPT = (
    "description", "type", "format", "enum", "minimum", "maximum", "minLength", "maxLength",
    "pattern", "minItems", "maxItems", "maxProperties",
)  # fmt: skip
_MAX_INT = 2**53 - 1


def structural(model: type[BaseModel], *, defaults: bool) -> Schema:
    """Returns the structural schema of a model.

    Args:
        model: The model; its aliases are the property names.
        defaults: Whether defaults become the API server's; else they are told in descriptions.
            Those within lists always are.

    Raises:
        ValueError: A string, list or map without a maximum, or a union that a CRD cannot hold.
    """
    raw = model.model_json_schema(by_alias=True)
    return _Converter(raw.get("$defs", {}), defaults).convert(raw, model.__name__)


class _Converter:
    def __init__(self, definitions: Schema, defaults: bool) -> None:
        self._definitions = definitions
        self._defaults = defaults

    def convert(self, raw: Schema, path: str) -> Schema:
        raw = self._resolved(raw)
        if "anyOf" in raw:
            return self._union(raw, path)
        schema = {key: raw[key] for key in _KEPT if key in raw}
        if "const" in raw:
            schema["enum"] = [raw["const"]]
        _bound_exclusively(raw, schema)
        if raw.get("type") == "array":
            schema["items"] = _Converter(self._definitions, defaults=False).convert(
                # Argo CD compares lists whole: a default within one differs from Git for ever.
                raw["items"],
                f"{path}[]",
            )
        if raw.get("type") == "object":
            self._object(raw, schema, path)
        if raw.get("type") == "integer":
            schema["format"] = "int64"
        self._tell_default(raw, schema)
        _require_maximum(schema, path)
        return schema

    def _resolved(self, raw: Schema) -> Schema:
        if "$ref" not in raw:
            return raw
        target = self._definitions[raw["$ref"].rsplit("/", 1)[1]]
        return {**target, **{key: value for key, value in raw.items() if key != "$ref"}}

    def _object(self, raw: Schema, schema: Schema, path: str) -> None:
        extra = raw.get("additionalProperties")
        if raw.get("properties"):
            schema["properties"] = {
                name: self.convert(field, f"{path}.{name}")
                for name, field in raw["properties"].items()
            }
            if required := raw.get("required"):
                schema["required"] = list(required)
            if extra is True:  # a model that keeps what it does not know itself
                schema["x-kubernetes-preserve-unknown-fields"] = True
        elif isinstance(extra, dict) and extra and "$ref" not in extra:
            schema["maxProperties"] = raw.get("maxProperties") or raw["maxLength"]
            schema["additionalProperties"] = self.convert(extra, f"{path}.*")
            schema.pop("maxLength", None)
        else:
            schema["x-kubernetes-preserve-unknown-fields"] = True

    def _union(self, raw: Schema, path: str) -> Schema:
        members = [self._resolved(member) for member in raw["anyOf"]]
        rest = [member for member in members if member.get("type") != "null"]
        outer = {key: value for key, value in raw.items() if key != "anyOf"}
        if len(rest) == 1:
            schema = self.convert({**rest[0], **outer}, path)
        elif "anyOf" not in rest[0] and {m.get("type") for m in rest} == {"integer", "string"}:
            schema = _int_or_string(rest, raw)
            self._tell_default(raw, schema)
        else:
            raise ValueError(f"{path}: a CRD cannot hold the union {raw['anyOf']}")
        if len(rest) < len(members):
            schema["nullable"] = True
        return schema

    def _tell_default(self, raw: Schema, schema: Schema) -> None:
        if "default" not in raw:
            return
        default = _without_nothing(raw["default"])
        if self._defaults:
            if default is not None:
                schema["default"] = default
        elif not isinstance(default, dict) and default is not None:
            shown = json.dumps(default)
            schema["description"] = f"{schema.get('description', '')} Default: {shown}.".strip()


def _without_nothing(default: Any) -> Any:
    """Returns a default without the parts that say nothing; None when nothing is left."""
    if isinstance(default, dict):
        kept = {name: _without_nothing(value) for name, value in default.items()}
        return {name: value for name, value in kept.items() if value is not None} or None
    return None if default in ([], "") else default


def _bound_exclusively(raw: Schema, schema: Schema) -> None:
    for side in ("Minimum", "Maximum"):
        if f"exclusive{side}" in raw:
            schema[side.lower()] = raw[f"exclusive{side}"]
            schema[f"exclusive{side}"] = True


def _int_or_string(members: list[Schema], raw: Schema) -> Schema:
    """Returns `int | str`, its two sides told apart by a rule: a CRD's anyOf holds no type."""
    text = next(m for m in members if m["type"] == "string")
    number = next(m for m in members if m["type"] == "integer")
    least = number.get("minimum", 0)
    if "enum" in text or "const" in text:
        words = text.get("enum") or [text["const"]]
        fits, shown = f"self in {json.dumps(words)}", " or ".join(words)
    else:
        fits, shown = (
            f"self.matches({json.dumps(text['pattern'])})",
            "a quantity such as 500m or 64Gi",
        )
    schema: Schema = {"x-kubernetes-int-or-string": True}
    if "description" in raw:
        schema["description"] = raw["description"]
    schema["x-kubernetes-validations"] = [
        {
            "rule": f"type(self) == int ? self >= {least} : {fits}",
            "message": f"must be {shown}, or a whole number of at least {least}.",
        }
    ]
    return schema


def _require_maximum(schema: Schema, path: str) -> None:
    kind = schema.get("type")
    if kind == "string" and not ({"maxLength", "enum"} & schema.keys()):
        raise ValueError(f"{path}: a string needs a max_length")
    if kind == "array" and "maxItems" not in schema:
        raise ValueError(f"{path}: a list needs a max_length")
    if kind == "integer" and "maximum" not in schema and "enum" not in schema:
        schema["maximum"] = _MAX_INT
