"""The report as one HTML file: no scripts, no addresses of elsewhere, light and dark."""

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from tenyson.errors import DependencyError
from tenyson.reporting.harmless import flat
from tenyson.reporting.report.document import Report

STYLE = """
:root { color-scheme: light dark; --text: #1f2328; --page: #ffffff; --soft: #f3f5f7;
  --line: #d5dae0; --muted: #5d6771; --link: #0a58b5; }
@media (prefers-color-scheme: dark) { :root { --text: #dfe4ea; --page: #14181d; --soft: #1e242b;
  --line: #38414b; --muted: #98a3ae; --link: #6cb0ff; } }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--text); background: var(--page);
  max-width: 56rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1, h2, h3 { line-height: 1.25; } h1 { font-size: 1.6rem; }
h2 { font-size: 1.25rem; margin-top: 2.2rem; padding-bottom: .25rem;
  border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin-top: 1.6rem; }
a { color: var(--link); } nav { color: var(--muted); font-size: .9rem; }
code { font: .88em ui-monospace, monospace; background: var(--soft); padding: .1em .3em;
  border-radius: 3px; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 5px;
  padding: .6rem .8rem; overflow-x: auto; white-space: pre-wrap; }
pre code { padding: 0; background: none; }
.table { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { border: 1px solid var(--line); padding: .3rem .55rem; vertical-align: top;
  overflow-wrap: normal; }
th { background: var(--soft); text-align: left; }
figure { margin: 1rem 0; } svg { max-width: 100%; height: auto; }
"""
_ID = re.compile(r'(\bid="|url\(#|href="#)')


def as_html(report: Report) -> str:
    """Returns the report as a page that needs nothing beside it.

    Raises:
        DependencyError: markdown-it-py is not installed.
    """
    markdown = _parser(report.pictures)
    tokens = markdown.parse(report.markdown)
    headings = _name_headings(tokens)
    body = markdown.renderer.render(tokens, markdown.options, {})
    start = body.index("</h1>") + len("</h1>\n") if "</h1>" in body else 0
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">\n"
        f"<title>{escape(flat(report.title))}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"{body[:start]}{_contents(headings)}{body[start:]}</body>\n</html>\n"
    )


def _parser(pictures: Mapping[str, str]) -> Any:
    try:
        from markdown_it import MarkdownIt
    except ImportError:
        raise DependencyError(
            "A report as HTML needs markdown-it-py, which is not installed.",
            hint="pip install 'tenyson[report]', or write it as Markdown: --output report.md.",
        ) from None
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")

    def image(_renderer: Any, tokens: Any, place: int, *_: Any) -> str:
        token = tokens[place]
        return _figure(str(token.attrs.get("src", "")), token.content, pictures)

    markdown.add_render_rule("image", image)
    for name, tag in (
        ("table_open", '<div class="table"><table>'),
        ("table_close", "</table></div>"),
    ):
        markdown.add_render_rule(name, lambda *_, tag=tag: f"{tag}\n")
    return markdown


def _figure(source: str, title: str, pictures: Mapping[str, str]) -> str:
    svg = pictures.get(source)
    if svg is None:
        return escape(title)
    # Several pictures share a page: each keeps its ids to itself.
    own = _ID.sub(lambda found: f"{found[0]}{source.removesuffix('.svg')}-", svg)
    labelled = own.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)
    return labelled.rstrip()


def _name_headings(tokens: Any) -> list[tuple[str, str]]:
    """Gives the sections' headings an id; returns ids and texts."""
    named = []
    for place, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h2":
            text = tokens[place + 1].content
            token.attrSet("id", re.sub(r"[^a-z]+", "-", text.lower()).strip("-"))
            named.append((str(token.attrs["id"]), text))
    return named


def _contents(headings: list[tuple[str, str]]) -> str:
    links = " · ".join(f'<a href="#{name}">{escape(text)}</a>' for name, text in headings)
    return f"<nav>{links}</nav>\n" if links else ""
