"""Argo CD's health script, from the one file where it is written to where people read it."""

import re
import textwrap
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SCRIPT: Final = ROOT / "examples/gitops/argocd/health.lua"
CONFIG: Final = ROOT / "examples/gitops/argocd/argocd-cm.yaml"
DOCUMENT: Final = ROOT / "docs/operator.md"
KEY: Final = "resource.customizations.health.tenyson.dev_TenysonJob"


def wanted() -> dict[Path, str]:
    """Returns the text of each file that holds the script, as it should be."""
    script = SCRIPT.read_text(encoding="utf-8")
    block = textwrap.indent(script, "    ")
    return {
        CONFIG: _replaced(CONFIG, rf"(?<=  {KEY}: \|\n)(?:    .*\n|\n)+", block),
        DOCUMENT: _replaced(DOCUMENT, r"(?<=\n```lua\n)(?:.*\n)+?(?=```\n)", script),
    }


def _replaced(path: Path, pattern: str, text: str) -> str:
    """Returns a file's text with the one part that a pattern finds replaced.

    Raises:
        ValueError: The pattern is not found exactly once.
    """
    new, count = re.subn(pattern, lambda _: text, path.read_text(encoding="utf-8"))
    if count != 1:
        raise ValueError(f"{path} holds the health script {count} times; expected once")
    return new
