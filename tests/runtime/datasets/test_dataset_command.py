"""`tenyson dataset`: the document's example by hand."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tenyson.cli import dataset as dataset_command
from tenyson.cli.main import main
from tenyson.contract import ExitCode
from tenyson.datasets.formats import FORMATS
from tenyson.datasets.manifest import DATA_FILE, MANIFEST_FILE
from tenyson.datasets.selection import STRATEGIES

BUILD = (
    *("dataset", "build", "--name", "hcd_baseline", "--version", "v1"),
    *("--source", "generator:high_card_duel?count=300&seed=42"),
    *("--filter", "game=high_card_duel", "--limit", "100"),
    *("--selection-strategy", "latest", "--seed", "42"),
)


def test_the_documents_example_runs(capsys: Any, tmp_path: Path) -> None:
    output = tmp_path / "training_data.jsonl"

    assert main(BUILD) == 0
    assert capsys.readouterr().out.startswith("Built hcd_baseline-v1: 100 rows\n")
    assert main(BUILD) == 0
    assert "is there already with the same 100 rows" in capsys.readouterr().out
    export = ["dataset", "export", "hcd_baseline-v1", "--format", "tunix_sft"]
    assert main([*export, "--output", str(output)]) == 0

    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 100
    assert list(lines[0]) == ["id", "prompts", "final_answer", "metadata"]
    assert lines[0]["prompts"].startswith("<start_of_turn>user\nHigh Card Duel")


def test_list_show_and_verify_tell_of_it(capsys: Any) -> None:
    main(BUILD)
    capsys.readouterr()

    assert main(["dataset", "list"]) == 0
    assert "hcd_baseline-v1  100 " in capsys.readouterr().out
    assert main(["dataset", "show", "hcd_baseline-v1", "--rows", "1"]) == 0
    said = capsys.readouterr().out
    assert "left out  200 by the selection (limit 100, latest)" in said
    assert "prompt: High Card Duel" in said
    assert main(["dataset", "verify", "--all"]) == 0
    assert capsys.readouterr().out.startswith("OK   hcd_baseline-v1: 100 rows")
    assert main(["dataset", "show", "hcd_baseline-v1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["key"] == "hcd_baseline-v1"


def test_other_rows_under_the_same_version_are_refused(capsys: Any) -> None:
    main(BUILD)

    assert main([*BUILD, "--seed", "7", "--limit", "50"]) == ExitCode.CONFIG

    assert "limit: 100 → 50" in capsys.readouterr().err


def test_damage_is_told_by_list_and_verify(capsys: Any, store: Path) -> None:
    main(BUILD)
    main([*BUILD, "--version", "v2"])
    for key, file in (("hcd_baseline-v1", DATA_FILE), ("hcd_baseline-v2", MANIFEST_FILE)):
        path = store / key / file
        path.chmod(0o644)
        path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
    capsys.readouterr()

    assert main(["dataset", "verify", "--all"]) == ExitCode.TASK
    said = capsys.readouterr().out
    assert f"BAD  hcd_baseline-v1: {store}/hcd_baseline-v1/{DATA_FILE}" in said
    assert f"BAD  hcd_baseline-v2: {store}/hcd_baseline-v2/{MANIFEST_FILE}" in said
    assert main(["dataset", "list"]) == ExitCode.TASK
    captured = capsys.readouterr()
    assert "hcd_baseline-v1" in captured.out
    assert f"hcd_baseline-v2/{MANIFEST_FILE}" in captured.err


def test_what_list_and_verify_say_of_damage_does_nothing_to_a_terminal(
    capsys: Any, store: Path
) -> None:
    main(BUILD)
    path = store / "hcd_baseline-v1" / MANIFEST_FILE
    path.chmod(0o644)
    manifest = json.loads(path.read_text(encoding="utf-8"))
    *_, own_hash = manifest
    path.write_text(json.dumps({**manifest, own_hash: "\x1b[31mred"}), encoding="utf-8")
    capsys.readouterr()

    for word in (["list"], ["verify", "--all"]):
        assert main(["dataset", *word]) == ExitCode.TASK
        captured = capsys.readouterr()
        assert "\x1b" not in captured.out + captured.err
        assert "it says ␛[31mred" in captured.out + captured.err


def test_an_export_to_a_reader_that_stops_early_is_no_error(store: Path) -> None:
    main(BUILD)
    command = f"{sys.executable} -m tenyson.cli dataset export hcd_baseline-v1 --format jsonl"

    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -1"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["id"]


@pytest.mark.parametrize("pair", ["prompt", "=question", "prompt="])
def test_a_renaming_that_is_none_is_refused(pair: str, capsys: Any) -> None:
    assert main([*BUILD, "--map", pair]) == ExitCode.CONFIG
    assert f"--map {pair!r} is none; expected NEW=OLD" in capsys.readouterr().err


def test_the_command_knows_every_format_and_strategy() -> None:
    assert tuple(FORMATS) == dataset_command.FORMATS
    assert STRATEGIES == dataset_command.STRATEGIES
