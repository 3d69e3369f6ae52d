"""The known names that are most like one that is not known: what was probably meant."""

import difflib
from collections.abc import Iterable


def near_name(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name that is clearly meant; None where none is like it."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)


def near_names(name: str, known: Iterable[str]) -> str:
    """Returns a sentence with the known names most like `name`; empty where none is."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(map(repr, near))}?" if near else ""
