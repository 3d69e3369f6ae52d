"""The blocks of docs/operator.md: each between a marker that names it and the end of its fence."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from hack.states.printed import comparable

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs/operator.md"
_BLOCK: Final = re.compile(r"<!-- state: (?P<name>[\w-]+) -->\n```console\n(?P<text>.*?)```", re.S)


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


def misfits(document: str, printed: Mapping[str, str]) -> list[str]:
    """Returns a sentence for each state that the document shows otherwise, or not at all."""
    present = blocks(document)
    return [
        *(f"{name}: the document has no block for it" for name in _sorted(printed, present)),
        *(f"{name}: nothing brings this state about" for name in _sorted(present, printed)),
        *(
            f"{name}: kubectl prints\n{text}\nand the document shows\n{present[name]}"
            for name, text in printed.items()
            if name in present and comparable(text) != comparable(present[name])
        ),
    ]


def _sorted(names: Iterable[str], without: Iterable[str]) -> list[str]:
    return sorted(set(names) - set(without))
