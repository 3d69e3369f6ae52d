"""Where the chart's tools come from: the PATH where the version fits, else the pinned build."""

from pathlib import Path

import pytest

from hack.charttools import tools
from hack.charttools.tools import SOURCES, TOOLS, fits, pinned_versions, tool


def test_every_tool_of_others_has_its_version_from_go_mod() -> None:
    for name, wanted in TOOLS.items():
        assert wanted.version == (pinned_versions()[wanted.module] if wanted.module else ""), name
        assert wanted.version or wanted.package.startswith("./"), name


def test_go_mod_names_the_same_tools() -> None:
    declared = (SOURCES / "go.mod").read_text().partition("tool (\n")[2].partition("\n)")[0].split()
    assert set(declared) == {it.package for it in TOOLS.values() if it.module}


@pytest.mark.parametrize(
    ("found", "wanted", "exactly", "verdict"),
    [
        ("3.22.0", "3.22.0", False, True),
        ("3.22.1", "3.22.0", False, True),
        ("3.30.0", "3.22.0", False, True),
        ("3.21.9", "3.22.0", False, False),
        ("4.0.0", "3.22.0", False, False),
        ("1.14.3", "1.14.2", True, False),
        ("1.14.2", "1.14.2", True, True),
    ],
)
def test_a_version_fits(found: str, wanted: str, exactly: bool, verdict: bool) -> None:
    assert fits(found, wanted, exactly=exactly) is verdict


@pytest.mark.parametrize(
    ("answer", "taken"), [("v99.0.0", False), ("v{wanted}+g1234567", True), ("what?", False)]
)
def test_a_program_on_the_path_is_taken_if_its_version_fits(
    answer: str, taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "helm"
    program.write_text(f"#!/bin/sh\necho {answer.format(wanted=TOOLS['helm'].version)}\n")
    program.chmod(0o755)
    built = tmp_path / "built"
    built.mkdir()
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(tools, "cached_tools_folder", lambda: built)
    said: list[str] = []
    assert tool("helm", said.append) == (program if taken else built / "helm")
    assert bool(said) is not taken


def test_a_change_of_a_source_or_a_version_is_another_build(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = tools.cached_tools_folder()
    assert tools.cached_tools_folder() == before
    monkeypatch.setitem(TOOLS, "another", tools.Tool("./another"))
    assert tools.cached_tools_folder() != before
