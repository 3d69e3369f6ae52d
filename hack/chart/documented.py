"""Whether the schema is current and the README knows every value: seen without helm-docs."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from hack.chart.schema import schema_text


def undocumented_values(chart: Path) -> list[str]:
    """Returns a sentence for a stale schema, and for each value that the README lacks.

    A value may stand there itself, or as a part of one that is described as a whole.
    """
    text, readme, there = (
        path.read_text(encoding="utf-8") if path.exists() else ""
        for path in (chart / "values.yaml", chart / "README.md", chart / "values.schema.json")
    )
    lacking = [
        ".".join(path)
        for path in _leaves(yaml.safe_load(text), ())
        if not any(f"| {'.'.join(path[:depth])} |" in readme for depth in range(1, len(path) + 1))
    ]
    return [
        *(
            ["values.schema.json is not what values.yaml gives"]
            if there != schema_text(text)
            else []
        ),
        *(f"README.md does not name the value {path}" for path in lacking),
    ]


def _leaves(values: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name)
