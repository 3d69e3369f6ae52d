"""Text of anyone, shown without harm."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tenyson.reporting.harmless import Markdown, code, cut, fence, flat, plain, visible
from tenyson.reporting.tables import markdown_table

ANYTHING = st.text(st.characters(), max_size=200)
"""Surrogates and control characters included."""
NASTY = st.lists(
    st.sampled_from(
        ["`", "```", "|", "\\", "<b>", "&lt;", "*", "_", "[x](y)", "![", "\n", "\r", "# ", "- ",
         "1. ", "~~", "$", "\x1b[0m", "\x00", "\ud800", "\u202e", "http://a.b", "a", " ", "\t"]
    ), max_size=30,
).map("".join)  # fmt: skip
HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def rendered(markdown: str) -> str:
    # With HTML on, as some hosts have it: nothing may depend on its being off.
    return str(
        MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown)
    )


def shown(html: str) -> str:
    from html import unescape

    return unescape(re.sub(r"<[^>]*>", "", html))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain words, 5 % → ü 漢字 👩‍🚀", "plain words, 5 % → ü 漢字 👩‍🚀"),
        ("\x1b[31mred\x07", "␛[31mred␇"),
        ("a\x00b\x7f", "a␀b␡"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066"),
        ("\ud83d", "\\ud83d"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_cannot_be_seen_is_made_visible(text: str, expected: str) -> None:
    assert visible(text) == expected


@given(ANYTHING | NASTY)
def test_nothing_harmful_is_left(text: str) -> None:
    for made in (visible(text, lines=True), flat(text), plain(text), code(text), fence(text)):
        assert not HARMFUL.search(made)
        made.encode()


@given(ANYTHING | NASTY)
@example("__0__ ___a_b__c")
def test_text_in_markdown_is_shown_letter_by_letter_and_is_nothing_else(text: str) -> None:
    for inline in (plain(text), code(text)):
        html = rendered(f"x {inline} y")
        assert set(re.findall(r"<(\w+)", html)) <= {"p", "code"}
        assert " ".join(shown(html).split()) == " ".join(f"x {flat(text)} y".split())


@given(st.lists(ANYTHING | NASTY, min_size=2, max_size=2))
@example(["", "__0__"])
def test_a_table_keeps_its_cells_whatever_is_in_them(texts: list[str]) -> None:
    html = rendered(markdown_table(("a", "b"), [texts, [code(text) for text in texts]]))
    assert html.count("<tr>") == 3
    assert html.count("<td") == 4
    assert set(re.findall(r"<(\w+)", html)) <= {"table", "thead", "tbody", "tr", "th", "td", "code"}


@given(ANYTHING | NASTY)
def test_no_text_ends_its_fence(text: str) -> None:
    html = rendered(f"{fence(text)}\n\nafter\n")
    assert html.startswith("<pre><code")
    assert html.endswith("</code></pre>\n<p>after</p>\n")
    assert html.count("<") == 6


def test_a_list_item_cannot_become_a_heading_or_another_list() -> None:
    for text in ("# big", "- item", "1. one", "+ plus", "=== x"):
        assert "<h1>" not in rendered(f"- {plain(text)}")
        assert rendered(f"- {plain(text)}").count("<li>") == 1


def test_markdown_in_a_table_stays_markdown() -> None:
    table = markdown_table(("a",), [(Markdown("**bold** `a|b`"),)])
    assert "<strong>bold</strong> <code>a|b</code>" in rendered(table)


def test_long_text_is_cut_and_the_rest_counted() -> None:
    assert cut("x" * 1300, 1000) == "x" * 1000 + "… (300 more characters)"
    assert cut("short", 5) == "short"
