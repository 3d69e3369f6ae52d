"""`tenyson runs` and `tenyson report` as a person or a script calls them."""

import json
import os
import pty
import select
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tenyson.cli.json_output import as_json
from tenyson.cli.main import main
from tenyson.cli.runs import since
from tenyson.contract import Env, ExitCode
from tenyson.errors import ConfigError
from tenyson.reporting import sparkline
from tests.runtime.reporting.chain import HOSTILE, RL, RL_EVAL, SFT, SFT_EVAL


@pytest.fixture
def tenyson(sqlite_chain: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    """Runs the command on the chain's database; returns its exit code, output and errors."""
    monkeypatch.setenv(Env.TELEMETRY_DB_URL, sqlite_chain)
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_a_piped_list_is_wide_and_has_no_colours(tenyson: Any) -> None:
    code, said, _ = tenyson("runs", "list")
    assert code == 0
    assert "\x1b" not in said
    lines = said.splitlines()
    assert lines[0].split()[:5] == ["Run", "Type", "Status", "Steps", "Result"]
    assert lines[3].split()[:6] == ["wordle-rl", "RL", "success", "60", "reward", "1.62"]
    assert any(block in lines[3] for block in "▁▂▃▄▅▆▇█")


@pytest.mark.parametrize("columns", [30, 50, 80, 100, 140, 200])
def test_a_list_fits_the_terminal(
    tenyson: Any, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = tenyson("runs", "list")[1].splitlines()
    assert max(map(len, lines)) <= columns
    assert len(lines) == 7


def test_on_a_terminal_the_status_has_a_colour(sqlite_chain: str) -> None:
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "120", Env.TELEMETRY_DB_URL: sqlite_chain}
    env.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "tenyson.cli", "runs", "list"]
    process = subprocess.Popen(command, stdout=theirs, env=env)
    os.close(theirs)
    said = b""
    while select.select([ours], [], [], 30)[0]:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux ends a terminal like this
            break
        if not part:
            break
        said += part
    assert process.wait() == 0
    assert b"\x1b[31mfailed" in said
    assert b"\x1b[32msuccess" in said


def test_a_list_for_scripts_is_json(tenyson: Any) -> None:
    code, said, _ = tenyson("runs", "list", "--json", "--job-type", "rl", "--status", "success")
    [entry] = json.loads(said)
    assert code == 0
    assert (entry["run_id"], entry["status"], entry["parents"]) == (RL, "success", [SFT])
    assert len(entry["curve"]["points"]) == 60


def test_filters_that_match_nothing_say_so(tenyson: Any) -> None:
    assert tenyson("runs", "list", "--since", "1h")[1] == "No run matches.\n"
    assert json.loads(tenyson("runs", "list", "--since", "1h", "--json")[1]) == []


def test_show_tells_of_attempts_checkpoints_events_and_metrics(tenyson: Any) -> None:
    said = tenyson("runs", "show", SFT)[1]
    for part in ("Attempts", "unfinished", "checkpoint-80", "from step 40, exact", "eval_loss"):
        assert part in said
    shown = json.loads(tenyson("runs", "show", RL, "--json")[1])
    assert [e["kind"] for e in shown["events"]] == ["guard", "oom"]
    assert shown["run"]["attempts"][0]["exit_code"] == 0
    assert {r["run_id"] for r in shown["related"]} == {SFT, RL_EVAL}


def test_a_runs_manifest_can_be_given_to_replay(tenyson: Any, tmp_path: Path) -> None:
    from tenyson.manifest.reading import read_manifest

    path = tmp_path / "run_manifest.json"
    path.write_text(tenyson("runs", "show", RL, "--manifest")[1])
    assert read_manifest(path)["run_id"] == RL


def test_compare_tests_evaluations_on_shared_prompts(tenyson: Any) -> None:
    said = tenyson("runs", "compare", SFT_EVAL, RL_EVAL)[1]
    assert "B against A, correct: improved." in said
    compared = json.loads(tenyson("runs", "compare", SFT, RL, "--json")[1])
    # Training runs are compared by the evaluations of what they trained.
    by_metric = {found["metric"]: found for found in compared["paired"]}
    assert by_metric["correct"]["verdict"] == "improved"
    assert by_metric["correct"]["prompts"] == 120
    changed = {d["path"]: (d["left"], d["right"]) for d in compared["differences"]}
    assert changed["training.max_steps"] == (80, 60)
    assert list(compared["curves"]) == ["grad_norm"]


