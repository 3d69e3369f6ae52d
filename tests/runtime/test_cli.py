"""The `tenyson` command: what it knows, and what `doctor` finds."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from tenyson.cli import doctor, examinations
from tenyson.cli.main import COMMANDS, main
from tenyson.contract import Env, ExitCode


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom tenyson.cli.main import main\nmain(['--help'])\n"
        "heavy = {'torch', 'rich', 'pydantic', 'yaml', 'sqlalchemy', 'trl'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_tells_of_itself(name: str, capsys: Any) -> None:
    try:
        code = main([name, "--help"])
    except SystemExit as end:  # argparse's own
        code = int(end.code or 0)

    assert code == 0
    assert "usage" in capsys.readouterr().out


def test_an_unknown_command_is_answered_with_the_nearest_one(capsys: Any) -> None:
    assert main(["relpay"]) == ExitCode.CONFIG
    assert "Did you mean 'replay'?" in capsys.readouterr().err


def test_the_console_command_is_this_one() -> None:
    text = Path(__file__).parents[2].joinpath("pyproject.toml").read_text(encoding="utf-8")

    assert 'tenyson = "tenyson.cli.main:main"' in text


def test_an_error_is_a_sentence_with_its_remedy(tmp_path: Path, capsys: Any) -> None:
    assert main(["diff", str(tmp_path), str(tmp_path)]) == ExitCode.CONFIG

    said = capsys.readouterr().err
    assert f"{tmp_path}: there is no such file" in said
    assert "Give the run_manifest.json of a run" in said


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> Any:
    """Runs the doctor in surroundings of which the test says all; returns code and words."""
    for name in (Env.TELEMETRY_DB_URL, Env.OUTPUT_URI, Env.OUTPUT_DIR, Env.HUB_TOKEN, Env.HUB_REPO):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))

    def run(*arguments: str, **env: str) -> tuple[int, str]:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        code = doctor.main(["--output-dir", str(tmp_path), *arguments])
        return code, capsys.readouterr().out

    return run


def test_a_laptop_without_services_is_ready_and_told_what_it_lacks(examined: Any) -> None:
    code, said = examined()

    assert code == 0
    assert said.endswith("Ready.\n")
    assert f"Set {Env.TELEMETRY_DB_URL} to use one." in said
    assert "OK    torch: 2." in said


def test_a_database_and_a_storage_that_answer_are_well(examined: Any, tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    url, uri = f"sqlite:///{tmp_path}/t.db", f"file://{tmp_path}/bucket"

    code, said = examined("--db-url", url, "--output-uri", uri)

    assert code == 0
    assert "OK    telemetry: " in said
    assert "OK    storage: " in said
    assert list((tmp_path / "bucket").iterdir()) == []


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql", "postgres"])
def test_a_database_that_is_away_is_noted_and_its_password_stays_secret(
    driver: str, examined: Any
) -> None:
    code, said = examined("--db-url", f"{driver}://me:hidden@127.0.0.1:9/db")

    assert code == 0
    assert f"note  telemetry: {driver}://me:***@127.0.0.1:9/db: " in said
    assert "OperationalError" in said
    assert "hidden" not in said
    assert "Training goes on without it" in said


def test_a_database_that_a_run_would_refuse_is_bad(examined: Any) -> None:
    code, said = examined("--db-url", "mysql://me:hidden@127.0.0.1:9/db")

    assert code == 1
    assert "BAD   telemetry: mysql://me:***@127.0.0.1:9/db: " in said
    assert "names the database 'mysql'" in said
    assert "hidden" not in said


def test_a_storage_that_cannot_be_used_is_bad(examined: Any) -> None:
    code, said = examined("--output-uri", "nosuch://bucket")

    assert code == 1
    assert "BAD   storage: " in said


def test_pushing_to_the_hub_without_a_token_is_bad(examined: Any) -> None:
    assert examined()[0] == 0
    code, said = examined(**{Env.HUB_REPO: "me/model"})

    assert code == 1
    assert f"set {Env.HUB_TOKEN}" in said
    code, said = examined(**{Env.HUB_TOKEN: "hf_secret"})
    assert code == 0
    assert "hf_secret" not in said


def test_another_version_than_the_tested_one_is_told_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: ["trl==9.9.9; extra == 'train'"])

    found = {finding.what: finding for finding in examinations.check_libraries()}

    assert found["trl"].mark == "note"
    assert "pip install 'trl==9.9.9'" in found["trl"].remedy
    assert found["torch"].mark == "ok"


def test_a_library_that_is_missing_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examinations, "NEEDED_TO_TRAIN", ("no-such-library",))

    (finding,) = examinations.check_libraries()

    assert (finding.mark, finding.said) == ("bad", "is not installed")
    assert "tenyson[train]" in finding.remedy


def test_a_folder_that_cannot_be_written_is_bad(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(examinations.os, "access", lambda path, mode: False)

    (finding,) = examinations.check_disk(tmp_path / "new" / "run")

    assert finding.mark == "bad"
    assert str(tmp_path) in finding.said
