"""`python -m hack.release check TAG | notes`: what a release is made of, with no dependency.

The version is set in `pyproject.toml` alone; the notes are what CHANGELOG.md says of it. `check`
tells all that does not fit at once: the tag, the notes, the chart, what pages and examples install.
"""

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from hack.chart.version import stale_versions

ROOT = Path(__file__).resolve().parents[1]
_INSTALLED = re.compile(
    r"(?:ghcr\.io/tenyson/tenyson-\w+:|charts/tenyson --version |targetRevision: |^ +version: )"
    r"(\d+\.\d+\.\d+)",
    re.M,
)
"""What a page or an example installs of this project, with its version."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 1 where the release is not fit to be made."""
    parser = argparse.ArgumentParser(prog="python -m hack.release", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="fail unless all is of the tag's version; print it")
    check.add_argument("tag")
    commands.add_parser("notes", help="print what CHANGELOG.md says of the version")
    options = parser.parse_args(arguments)
    if options.command == "check":
        problems = list(found_problems(ROOT, options.tag))
        sys.stderr.writelines(f"error: {problem}.\n" for problem in problems)
        sys.stdout.write("" if problems else f"{project_version(ROOT)}\n")
        return int(bool(problems))
    try:
        sys.stdout.write(release_notes(_changelog(ROOT), project_version(ROOT)))
    except ValueError as error:
        sys.stderr.write(f"error: {error}.\n")
        return 1
    return 0


def found_problems(root: Path, tag: str) -> Iterator[str]:
    """Yields a sentence for each thing that is not as the release of this tag needs it."""
    version = project_version(root)
    try:
        check_tag(tag, version)
    except ValueError as error:
        # What follows is about the version that the tag means, unless it is none.
        yield str(error)
        version = tag.removeprefix("v") if re.fullmatch(r"v\d+\.\d+\.\d+", tag) else version
    try:
        release_notes(_changelog(root), version)
    except ValueError as error:
        yield str(error)
    if stale_versions(root / "charts" / "tenyson", version):
        yield f"charts/tenyson/Chart.yaml is not of version {version}: run `make chart`"
    yield from stale_pages(root, version)


def stale_pages(root: Path, version: str) -> Iterator[str]:
    """Yields a sentence for each page or example that installs another version."""
    for path in sorted([*root.glob("docs/**/*.md"), *root.glob("examples/**/*.yaml")]):
        text = path.read_text(encoding="utf-8")
        for found in _INSTALLED.finditer(text):
            if found[1] != version:
                line = text.count("\n", 0, found.start(1)) + 1
                at = f"{path.relative_to(root)}:{line}"
                yield f"{at} installs {found[1]}: write {version} there"


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
            f"the tag is {tag}, pyproject.toml has version {version}. Set the version of the "
            f"tag there and run `make chart`, commit, and tag that commit; or tag v{version}"
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


def _changelog(root: Path) -> str:
    return (root / "CHANGELOG.md").read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
