"""Reads the objects that a pass asks for and that no watch brings: Secrets, ConfigMaps, Events."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tenyson.controller.cluster import ApiError, Cluster
from tenyson.controller.observed import Reference


@dataclass
class Found:
    """What was found, by reference."""

    states: dict[Reference, str] = field(default_factory=dict)
    """found, no object, no key or forbidden."""
    contents: dict[Reference, str] = field(default_factory=dict)
    """Texts of ConfigMaps' keys, and of Events."""


async def look_up(
    cluster: Cluster, namespace: str, references: tuple[Reference, ...], found: Found
) -> None:
    """Adds what is there to `found`, each object read once.

    Raises:
        ApiError: Something could not be read for another reason than that it is not there.
    """
    for kind, name in {(reference.kind, reference.name) for reference in references}:
        wanted = [r for r in references if (r.kind, r.name) == (kind, name)]
        try:
            if kind == "Event":
                for reference in wanted:
                    found.contents[reference] = await cluster.warning(namespace, reference.key)
                    found.states[reference] = "found"
            else:
                _take(await cluster.data(kind, namespace, name), wanted, found)
        except ApiError as error:
            if error.status not in (403, 404):
                raise
            state = "forbidden" if error.status == 403 else "no object"
            found.states |= dict.fromkeys(wanted, state)


def _take(data: Mapping[str, str], wanted: list[Reference], found: Found) -> None:
    for reference in wanted:
        found.states[reference] = "found" if reference.key in data else "no key"
        if reference.kind == "ConfigMap" and reference.key in data:
            found.contents[reference] = data[reference.key]
