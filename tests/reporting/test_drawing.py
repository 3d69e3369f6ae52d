"""Pictures: the same every time, small, with text that is text."""

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from tenyson.reporting import Curve, Panel, draw_curve, draw_curves, read_curve
from tenyson.reporting.drawing import LABEL_CHARACTERS

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_a_curve_is_read_from_metrics_and_drawn_with_its_title(tmp_path: Path) -> None:
    lines = [{"step": s, "reward": s / 10} for s in range(20)] + [{"step": 5, "eval_loss": 1.0}]
    text = "\n".join(json.dumps(line) for line in lines) + '\n{"step": 21, "rew'
    (tmp_path / "metrics.jsonl").write_text(text)
    curve = read_curve(tmp_path, "reward")
    assert len(curve.points) == 20
    svg = draw_curve([curve, Curve("other <b>", [(0, 1), (19, 0)])], title="Reward & more")
    assert {"Reward & more", "other <b>", "reward", "step"} <= set(texts(svg))


def test_the_same_curves_give_the_same_picture_without_a_date() -> None:
    panels = [Panel("Loss", [Curve("loss", [(s, 1 / (s + 1)) for s in range(200)])])] * 3
    svg = draw_curves(panels)
    assert svg == draw_curves(panels)
    assert "metadata" not in svg
    assert len(svg) < 60_000


@pytest.mark.parametrize(
    "points", [[], [(1.0, 2.0)], [(1.0, 0.0), (2.0, 0.0)], [(1.0, float("nan")), (2.0, 1.0)]]
)
def test_a_curve_of_few_points_or_gaps_is_drawn_too(points: Any) -> None:
    svg = draw_curve([Curve("loss", points)], title="Loss")
    assert ("nothing was logged" in texts(svg)) == (not points)


def test_names_that_mean_something_to_the_library_are_only_names() -> None:
    name = "_$\\frac{1}$ </text><script>\x1b[31m" + "x" * 99
    svg = draw_curve([Curve(name, [(0, 1)]), Curve("b", [(0, 2)])], title=name)
    [title] = [text for text in texts(svg) if text.startswith("$")][:1]
    assert "␛[31m" in title
    assert len(title) < LABEL_CHARACTERS + 40
    assert "<script>" not in svg


def test_a_share_is_shown_in_percent() -> None:
    svg = draw_curves([Panel("Share", [Curve("a", [(0, 0.1), (9, 0.5)])], is_share=True)])
    assert [text for text in texts(svg) if re.fullmatch(r"[\d.]+ %", text)]


def test_what_lies_behind_a_point_is_drawn_as_a_band() -> None:
    points = [(float(s), 1.0) for s in range(5)]
    without = draw_curve([Curve("a", points, [(1.0, 1.0)] * 5)], title="t")
    band = draw_curve([Curve("a", points, [(0.5, 1.5)] * 5)], title="t")
    assert "FillBetween" not in without
    assert "FillBetween" in band
