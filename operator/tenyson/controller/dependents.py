"""Which jobs wait for which, so that one that ends wakes those that it concerns."""

from collections.abc import Iterable

from tenyson.controller.names import Key


class Dependents:
    """The jobs that wait for each job, whether it exists or not."""

    def __init__(self) -> None:
        self._of: dict[Key, set[Key]] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def note(self, key: Key, before: Iterable[str], after: Iterable[str]) -> None:
        """Notes for whom a job waits now, and for whom it did before, by their names."""
        old, new = set(before), set(after)
        for name in old - new:
            parent = key[0], name
            self._of[parent].discard(key)
            if not self._of[parent]:
                del self._of[parent]
        for name in new - old:
            self._of.setdefault((key[0], name), set()).add(key)

    def of(self, key: Key) -> list[Key]:
        """Returns those that wait for a job itself."""
        return list(self._of.get(key, ()))

    def below(self, key: Key) -> list[Key]:
        """Returns all that wait for a job, also through others; in a circle, itself too."""
        found: dict[Key, None] = {}
        to_visit = [key]
        while to_visit:
            new = [dependent for dependent in self.of(to_visit.pop()) if dependent not in found]
            found |= dict.fromkeys(new)
            to_visit.extend(new)
        return list(found)
