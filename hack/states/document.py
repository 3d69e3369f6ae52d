"""The parts of docs/operator.md that programs fill: what kubectl prints, and tables from the code.

A block is a fence under `<!-- state: NAME -->`; a table lies between `<!-- table: NAME -->` and
`<!-- /table -->`.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from hack.states.printed import comparable

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs/operator.md"
_BLOCK: Final = re.compile(r"<!-- state: (?P<name>[\w-]+) -->\n```console\n(?P<text>.*?)```", re.S)
_TABLE: Final = re.compile(r"<!-- table: (?P<name>\w+) -->\n(?P<text>.*?)<!-- /table -->", re.S)


def blocks(document: str) -> dict[str, str]:
    """Returns the text of each block of the document, by its name."""
    return {found["name"]: found["text"] for found in _BLOCK.finditer(document)}


def filled(document: str, printed: Mapping[str, str]) -> str:
    """Returns the document with what was printed; a block that still fits stays as it is."""

    def block(found: re.Match[str]) -> str:
        text = printed.get(found["name"])
        if text is None or comparable(text) == comparable(found["text"]):
            return found[0]
        return f"<!-- state: {found['name']} -->\n```console\n{text}\n```"

    return _BLOCK.sub(block, document)


def with_tables(document: str, tables: Mapping[str, str]) -> str:
    """Returns the document with its tables.

    Raises:
        KeyError: The document has a table that nothing makes.
    """

    def table(found: re.Match[str]) -> str:
        name = found["name"]
        return f"<!-- table: {name} -->\n{tables[name]}\n<!-- /table -->"

    return _TABLE.sub(table, document)


def misfits(document: str, printed: Mapping[str, str], *, only_these: bool = False) -> list[str]:
    """Returns a sentence for each state that the document shows otherwise, or not at all.

    Args:
        document: The document.
        printed: What was printed, by the names of the blocks.
        only_these: Whether the document may have further blocks.
    """
    present = blocks(document)
    untold = [] if only_these else _sorted(present, printed)
    return [
        *(f"{name}: the document has no block for it" for name in _sorted(printed, present)),
        *(f"{name}: nothing brings this state about" for name in untold),
        *(
            f"{name}: kubectl prints\n{text}\nand the document shows\n{present[name]}"
            for name, text in printed.items()
            if name in present and comparable(text) != comparable(present[name])
        ),
    ]


def _sorted(names: Iterable[str], without: Iterable[str]) -> list[str]:
    return sorted(set(names) - set(without))
