"""No text in the database, whoever wrote it, does harm in a report."""

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from tenyson.reporting.report import Report, as_html, write_report
from tests.reporting.reports import HEADINGS, made
from tests.reporting.reports import report as report  # a fixture
from tests.runtime.reporting.chain import RL

ALLOWED = {
    "h1", "h2", "h3", "p", "ul", "li", "strong", "em", "code", "pre", "img",
    "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def rendered(markdown: str) -> str:
    # With HTML on, as a host may have it: nothing may depend on its being off.
    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))


def tags_of(html: str) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            found.append((tag, dict(attrs)))

    Reader().feed(html)
    return found


def test_no_text_of_a_model_is_anything_but_text(report: Report) -> None:
    assert not HARMFUL.search(report.markdown)
    html = rendered(report.markdown)
    assert {name for name, _ in tags_of(html)} <= ALLOWED
    assert set(re.findall(r'<img src="([^"]*)"', html)) == set(report.pictures)
    assert html.count("<h1>") == 1


def test_a_page_of_html_needs_nothing_beside_it(report: Report) -> None:
    page = as_html(report)
    assert page.count("<svg ") == len(report.pictures) == 3
    assert not re.search(r'<(script|img|link|iframe|object)\b|\son\w+="|javascript:', page)
    addresses = re.findall(r'(?:src|href)="([^"#][^"]*)"', page)
    assert addresses == []
    assert len(re.findall(r"<h2 ", page)) == len(HEADINGS)
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for used in re.findall(r'(?:url\(#|href="#)([^")]+)', page):
        assert used in ids


def test_hostile_names_do_no_harm(own_chain: Any, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>`|](javascript:x) \x1b[31m"
    quoted = name.replace("'", "''")
    url = own_chain(
        f"UPDATE runs SET name = '{quoted}' WHERE run_id = '{RL}'",
        f"UPDATE events SET message = '{quoted}', name = '{quoted}', kind = 'guard'",
        f"UPDATE reward_components SET name = '{quoted}' WHERE name = 'marks'",
        f"UPDATE metrics SET name = 'rewards/{quoted}/mean' WHERE name = 'rewards/marks/mean'",
        f"UPDATE eval_samples SET row_id = '{quoted}' || row_id",
    )
    report = made(url, RL)
    assert not HARMFUL.search(report.markdown)
    html = rendered(report.markdown)
    tags = tags_of(html)
    assert {name for name, _ in tags} <= ALLOWED
    assert {name for _, attributes in tags for name in attributes} <= {
        "src",
        "alt",
        "class",
        "style",
    }
    assert {a["src"] for name, a in tags if name == "img"} == set(report.pictures)
    for svg in report.pictures.values():
        ElementTree.fromstring(svg)
    path = write_report(report, tmp_path / "report.md")
    assert all((tmp_path / f"report-pictures/{name}").is_file() for name in report.pictures)
    assert not re.search(r"<img|<script", as_html(report))
    path.read_text(encoding="utf-8")
