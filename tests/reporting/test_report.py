"""The whole report from the database: what it says."""

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tenyson.evaluation.changes import Change, changes_of
from tenyson.reporting import queries
from tenyson.reporting.numbers import p_text, size_text
from tenyson.reporting.report import Report, as_html, make_report, write_report
from tenyson.reporting.report.writing import OutputError
from tenyson.telemetry.reading import open_database
from tests.reporting.reports import HEADINGS, made, section
from tests.reporting.reports import report as report  # a fixture
from tests.runtime.reporting.chain import BASE_EVAL, RL, RL_EVAL, SFT, SFT_EVAL


def changes(url: str, before: str, after: str, *metrics: str, **options: Any) -> dict[str, Change]:
    engine = open_database(url)
    with engine.connect() as connection:
        [[old], [new]] = [queries.model_scores(connection, run) for run in (before, after)]
    engine.dispose()
    pairs = {
        m: ([[old.scores[m][i]] for i in old.prompts], [[new.scores[m][i]] for i in old.prompts])
        for m in metrics
    }
    return changes_of(pairs, **options)


def test_the_verdict_comes_first_and_the_whole_way_before_its_parts(report: Report) -> None:
    lines = report.markdown.splitlines()
    assert lines[0].startswith("# wordle-rl")
    assert lines[2].startswith("- RL against base: **improved**, +")
    assert [line.split(":")[0] for line in lines[3:5]] == ["- SFT against base", "- RL against SFT"]


def test_every_part_is_there_in_order(report: Report) -> None:
    assert re.findall(r"^## (.+)$", report.markdown, re.MULTILINE) == HEADINGS


def test_the_lineage_shows_who_comes_from_whom(report: Report) -> None:
    lines = section(report, "Lineage").strip().splitlines()
    indents = {re.findall(r"`([^`]+)`", line)[0]: len(line) - len(line.lstrip()) for line in lines}
    assert indents == {
        "wordle-base-eval": 0, "wordle-sft": 0, "wordle-sft-eval": 2, "wordle-rl": 2,
        "wordle-eval": 4,
    }  # fmt: skip
    assert [line for line in lines if line.endswith("← this report")] == [lines[3]]


def test_changes_of_the_configuration_and_guards_are_told(report: Report) -> None:
    assert "| `training.learning_rate` | `0.003` | `0.0005` |" in section(
        report, "What was changed from run to run"
    )
    guards = section(report, "Events").split("### Other events")[0]
    assert "entropy 0.19 is below 0.2" in guards
    assert "out of memory" not in guards


def test_three_groups_of_each_kind_are_shown_with_their_texts(report: Report) -> None:
    groups = section(report, "Groups of completions")
    for kind in ("Best", "Worst", "Zero variance"):
        assert len(re.findall(rf"^### {kind} \d: step", groups, re.MULTILINE)) == 3
    assert "␛[31mred" in groups
    assert "half a pair \\ud83d, turned \\u202egnp.exe" in groups
    shown = re.findall(r"^Prompt:\n\n```text\n(.+?)\n```$", groups, re.MULTILINE)
    assert len(shown) == len(set(shown)) == 9


def test_times_cost_and_commands_are_told(report: Report) -> None:
    assert "| forward_backward |  | 2 min 30 s" in section(report, "Time, tokens and cost")
    assert "tenyson runs show wordle-rl --manifest > wordle-rl.manifest.json" in report.markdown
    assert "| torch | `2.13.0` |" in section(report, "Environment")


def test_the_same_database_gives_the_same_report(report: Report, sqlite_chain: str) -> None:
    again = made(sqlite_chain, RL)
    assert again.markdown == report.markdown
    assert again.pictures == report.pictures


def test_postgresql_gives_the_same_report_as_sqlite(report: Report, postgresql_chain: str) -> None:
    there = made(postgresql_chain, RL)
    assert there.markdown == report.markdown
    assert there.pictures == report.pictures


def test_markdown_refers_to_the_pictures_that_lie_beside_it(report: Report, tmp_path: Path) -> None:
    path = write_report(report, tmp_path / "my run.md")
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", path.read_text(encoding="utf-8"))
    assert len(shown) == 3
    assert all((tmp_path / target.replace("%20", " ")).is_file() for target in shown)


@pytest.mark.parametrize("name", ["report.pdf", "report", "no/such/\0/report.md"])
def test_a_place_that_takes_no_report_is_refused(report: Report, tmp_path: Path, name: str) -> None:
    with pytest.raises((OutputError, ValueError)):
        write_report(report, tmp_path / name)


def test_a_failed_run_says_so_first_and_concludes_nothing(engine: Engine) -> None:
    report = make_report(engine, ["wordle-broken"])
    first, second = report.markdown.splitlines()[2:4]
    assert first.startswith("- `wordle-broken` **failed**: RewardError: Reward")
    assert second.startswith("- **Not shown**: no two models")
    assert "This lineage holds no evaluation." in second


def test_runs_of_one_name_have_columns_and_files_of_their_own(own_chain: Any) -> None:
    report = made(
        own_chain(
            "UPDATE runs SET name = 'team/wordle $1'",
            f"UPDATE runs SET seed = 7, model = 'other' WHERE run_id = '{SFT}'",
        ),
        RL,
    )
    [row] = [x for x in section(report, "Environment").splitlines() if x.startswith("| Seed")]
    assert row.count("`0`") == 4
    assert row.count("`7`") == 1
    files = re.findall(r"--manifest > (\S+)", section(report, "Once more"))
    assert len(files) == len(set(files)) == 5
    assert f"{RL}.manifest.json" in files


