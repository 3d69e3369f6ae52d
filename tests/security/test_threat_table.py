"""Every row of the threat tables names tests, and each of them exists."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "security.md"
ROW = re.compile(r"^\| (?P<row>[A-Z]\d+) \|(?P<cells>.*)\|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.(?:py|yaml))(?:::(\w+))?`")


def rows() -> dict[str, str]:
    text = DOCUMENT.read_text(encoding="utf-8")
    return {match["row"]: match["cells"].rsplit("|", 1)[1] for match in ROW.finditer(text)}


@cache
def defined_in(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, functions))


def test_there_are_rows_and_each_has_a_number_of_its_own() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert len(rows()) == len(ROW.findall(text)) > 30


@pytest.mark.parametrize(("row", "proofs"), rows().items())
def test_a_row_names_tests_that_exist(row: str, proofs: str) -> None:
    named = TEST.findall(proofs)
    assert named, f"{row} names no test"
    for path, test in named:
        assert (ROOT / path).is_file(), f"{row}: there is no {path}"
        assert test.startswith("test_"), f"{row}: {path} alone is no test"
        assert test in defined_in(ROOT / path), f"{row}: {path} has no {test}"