def test_compare_pairs_models_of_one_label(
    own_chain: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    same = "attempt, step, created_at, generation_id, row_id, sample_index, prompt, prompt_hash"
    copied = (
        f"INSERT INTO eval_samples (id, run_id, model, scores, {same}) "
        "SELECT id || '{label}', run_id, '{label}', '{{\"correct\": 0}}', " + same + " "
        "FROM eval_samples WHERE run_id = '{run}' AND model = ''"
    )
    url = own_chain(
        "UPDATE eval_samples SET attempt = 1",
        copied.format(label="base", run=SFT_EVAL),
        copied.format(label="sft", run=RL_EVAL),
        "UPDATE eval_samples SET attempt = 0 WHERE model IN ('base', 'sft')",
    )
    monkeypatch.setenv(Env.TELEMETRY_DB_URL, url)
    for pair in ((SFT_EVAL, RL_EVAL), (SFT, RL)):
        assert main(["runs", "compare", *pair, "--json"]) == 0
        compared = json.loads(capsys.readouterr().out)
        by_metric = {found["metric"]: found["change"] for found in compared["paired"]}
        assert by_metric["in_dictionary"]["before"]["n"] == 120  # only the label "" has it
        assert by_metric["correct"]["before"]["value"] > 0


def test_compare_tells_of_other_settings_first(
    own_chain: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    given = "json_set(config, '$.task.scorer', 'exact')"
    url = own_chain(f"UPDATE runs SET config = {given} WHERE run_id = '{RL_EVAL}'")
    monkeypatch.setenv(Env.TELEMETRY_DB_URL, url)
    assert main(["runs", "compare", SFT, RL]) == 0
    said = capsys.readouterr().out.split("Verdict\n")[1]
    assert said.startswith(
        "Not the same beside the training: task.scorer is None for A, 'exact' for B\n"
    )


def test_compare_calls_a_rise_of_what_should_be_low_a_regression(
    own_chain: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    lower = """json_set(manifest, '$.lower_is_better', json('["correct"]'))"""
    monkeypatch.setenv(Env.TELEMETRY_DB_URL, own_chain(f"UPDATE runs SET manifest = {lower}"))
    assert main(["runs", "compare", SFT, RL]) == 0
    assert "B against A, correct: regressed." in capsys.readouterr().out


def test_compare_concludes_nothing_without_evaluations(tenyson: Any) -> None:
    said = tenyson("runs", "compare", RL, "wordle-broken")[1]
    assert "Run B lacks evaluations with per-prompt scores: nothing may be concluded." in said


@pytest.mark.parametrize("name", ["report.md", "report.html"])
def test_a_report_is_written_where_it_is_wanted(tenyson: Any, tmp_path: Path, name: str) -> None:
    path = tmp_path / "deep" / name
    assert tenyson("report", RL, "--output", str(path))[:2] == (0, f"{path}\n")
    assert "improved" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("runs", "show", "nothing"), "The database knows no run 'nothing'."),
        (("report", "wordle"), "is 6 runs or more"),
        (("report", RL, "--output", "report.pdf"), "written as .md or .html"),
        (("report", RL, "--metric", "corect"), "no metric 'corect'. Did you mean 'correct'?"),
        (("runs", "list", "--since", "soon"), "'soon' is no age and no date"),
        (("runs", "list", "--db-url", "mysql://x"), "SQLite or PostgreSQL"),
        (("runs", "list", "--db-url", ""), "names no telemetry database"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(
    tenyson: Any, arguments: tuple[str, ...], said: str
) -> None:
    code, out, errors = tenyson(*arguments)
    assert code == ExitCode.CONFIG
    assert said in errors
    assert out == ""


def test_a_database_that_is_not_there_is_a_dependency(tenyson: Any, tmp_path: Path) -> None:
    code, _, errors = tenyson("runs", "list", "--db-url", f"sqlite:///{tmp_path}/none.db")
    assert code == ExitCode.DEPENDENCY
    assert "none.db" in errors
    assert not (tmp_path / "none.db").exists()


def test_texts_of_the_database_reach_the_terminal_visibly(
    own_chain: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    text = HOSTILE[1] + "[red]markup[/red]"
    url = own_chain(
        f"UPDATE events SET message = '{text}'", f"UPDATE runs SET name = '{text}' || run_id"
    )
    monkeypatch.setenv(Env.TELEMETRY_DB_URL, url)
    for arguments in (("list",), ("show", RL), ("compare", SFT, RL)):
        assert main(["runs", *arguments]) == 0
        said = capsys.readouterr().out
        assert "\x1b" not in said
        assert "\x07" not in said
        assert "␛[31mred" in said


def test_json_has_no_nan_and_no_half_characters() -> None:
    said = as_json({"a": float("nan"), "b": [float("inf"), timedelta(seconds=2)], "c": "\ud83d"})
    assert json.loads(said) == {"a": None, "b": [None, 2.0], "c": "\ud83d"}
    said.encode()


def test_since_takes_ages_and_dates() -> None:
    now = datetime(2026, 7, 8, 12, tzinfo=UTC)
    assert since("7d", now) == datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert since("90m", now) == now - timedelta(minutes=90)
    assert since("2026-07-01", now) == datetime(2026, 7, 1, tzinfo=UTC)
    assert since("2026-07-01T10:00+02:00", now) == datetime(2026, 7, 1, 8, tzinfo=UTC)
    with pytest.raises(ConfigError, match="no age and no date"):
        since("yesterday", now)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], ""),
        ([1], "▄"),
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([0, float("nan"), 7], "▁ █"),
        ([float("nan")], ""),
        ([0] * 50 + [1] * 50, "▁▁▁▁████"),
    ],
)
def test_a_sparkline_shows_the_curve(values: list[float], expected: str) -> None:
    assert sparkline([(float(i), float(v)) for i, v in enumerate(values)], 8) == expected
