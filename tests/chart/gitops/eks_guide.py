"""The parts of docs/eks.md: its manifests, policies and commands, as a reader would copy them."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import yaml

GUIDE = Path(__file__).parents[3] / "docs/eks.md"
TEXT = GUIDE.read_text(encoding="utf-8")


def fences(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def manifests() -> dict[str, str]:
    """Returns the text of each YAML block, by the file name in its first line."""
    named = (re.match(r"# ([\w-]+\.yaml)\n", text) for text in fences("yaml"))
    return {found[1]: text for found, text in zip(named, fences("yaml"), strict=True) if found}


def objects(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(manifests()[name]))


def policies() -> list[dict[str, Any]]:
    return [json.loads(text) for text in fences("json")]


def commands(program: str) -> list[list[str]]:
    """Returns the words of each command of a program, those within `$(…)` and in the text too."""
    text = "\n".join([*fences("bash"), *re.findall(r"`([^`\n]+)`", TEXT)])
    lines = text.replace("\\\n", " ").splitlines()
    nested = re.findall(rf"\$\(({program} [^)]*)\)", "\n".join(lines))
    whole = [re.sub(r'"\$\([^)]*\)"', "VALUE", line) for line in lines]
    found = [shlex.split(line, comments=True) for line in [*whole, *nested] if program in line]
    return [words for words in found if len(words) > 1 and words[0] == program]
