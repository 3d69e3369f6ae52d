"""The delta report: what it says about two files of answers."""

import json
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from tenyson.cli.main import main
from tenyson.contract import ExitCode
from tenyson.reporting import ComparisonError, delta_report
from tests.reporting.answers import pair as pair  # a fixture
from tests.reporting.answers import row, write

HOSTILE = {
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "a fence": "```\n# I am a heading\n```",
    "longer fences": "`````` \n``````\n# out",
    "tildes": "~~~\n# out\n~~~",
    "markdown": "[click](javascript:alert(1)) ![x](http://evil/x.png) | a | b |",
    "terminal": "\x1b[2J\x1b]0;owned\x07 gone \x9b31m",
    "nul": "a\x00b",
    "surrogate": "a\ud800b\udfffc",
    "direction": "abc\u202edcba\u2066",
    "tags": "a\U000e0041\U000e0042",
    "lines": "a\rb\u2028c\u0085d\x0be",
    "backticks only": "``",
    "empty": "",
}


def test_the_verdict_comes_first_with_its_numbers(pair: Any) -> None:
    text = delta_report(*pair()).markdown()

    assert text.splitlines()[2] == (
        "**`exact`: improved.** 40.0 % → 60.0 %, +20.0 points (95 % interval +11.4 to +27.8), "
        "p 1.9e-06."
    )
    assert "| exact | 20 | 0 | 80 |" in text
    assert "McNemar, exact, two-sided" in text


def test_a_temperature_of_0_is_told_among_the_settings(pair: Any) -> None:
    assert "temperature 0.0" in delta_report(*pair()).markdown()


def test_what_is_not_shown_says_what_it_would_take(pair: Any) -> None:
    text = delta_report(*pair(right=43)).markdown()

    assert "**`exact`: not shown.** 40.0 % → 43.0 %, +3.0 points" in text
    assert "100 prompts show a difference of 7.8 points or more in 8 of 10 evaluations" in text
    assert "One of 3.0 points, as found here, takes about 2" in text


def test_too_few_prompts_say_so(pair: Any) -> None:
    assert "4 prompts are too few to show any difference" in delta_report(*pair(of=4)).markdown()


def test_gains_and_regressions_are_shown_with_their_texts(pair: Any) -> None:
    def lose_two(rows: list[dict[str, Any]]) -> None:
        for i in (3, 5):
            rows[i] |= {"completion": f"wrong {i}", "scores": {"exact": 0.0}}

    report = delta_report(*pair(lose_two), examples=2)

    assert [e.id for e in report.regressions] == ["q3", "q5"]
    assert [e.id for e in report.gains] == ["q40", "q41"]
    text = report.markdown()
    assert "### `q3`: 1 → 0" in text
    assert "```text\nwrong 3\n```" in text
    assert text.index("Worst regressions") < text.index("q3") < text.index("Best gains")


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_hostile_answers_are_kept_whole_and_shown_harmlessly(hostile: str, pair: Any) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[50] |= {"completion": hostile, "scores": {"exact": 1.0}}
        rows[0] |= {"completion": hostile, "scores": {"exact": 0.0}}

    report = delta_report(*pair(change), examples=50)

    assert report.after.rows["q0"].completions == (hostile,)
    text = report.markdown()
    headings = [t for t in MarkdownIt("gfm-like", {"linkify": False}).parse(text)
                if t.type in ("heading_open", "html_block")]  # fmt: skip
    plain = delta_report(*pair(lambda rows: rows[0].update(scores={"exact": 0.0})), examples=50)
    assert len(headings) == len(
        [t for t in MarkdownIt().parse(plain.markdown()) if t.type == "heading_open"]
    )
    assert all(char.isprintable() or char in "\n\t\u200d" for char in text)
    text.encode("utf-8")


def test_of_a_score_that_should_be_low_the_falls_are_gains(pair: Any) -> None:
    def lower(rows: list[dict[str, Any]]) -> None:
        for one in rows:
            one["settings"] = {**one["settings"], "lower_is_better": ["exact"]}

    before, after = pair(lower)  # 20 of 100 rise from 0 to 1
    write(before, [{**one, "settings": {**one["settings"], "lower_is_better": ["exact"]}}
                   for one in map(json.loads, before.read_text().splitlines())])  # fmt: skip

    report = delta_report(before, after)

    assert report.changes["exact"].verdict == "regressed"
    assert len(report.regressions) == 5
    assert not report.gains
    assert "| exact | 0 | 20 | 80 |" in report.markdown()


def test_samples_of_a_prompt_are_compared_by_their_mean(tmp_path: Path) -> None:
    files = []
    for name, right in (("before", 1), ("after", 3)):
        rows = [
            row(i, float(s < right), sample=s, completion=f"{name} {s}")
            for i in range(30)
            for s in range(4)
        ]
        files.append(write(tmp_path / f"{name}.jsonl", rows))

    report = delta_report(*files)

    change = report.changes["exact"]
    assert (change.difference.value, change.difference.n) == (0.5, 30)
    text = report.markdown()
    assert "Before, sample 2 of 4 (0):" in text
    assert "The samples of a prompt count as one" in text


def test_an_eval_jobs_folder_and_a_wanted_score_are_taken(pair: Any, tmp_path: Path) -> None:
    before, after = pair()
    folder = tmp_path / "job"
    folder.mkdir()
    after.rename(folder / "eval_outputs.jsonl")

    assert delta_report(before, folder, metrics=["exact"]).prompts == 100
    with pytest.raises(ComparisonError, match="no score 'numeric': exact before, exact after"):
        delta_report(before, folder, metrics=["numeric"])


def test_the_command_writes_the_report_and_says_the_verdict(
    pair: Any, tmp_path: Path, capsys: Any
) -> None:
    before, after = map(str, pair())
    output = tmp_path / "delta_report.md"
    arguments = ["eval", "report", "--before", before, "--after", after, "--output", str(output)]

    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith("exact: improved. 40.0 % → 60.0 %")
    assert output.read_text().startswith("# Delta report")
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["metrics"]["exact"]["verdict"] == "improved"
    assert told["metrics"]["exact"]["difference"]["value"] == pytest.approx(0.2)


def test_the_command_never_writes_over_the_answers(pair: Any, capsys: Any) -> None:
    before, after = map(str, pair())
    kept = Path(after).read_bytes()

    code = main(["eval", "report", "--before", before, "--after", after, "--output", after])

    assert code == ExitCode.CONFIG
    assert "holds the answers to compare" in capsys.readouterr().err
    assert Path(after).read_bytes() == kept
