"""A benchmark's table: its parts, each figure with what is to be reached, and how it is shown."""

from collections.abc import Callable
from dataclasses import dataclass

Figures = dict[str, float]
_WIDTHS = (44, 12, 12, 12, 7)


@dataclass(frozen=True)
class Row:
    """One figure of a scenario."""

    figure: str
    label: str
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def goal(self) -> str:
        """What is to be reached, for people; empty where nothing is promised."""
        if self.at_most is not None:
            return f"<= {self.at_most:g} {self.unit}".rstrip()
        if self.at_least is not None:
            return f">= {self.at_least:g} {self.unit}".rstrip()
        return ""

    def is_reached_by(self, value: float) -> bool | None:
        """Whether the value is good enough; None where nothing is promised."""
        if self.at_most is not None:
            return value <= self.at_most
        if self.at_least is not None:
            return value >= self.at_least
        return None


@dataclass(frozen=True)
class Scenario:
    """A part of the table that is measured in rounds."""

    name: str
    title: str
    run: Callable[[bool], list[Figures]]
    """Takes whether to be quick; returns the figures of each round, pair or run."""
    rows: tuple[Row, ...]


def number(value: float, unit: str) -> str:
    """Returns the value with as many digits as say something, and its unit."""
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}".rstrip()


def aligned(*cells: str) -> str:
    """Returns a line of the table: what, reach, ours, the alternative, verdict."""
    first, *others = (f"{cells[0]:<{_WIDTHS[0]}}", *cells[1:])
    placed = (f"{cell:>{width}}" for cell, width in zip(others, _WIDTHS[1:], strict=True))
    return (first + "".join(placed)).rstrip()


def line(row: Row, value: float, beside: float | None) -> str:
    """Returns a figure's line; None leaves the alternative's place empty."""
    verdict = {True: "ok", False: "MISSED", None: ""}[row.is_reached_by(value)]
    other = "" if beside is None else number(beside, row.unit)
    return aligned(f"    {row.label}", row.goal, number(value, row.unit), other, verdict)
