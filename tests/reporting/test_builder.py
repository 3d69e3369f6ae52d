"""Templates become reports, whatever is missing."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tenyson.errors import ConfigError
from tenyson.reporting import ReportBuilder

TEMPLATE = '# {title}\n\nAccuracy {accuracy}, run {run}. JSON: {"a": 1} {} {0} {{not one}}.\n'


def test_placeholders_are_replaced_and_other_braces_survive(tmp_path: Path) -> None:
    builder = ReportBuilder(TEMPLATE).fill({"title": "Wordle", "accuracy": 0.52345})
    path = builder.fill({"run": "{title}"}).save(tmp_path / "deep" / "final_report.md")
    assert path.read_text() == (
        '# Wordle\n\nAccuracy 0.5234, run {title}. JSON: {"a": 1} {} {0} {{not one}}.\n'
    )


def test_a_template_may_be_a_file_and_later_values_win(tmp_path: Path) -> None:
    (tmp_path / "template.md").write_text("{a} {b}")
    builder = ReportBuilder(tmp_path / "template.md").fill({"a": 1, "b": 2}).fill({"b": None})
    assert builder.render() == "1 not available"


def test_placeholders_without_a_value_are_listed_at_the_end() -> None:
    builder = ReportBuilder(TEMPLATE).fill({"title": "Wordle", "extra": 1})
    assert builder.missing == ["accuracy", "run"]
    assert builder.unused == ["extra"]
    report = builder.render()
    assert "Accuracy {accuracy}" in report
    assert report.endswith("> Placeholders without a value: `accuracy`, `run`.\n")


def test_a_wandb_link_names_the_metric() -> None:
    builder = ReportBuilder("{link} · {none}")
    builder.attach_wandb_scalar_link("link", "https://wandb.ai/e/p/runs/1", "train/[loss]")
    builder.attach_wandb_scalar_link("none", None, "loss")
    assert builder.render() == (
        "[train/&#91;loss&#93;](https://wandb.ai/e/p/runs/1) · "
        "loss: not available (the run was not sent to W&B)"
    )


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A stand-in for the library: nothing here may reach the network."""
    module: Any = ModuleType("wandb")
    summaries = {"e/p/r": {"loss": 0.123456, "state": "done"}}

    def run(path: str) -> Any:
        return SimpleNamespace(summary=summaries[path])

    module.Api = lambda timeout: SimpleNamespace(run=run)
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    return module


def latest(run_path: str | None, metric: str) -> str:
    return ReportBuilder("{value}").attach_wandb_latest_value("value", run_path, metric).render()


def test_the_latest_value_comes_from_the_runs_summary(wandb: Any) -> None:
    assert latest("e/p/r", "loss") == "0.1235"
    assert latest("e/p/r", "state") == "done"


def test_a_value_that_wandb_does_not_give_leaves_a_sentence(
    wandb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert latest("e/p/r", "reward") == "not available (the W&B run has no reward)"
    assert latest("e/p/unknown", "loss") == "not available (W&B: KeyError)"
    assert latest(None, "loss").startswith("not available")
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert latest("e/p/r", "loss") == "not available (W&B is switched off by WANDB_MODE)"


def test_without_wandb_a_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    assert "pip install 'tenyson[wandb]'" in latest("e/p/r", "loss")


def test_an_address_that_would_end_or_run_in_the_page_does_not() -> None:
    builder = ReportBuilder("{a} {b}")
    builder.attach_wandb_scalar_link("a", "https://w.ai/r?a=1) <b>\n[x](y", "loss")
    builder.attach_wandb_scalar_link("b", "javascript:alert(1)", "loss")
    assert builder.render() == (
        "[loss](https://w.ai/r?a=1%29%20%3Cb%3E%0A%5Bx%5D%28y) loss: javascript:alert(1)"
    )


def test_values_of_any_code_units_are_written(tmp_path: Path) -> None:
    builder = ReportBuilder("{text}").fill({"text": "**bold**\r\n\x1b[31m\ud83d\x00"})
    assert builder.save(tmp_path / "report.md").read_text() == "**bold**\n␛[31m\\ud83d␀"


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), (b"caf\xe9", "is no UTF-8 text")]
)
def test_a_template_that_cannot_be_read_is_named(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "template.md"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=said) as caught:
        ReportBuilder(path)
    assert str(path) in str(caught.value)
