"""Every `helm` and `kubectl` command in the documents is one that the program takes."""

import functools
import itertools
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from hack.charttools.tools import tool
from hack.cluster.binaries import find_binaries
from tests.chart.commands import Command, commands_in, commands_of
from tests.chart.rendering import CHART, RELEASE, ROOT, helm, presets, template_command

pytestmark = pytest.mark.chart
_README = ROOT / "README.md"
_ABOUT_THE_CHART = [CHART / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_DOCUMENTS = [_README, *_ABOUT_THE_CHART]  # the README's `--set` is the runner's


def _all(program: str) -> list[Command]:
    found = [it for path in _DOCUMENTS for it in commands_of(path) if it.words[0] == program]
    return list(dict.fromkeys(found))


def _settings() -> list[tuple[str, ...]]:
    """What documents say to give Helm for this chart: `--set` and files of values."""
    found = []
    for path in _ABOUT_THE_CHART:
        text = path.read_text(encoding="utf-8")
        spans = re.findall(r"`(-[^`]+)`", text) if "helm install" in text else []
        lines = [shlex.split(span) for span in spans if re.match(r"--set|-f charts/", span)]
        installs = [it.words for it in commands_of(path) if it.words[0] == "helm"]
        for words in [*lines, *(it for it in installs if any(_is_our_chart(word) for word in it))]:
            pairs = itertools.pairwise(words)
            given = [
                (flag, str(ROOT / value) if flag == "-f" else value)
                for flag, value in pairs
                if flag.startswith("--set") or (flag == "-f" and value.startswith("charts/"))
            ]
            if given:
                found.append(tuple(part for pair in given for part in pair))
    return list(dict.fromkeys(found))


def _is_our_chart(word: str) -> bool:
    return word.endswith("charts/tenyson")


@pytest.mark.parametrize("command", _all("helm"), ids=str)
def test_helm_knows_the_command_and_its_flags(command: Command) -> None:
    assert not _unknown_flags(command, str(tool("helm")))


@pytest.mark.parametrize("command", _all("kubectl"), ids=str)
def test_kubectl_knows_the_command_and_its_flags(command: Command) -> None:
    assert not _unknown_flags(command, find_binaries()["kubectl"])


def test_the_readme_installs_as_the_page_does_whose_commands_tests_run() -> None:
    run = {it.words for it in commands_of(ROOT / "docs" / "install.md")}
    shown = [it for it in commands_of(_README) if it.words[0] == "helm"]
    assert len(shown) == 2
    assert [it for it in shown if it.words not in run] == []


@pytest.mark.parametrize("given", _settings(), ids=" ".join)
def test_the_chart_takes_the_values_that_documents_set(given: tuple[str, ...]) -> None:
    answer = helm("template", RELEASE[0], CHART, *given, check=False)
    assert answer.returncode == 0, answer.stderr


def test_the_values_that_documents_show_for_the_chart_are_taken(tmp_path: Path) -> None:
    """Blocks of YAML that begin with the comment `# values.yaml`."""
    for path in _DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        for block in re.findall(r"^```yaml\n# values\.yaml\n(.*?)^```", text, re.M | re.S):
            values = tmp_path / "values.yaml"
            values.write_text(block, encoding="utf-8")
            answer = helm("template", RELEASE[0], CHART, "--values", values, check=False)
            assert answer.returncode == 0, f"{path.name}: {answer.stderr}"


@pytest.mark.parametrize("preset", presets())
def test_the_notes_end_with_a_command_that_can_be_typed(preset: str, tmp_path: Path) -> None:
    typed = [line.strip() for line in _notes(preset, tmp_path).splitlines() if line.strip()]
    found = [command for line in typed for command in commands_in(line, "NOTES.txt")]
    assert list(commands_in(typed[-1], "NOTES.txt")), f"the notes end with {typed[-1]!r}"
    programs = {"helm": str(tool("helm")), "kubectl": find_binaries()["kubectl"]}
    for command in found:
        assert not _unknown_flags(command, programs[command.words[0]]), command


def _notes(preset: str, folder: Path) -> str:
    """The notes, in an object: Helm itself shows them only where there is a cluster."""
    copy = shutil.copytree(CHART, folder / "tenyson")
    (copy / "templates" / "NOTES.txt").rename(copy / "notes.txt")
    (copy / "templates" / "notes.yaml").write_text(
        """apiVersion: v1
kind: ConfigMap
metadata: {name: notes}
data: {notes: {{ tpl (.Files.Get "notes.txt") . | toJson }}}
""",
        encoding="utf-8",
    )
    command = [*template_command(preset, copy), "--show-only", "templates/notes.yaml"]
    return str(yaml.safe_load(helm(*command).stdout)["data"]["notes"])


@pytest.mark.parametrize(
    "line", ["kubectl get pods --no-such-flag", "kubectl applly -f x", "kubectl get -Z"]
)
def test_a_wrong_command_would_be_found(line: str) -> None:
    (command,) = commands_in(line, "here")
    assert _unknown_flags(command, find_binaries()["kubectl"])


def test_commands_are_found_behind_pipes_and_in_substitutions() -> None:
    line = "A=1 kubectl get tj -o json | jq . && helm list; echo $(kubectl get pods)"
    assert [it.words[:2] for it in commands_in(line, "here")] == [
        ("kubectl", "get"),
        ("kubectl", "get"),
        ("helm", "list"),
    ]


def _unknown_flags(command: Command, program: str) -> list[str]:
    """What the program's own help does not name: the subcommand, or flags."""
    text = _help(program, tuple(_subcommand(command, program)))
    if not text:
        return [" ".join(command.words[:2])]
    known = set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", text))
    return [flag for flag in command.flags if flag not in known]


def _subcommand(command: Command, program: str) -> list[str]:
    """The words before the first that the program does not know as a command of its own."""
    words: list[str] = []
    for word in command.words[1:]:
        if word.startswith("-") or word not in _commands(program, tuple(words)):
            break
        words.append(word)
    return words


@functools.cache
def _commands(program: str, words: tuple[str, ...]) -> set[str]:
    return set(re.findall(r"^  ([a-z][a-z-]*) {2,}", _run(program, *words, "--help"), re.M))


@functools.cache
def _help(program: str, words: tuple[str, ...]) -> str:
    """The help of a command with the flags that all have; empty where there is no such command."""
    if not words:
        return ""
    everywhere = "" if Path(program).name == "helm" else _run(program, "options")
    return _run(program, *words, "--help") + everywhere


def _run(*command: str) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return answer.stdout
