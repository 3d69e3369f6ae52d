"""The `helm` and `kubectl` commands that documents show."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(bash|sh|shell|console)\n(.*?)^```", re.M | re.S)
_PROGRAMS = ("helm", "kubectl")


@dataclass(frozen=True)
class Command:
    """A command as somebody would type it."""

    where: str
    words: tuple[str, ...]

    @property
    def flags(self) -> list[str]:
        """The flags in it, without their values."""
        own = self.words[: self.words.index("--")] if "--" in self.words else self.words
        return [word.partition("=")[0] for word in own if re.match(r"--?[a-zA-Z]", word)]

    def __str__(self) -> str:
        return f"{self.where}: {shlex.join(self.words)}"


def commands_of(document: Path) -> Iterator[Command]:
    """Returns the commands in the document's shell blocks, `$ ` and continued lines undone."""
    for language, block in _BLOCK.findall(document.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            typed = line.removeprefix("$ ")
            if language != "console" or typed != line:
                yield from commands_in(typed, document.name)


def commands_in(line: str, where: str) -> Iterator[Command]:
    """Returns the commands in a line: those beside a pipe and inside `$(…)` too."""
    for inner in re.findall(r"\$\(([^()]+)\)", line):
        yield from commands_in(inner, where)
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word and set(word) <= set("|&;"):
            yield from _command(words, where)
            words = []
        else:
            words.append(word)


def _command(words: list[str], where: str) -> Iterator[Command]:
    while words and re.fullmatch(r"\w+=.*", words[0]):
        words = words[1:]
    if words and words[0] in _PROGRAMS:
        until = next((at for at, it in enumerate(words) if it in (">", ">>", "<", "<<EOF")), None)
        yield Command(where, tuple(words[:until]))
