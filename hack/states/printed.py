"""What kubectl printed about a job, cut to what matters, and how two such texts are compared."""

import re
import textwrap
from dataclasses import dataclass, field
from typing import Any, Final

WIDTH: Final = 116
"""Longer lines are folded, as a terminal does."""
_NOISE: Final = ("Last Transition Time:", "Observed Generation:")
"""Lines of a condition that only the block with the whole status shows."""
_CUT: Final = "  ..."

_VOLATILE: Final = (
    (r"\s+", " "),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
    (r"(?<=-)[0-9a-f]{8}\b", "UID"),
    (r"(-a\d+(-\d)?)-[a-z0-9]{5}\b", r"\1-POD"),
    (r"(?<=Hash: )[0-9a-f]{16}", "HASH"),
    (r"gpu-node-\d", "NODE"),
    (r"(Active Seconds|Total Time Seconds|Amount): [\d.]+", r"\1: NUMBER"),
    (r"has cost [\d.]+", "has cost NUMBER"),
    (r"\b\d+ s\b", "SECONDS"),
    (r"\b(\d+[smhd])+\b", "AGE"),
)  # fmt: skip
"""What differs from one time to the next, and what it is compared as."""


@dataclass(frozen=True)
class Printed:
    """What kubectl printed about a job."""

    get: str
    describe: str
    names: tuple[str, ...]
    parts: tuple[str, ...]
    """Conditions and other fields of the status that are shown; all, where there are none."""
    namespace: str
    manifest: dict[str, Any] = field(default_factory=dict)
    """The job itself."""

    def block(self) -> str:
        """Returns the text as the document shows it."""
        lines = [
            f"$ kubectl get tj {' '.join(self.names)} -o wide",
            *(line.rstrip() for line in self.get.splitlines()),
            f"$ kubectl describe tj {self.names[0]}",
            *(_folded(line.rstrip()) for line in [*self._status(), *_events(self.describe)]),
        ]
        text = "\n".join(lines)
        return text.replace(self.namespace, "research")

    def _status(self) -> list[str]:
        fields = _fields(self.describe)
        if not self.parts:
            return ["Status:", *(line for lines in fields.values() for line in lines)]
        shown = ["Status:"]
        for name, lines in fields.items():
            if name == "Conditions":
                shown += self._conditions(lines)
            elif name in self.parts:
                shown += lines
        return [*shown, _CUT]

    def _conditions(self, lines: list[str]) -> list[str]:
        found = _conditions(lines)
        wanted = [kind for kind in self.parts if kind[0].isupper() and kind in found]
        missing = [kind for kind in self.parts if f"  {kind}:" not in self.describe]
        missing = [kind for kind in missing if kind not in found]
        if missing:
            raise ValueError(f"{self.names[0]} has no {', '.join(missing)}:\n{self.describe}")
        shown = [line for kind in found if kind in wanted for line in found[kind]]
        kept = [line for line in shown if not line.strip().startswith(_NOISE)]
        return ["  Conditions:", *kept] if kept else []


def _fields(describe: str) -> dict[str, list[str]]:
    """Returns the lines of the status, by field."""
    after = describe.partition("\nStatus:\n")[2].partition("\nEvents:")[0]
    fields: dict[str, list[str]] = {}
    name = ""
    for line in after.splitlines():
        if found := re.match(r"  ([A-Z][\w ]*):", line):
            name = found[1]
        fields.setdefault(name, []).append(line)
    return fields


def _conditions(lines: list[str]) -> dict[str, list[str]]:
    """Returns the lines of each condition, by its type."""
    groups: list[list[str]] = []
    for line in lines[1:]:
        if line.strip().startswith(_NOISE[0]):
            groups.append([])
        groups[-1].append(line)
    return {group[-1].split()[-1]: group for group in groups}


def _events(describe: str) -> list[str]:
    rows = describe.partition("\nEvents:")[2].splitlines()
    # The rule under the head says nothing and takes a line.
    return ["Events:" + rows[0], *(row for row in rows[1:] if not row.lstrip().startswith("----"))]


def _folded(line: str) -> str:
    indent = " " * (len(line) - len(line.lstrip()) + 6)
    return textwrap.fill(
        line, WIDTH, subsequent_indent=indent, drop_whitespace=True, replace_whitespace=False,
        break_long_words=False, break_on_hyphens=False,
    ) if len(line) > WIDTH else line  # fmt: skip


def comparable(block: str) -> str:
    """Returns a block without what differs from one time to the next.

    Events of the same second are shown in any order, so theirs does not count.
    """
    for pattern, placeholder in _VOLATILE:
        block = re.sub(pattern, placeholder, block)
    status, _, events = block.strip().partition(" Events: ")
    return "\n".join([status, *sorted(re.split(r" (?=(?:Normal|Warning) )", events))])
