"""What an image's entrypoint is on a machine without images."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hack.cluster.node.errors import UnknownImageError


@dataclass(frozen=True)
class Images:
    """The commands that stand for images that a pod names without a command of its own."""

    commands: Mapping[str, Sequence[str]]
    """By image, with its tag or without (then it serves every tag)."""

    @classmethod
    def parse(cls, options: Sequence[str]) -> Images:
        """The images that `NAME=COMMAND…` options name.

        Raises:
            ValueError: an option has another form.
        """
        commands: dict[str, Sequence[str]] = {}
        for option in options:
            name, separator, command = option.partition("=")
            if not (name and separator and command):
                raise ValueError(
                    f"--image {option!r}: write NAME=COMMAND, as a shell would read it"
                )
            commands[name] = shlex.split(command)
        return cls(commands)

    def argv(self, container: Mapping[str, object]) -> list[str]:
        """What the container runs, before `$(VAR)` is expanded.

        Raises:
            UnknownImageError: it has no command, and neither has its image here.
        """
        command, arguments = container.get("command"), container.get("args")
        given = list(command) if isinstance(command, list) else []
        after = list(arguments) if isinstance(arguments, list) else []
        if given:
            return given + after
        return [*self._entrypoint(str(container.get("image", ""))), *after]

    def _entrypoint(self, image: str) -> Sequence[str]:
        for name in (image, without_tag(image)):
            if name in self.commands:
                return self.commands[name]
        known = ", ".join(sorted(self.commands)) or "none"
        raise UnknownImageError(
            "ErrImagePull",
            f"this node runs processes, not images: {image!r} has no command here. Give the "
            f"container a command, or the node --image NAME=COMMAND (known: {known})",
        )


def without_tag(image: str) -> str:
    """The image's name without `@digest` and `:tag`; a registry's port is no tag."""
    name = image.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(":")[0]
