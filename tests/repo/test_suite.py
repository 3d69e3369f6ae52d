"""How `make test` judges its two halves: each case runs pytest for real on small files."""

from pathlib import Path

import pytest

from hack.suite import FEW, Half, run

PASSES = "def test_passes(): pass\n"
FAILS = "def test_fails(): assert False\n"
UNSTEADY = """
from pathlib import Path

def test_is_unsteady(request):
    seen = Path(__file__).with_name(request.node.name)
    first = not seen.exists()
    seen.touch()
    assert not first
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def halves(folder: Path, behind: str, before: str) -> int:
    both = []
    for name, content in (("behind", behind), ("before", before)):
        (folder / f"test_{name}.py").write_text(content)
        both.append(Half(name, (f"test_{name}.py",)))
    return run(*both)


def test_tests_that_pass_are_shown_from_both_halves(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert halves(folder, PASSES, PASSES) == 0
    shown = capfd.readouterr().out
    assert shown.count("1 passed") == 2
    assert "Once more" not in shown


@pytest.mark.parametrize("broken", ["behind", "before"])
def test_a_test_that_fails_alone_too_fails_the_whole(folder: Path, broken: str) -> None:
    contents = {"behind": PASSES, "before": PASSES, broken: FAILS}
    assert halves(folder, contents["behind"], contents["before"]) == 1


@pytest.mark.parametrize("unsteady", ["behind", "before"])
def test_a_test_that_passes_alone_is_named_as_unsteady(
    folder: Path, capfd: pytest.CaptureFixture[str], unsteady: str
) -> None:
    contents = {"behind": PASSES, "before": PASSES, unsteady: UNSTEADY}
    assert halves(folder, contents["behind"], contents["before"]) == 0
    last = capfd.readouterr().out.splitlines()[-2:]
    assert last[0].startswith("Unsteady, to be mended")
    assert last[1] == f"  test_{unsteady}.py::test_is_unsteady"


def test_many_failures_do_not_run_again(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    many = "\n".join(UNSTEADY.replace("is_", f"is_{n}_") for n in range(FEW + 1))
    assert halves(folder, many, PASSES) == 1
    assert "Once more" not in capfd.readouterr().out


def test_a_test_file_that_cannot_be_read_fails_the_whole(folder: Path) -> None:
    assert halves(folder, "import nothing_of_this_name\n", PASSES) == 1
