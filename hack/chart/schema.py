"""The schema of the chart's values: types from the defaults in `values.yaml`, the rest from notes.

A note stands at the end of a key's line, `replicaCount: 2 # @schema minimum:0; maximum:5`, in the
notation of helm-values-schema-json. Descriptions are the comments that helm-docs takes, `# -- …`.
An object takes the keys it has and no others, unless its note says additionalProperties.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

Schema = dict[str, Any]

_NOTE: Final = "# @schema "
_TEXTS: Final = {"pattern", "title", "format"}
_KNOWN: Final = {
    *_TEXTS,
    *("type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "minItems", "maxItems", "uniqueItems"),
    *("properties", "additionalProperties"),
    *("item", "itemProperties", "itemAdditionalProperties"),
}
_TYPES: Final = {
    "tag:yaml.org,2002:str": "string",
    "tag:yaml.org,2002:int": "integer",
    "tag:yaml.org,2002:float": "number",
    "tag:yaml.org,2002:bool": "boolean",
    "tag:yaml.org,2002:seq": "array",
    "tag:yaml.org,2002:map": "object",
}


def schema_text(values: str) -> str:
    """Returns the text of values.schema.json.

    Raises:
        ValueError: a note cannot be read, a default does not tell its type, or nothing describes
            a value.
    """
    root = yaml.compose(values, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("values.yaml must be a mapping")
    schema = _object(root, {}, values.splitlines(), is_described=False)
    schema["properties"]["global"] = {
        "description": "What charts that have this one as a part give to all their parts.",
        "type": "object",
    }
    top = {
        "$schema": "http://json-schema.org/draft-07/schema#",  # the one that every Helm 3 knows
        "$comment": "Made from values.yaml by `make chart`.",
        "title": "Values of the Tenyson chart",
    }
    return json.dumps({**top, **schema}, indent=2, ensure_ascii=False) + "\n"


def write_schema(chart: Path) -> None:
    """Writes values.schema.json beside values.yaml."""
    text = schema_text((chart / "values.yaml").read_text(encoding="utf-8"))
    (chart / "values.schema.json").write_text(text, encoding="utf-8")


def _object(
    node: yaml.MappingNode, note: Schema, lines: list[str], *, is_described: bool
) -> Schema:
    properties = {
        key.value: _value(key, value, lines, is_described=is_described) for key, value in node.value
    }
    return {
        "type": "object",
        "properties": {**properties, **note.get("properties", {})},
        "additionalProperties": note.get("additionalProperties", False),
    }


def _value(
    key: yaml.ScalarNode, node: yaml.Node, lines: list[str], *, is_described: bool
) -> Schema:
    number = key.start_mark.line
    note = _note(lines[number], number + 1)
    described = {"description": text} if (text := _description(lines, number)) else {}
    is_described = is_described or bool(described)
    if isinstance(node, yaml.MappingNode) and (node.value or is_described):
        return {**described, **_object(node, note, lines, is_described=is_described)}
    if not is_described:
        raise ValueError(
            f"values.yaml, line {number + 1}: {key.value} needs a comment `# -- …` above it, with "
            "the reason of its default and when to change it"
        )
    default = yaml.safe_load(yaml.serialize(node))
    schema: Schema = {**described, "type": _type(node, note, number + 1)}
    if isinstance(node, yaml.SequenceNode):
        schema["items"] = _items(node, note)
    elif default not in ("", None):
        schema["default"] = default
    own = {name: note[name] for name in note if not name.startswith("item") and name != "type"}
    return {**schema, **own}


def _type(node: yaml.Node, note: Schema, line: int) -> Any:
    found = note.get("type", _TYPES.get(node.tag))
    if found is None:
        raise ValueError(
            f"values.yaml, line {line}: {node.tag} does not tell a type; end the line with "
            f"`{_NOTE}type:[integer, null]` or the like"
        )
    return found


def _items(node: yaml.SequenceNode, note: Schema) -> Schema:
    """The schema of what is in the list; an object whose parts are not told may have any."""
    named = note.get("item") or next((_TYPES[item.tag] for item in node.value), None)
    if named is None:
        raise ValueError(
            f"values.yaml, line {node.start_mark.line + 1}: an empty list does not tell what is in "
            f"it; end the line with `{_NOTE}item:string` or the like"
        )
    if named != "object" or "itemProperties" not in note:
        return {"type": named}
    return {
        "type": "object",
        "properties": note["itemProperties"],
        "additionalProperties": note.get("itemAdditionalProperties", False),
    }


def _note(line: str, number: int) -> Schema:
    """What the line's note says, by name."""
    said = dict(_parts(line.partition(_NOTE)[2]))
    unknown = said.keys() - _KNOWN
    if unknown:
        raise ValueError(
            f"values.yaml, line {number}: {', '.join(sorted(unknown))} in a {_NOTE.strip()} note "
            f"is not one of {', '.join(sorted(_KNOWN))}"
        )
    note = {name: text if name in _TEXTS else yaml.safe_load(text) for name, text in said.items()}
    if isinstance(types := note.get("type"), list):  # where null is a word, not YAML's null
        note["type"] = ["null" if named is None else named for named in types]
    return note


def _parts(note: str) -> Iterator[tuple[str, str]]:
    for part in note.split(";"):
        if part.strip():
            name, _, text = part.partition(":")
            yield name.strip(), text.strip()


def _description(lines: list[str], number: int) -> str:
    """The comment above the line from its `# -- ` on, in one line."""
    said: list[str] = []
    for line in reversed(lines[:number]):
        text = line.strip()
        if not text.startswith("#"):
            return ""
        if text.startswith("# -- "):
            return " ".join([text.removeprefix("# -- "), *reversed(said)])
        said.append(text.lstrip("# "))
    return ""