def test_of_a_number_that_should_be_low_a_rise_is_a_regression(own_chain: Any) -> None:
    lower = """json_set(manifest, '$.lower_is_better', json('["correct"]'))"""
    told = made(own_chain(f"UPDATE runs SET manifest = {lower}"), RL).markdown
    assert told.splitlines()[2].startswith("- RL against base: **regressed**, +")
    assert re.search(r"\| base → RL \| \+.*\| 0 / [1-9]\d* / \d+ \|", told)
    lost = told.split("### Most lost")[1]
    assert ": 0 → 1" in lost
    assert ": 1 → 0" not in lost


def test_other_settings_of_an_evaluation_are_told_first(report: Report, own_chain: Any) -> None:
    assert "beside the training" not in report.markdown
    url = own_chain(
        "UPDATE runs SET config = json_set(config, '$.evaluation', "
        "json_object('temperature', CASE run_id WHEN '" + RL_EVAL + "' THEN 0.7 ELSE 0.0 END))"
    )
    assert made(url, RL).markdown.splitlines()[2] == (
        "- **Not the same beside the training**: evaluation.temperature is 0.0 for base, "
        "0.0 for SFT, 0.7 for RL"
    )
    greedy = own_chain(
        "UPDATE runs SET config = json_set(config, '$.evaluation', json_object('include_greedy', "
        "json('true'), 'temperature', CASE run_id WHEN '" + RL_EVAL + "' THEN 0.7 ELSE 1.0 END))"
    )
    assert "beside the training" not in made(greedy, RL).markdown


def test_a_report_on_sft_alone_leaves_out_what_came_after(engine: Engine) -> None:
    report = make_report(engine, [SFT])
    assert report.markdown.splitlines()[2].startswith("- SFT against base: **improved**")
    assert "wordle-rl" not in report.markdown


def test_another_metric_may_be_asked_for(sqlite_chain: str) -> None:
    report = made(sqlite_chain, RL, metric="in_dictionary")
    assert "`in_dictionary` of 120 prompts" in report.markdown.splitlines()[2]


def test_what_is_not_shown_says_what_these_prompts_could_show(own_chain: Any) -> None:
    url = own_chain("DELETE FROM eval_samples WHERE CAST(substr(row_id, 2) AS INTEGER) >= 12")
    lines = made(url, RL).markdown.splitlines()
    [line] = [line for line in lines if line.startswith("- RL against SFT")]
    assert "**not shown**" in line
    told = re.search(r"of 12 prompts. So many show a difference of ([\d.]+) points or more", line)
    assert told is not None
    # One of three comparisons, which are held to Holm together.
    alone, of_three = (
        changes(url, SFT_EVAL, RL_EVAL, "correct", alpha=alpha)["correct"].smallest_detectable or 0
        for alpha in (0.05, 0.05 / 3)
    )
    assert alone < of_three
    assert f"{told[1]} points" == size_text(of_three, is_share=True)


def test_other_metrics_are_tested_together_with_the_main_one(sqlite_chain: str) -> None:
    report = made(sqlite_chain, RL, metric="in_dictionary")
    [row] = [line for line in report.markdown.splitlines() if line.startswith("| `correct`")]
    told = re.search(r"\| \+[\d.]+ points \| ([\d.e-]+) \| improved \|$", row)
    assert told is not None
    found = changes(sqlite_chain, BASE_EVAL, RL_EVAL, "correct", "in_dictionary")["correct"]
    assert told[1] == p_text(found.p_adjusted)
    assert found.p_adjusted > found.test.p_value


def test_what_was_never_recorded_leaves_sentences(own_chain: Any) -> None:
    url = own_chain(
        "DELETE FROM eval_samples", "DELETE FROM reward_components", "DELETE FROM events",
        "DELETE FROM metrics", "UPDATE generations SET completion = NULL",
        "UPDATE runs SET manifest = NULL", "DELETE FROM attempts", "DELETE FROM checkpoints",
    )  # fmt: skip
    report = made(url, RL)
    for sentence in (
        "left no per-prompt scores in the database", "has logged no metrics",
        "No run of this lineage recorded reward functions", "No events were recorded",
        "No attempt recorded its measurements", "Its text was not kept",
        "No run recorded a manifest", "unfinished (it runs, or was killed)",
    ):  # fmt: skip
        assert sentence in report.markdown, sentence
    as_html(report)


def test_without_matplotlib_the_report_has_no_pictures_and_says_why(
    sqlite_chain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    report = made(sqlite_chain, RL)
    assert report.pictures == {}
    assert "pip install 'tenyson&#91;report&#93;'" in report.markdown


def test_a_model_that_a_run_before_trained_whole_is_no_other_model(own_chain: Any) -> None:
    trained_whole = [
        f"UPDATE runs SET config = json_set(config, '$.adapter.kind', 'full') "
        f"WHERE run_id = '{SFT}'",
        f"UPDATE runs SET config = json_set(config, '$.model.name', 'sft/checkpoint-final') "
        f"WHERE run_id IN ('{RL}', '{RL_EVAL}', '{SFT_EVAL}')",
    ]
    assert "beside the training" not in made(own_chain(*trained_whole), RL).markdown
    another = (
        f"UPDATE runs SET config = json_set(config, '$.model.name', 'another') "
        f"WHERE run_id = '{SFT}'"
    )
    told = made(own_chain(*trained_whole, another), RL).markdown
    assert "**Not the same beside the training**: model.name is" in told
