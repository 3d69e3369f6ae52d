"""`python -m hack.release check TAG | notes`: what a release is made of, with no dependency.

The version stands in `pyproject.toml` only; the notes are what CHANGELOG.md says of it.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 1 where the release is not fit to be made."""
    parser = argparse.ArgumentParser(prog="python -m hack.release", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="fail unless the tag is the version; print it")
    check.add_argument("tag")
    commands.add_parser("notes", help="print what CHANGELOG.md says of the version")
    options = parser.parse_args(arguments)
    version = project_version(ROOT)
    try:
        notes = release_notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version)
        if options.command == "check":
            check_tag(options.tag, version)
    except ValueError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(notes if options.command == "notes" else f"{version}\n")
    return 0


def project_version(root: Path = ROOT) -> str:
    """Returns the version of the project, the one place where it is written by hand."""
    with (root / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def check_tag(tag: str, version: str) -> None:
    """Refuses a tag that is not the version with a v before it.

    Raises:
        ValueError: it is not.
    """
    if tag != f"v{version}":
        raise ValueError(
            f"the tag is {tag}, pyproject.toml has version {version}. Set the version there, run "
            f"`make chart`, commit, and tag that commit v{version}"
        )


def release_notes(changelog: str, version: str) -> str:
    """Returns what the changelog says under the version's heading.

    Raises:
        ValueError: there is no such heading, or nothing under it.
    """
    heading = rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## \[|^\[[^\]]+\]: |\Z)"
    match = re.search(heading, changelog, re.M | re.S)
    if match is None or not match[1].strip():
        raise ValueError(
            f"CHANGELOG.md says nothing under `## [{version}]`. Give what is under "
            "`## [Unreleased]` that heading, with the date"
        )
    return match[1].strip() + "\n"


if __name__ == "__main__":
    sys.exit(main())
