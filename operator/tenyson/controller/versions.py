"""Which of two versions of an object counts: watches and our own writes tell of it in any order."""

from typing import Protocol

from tenyson.controller.observed import Object

Id = tuple[str, str]
"""Namespace and name of any object."""


class Known(Protocol):
    """What is kept of an object."""

    @property
    def uid(self) -> str:
        """Of this object, and of no namesake."""

    @property
    def resource_version(self) -> int:
        """As the API server counts them."""


def is_older(meta: Object, known: Known) -> bool:
    """Whether an object tells nothing new; one with another uid replaces its namesake."""
    is_same = meta["uid"] == known.uid
    return bool(is_same and int(meta["resourceVersion"]) <= known.resource_version)
