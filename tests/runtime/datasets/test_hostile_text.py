"""What rows may hold: kept as it is, or refused with file and line; never changed in silence."""

from collections.abc import Callable

import pytest

from tenyson.cli.dataset_text import show_text
from tenyson.datasets import DatasetError, build_dataset, open_dataset
from tenyson.datasets import rows as rows_module
from tenyson.datasets.manifest import DATA_FILE

Write = Callable[..., str]

ODD_TEXTS = [
    "nul \x00 inside",
    "line\u2028separator, paragraph\u2029separator, next\x85line",
    "form\x0cfeed and vertical\x0btab",
    "carriage\rreturn and \r\n both",
    "emoji \U0001f600, combined e\u0301, and \ufeff inside",
    "\x1b[31mred\x1b[0m <script>alert(1)</script> | `code`",
    "right-to-left \u202e override",
    "arabic mark \u061c, soft hyphen \xad, a tag \U000e0041 that nobody sees",
]


def jsonl(text: str) -> bytes:
    return rows_module.row_line({"id": "a", "prompt": text, "completion": "x"})


@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: ascii(text)[:20])
def test_an_odd_text_comes_out_as_it_went_in(write: Write, text: str) -> None:
    build_dataset("odd", "v1", [write([{"id": "a", "prompt": text, "completion": text}])])

    (row,) = open_dataset("odd-v1").rows()
    assert (row["prompt"], row["completion"]) == (text, text)


@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: ascii(text)[:20])
def test_a_row_stays_one_line_for_every_reader(write: Write, text: str) -> None:
    build_dataset("odd", "v1", [write([{"id": "a", "prompt": text, "completion": text}])])

    content = open_dataset("odd-v1").data_file.read_text(encoding="utf-8")
    assert len(content.splitlines()) == 1


@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: ascii(text)[:20])
def test_a_terminal_is_shown_odd_texts_as_escapes(write: Write, text: str) -> None:
    build_dataset("odd", "v1", [write([{"id": "a", "prompt": text, "completion": "x"}])])

    shown = show_text(open_dataset("odd-v1"), 1)

    assert not set(shown) & set(
        "\x00\x0b\x0c\r\x1b\x85\u2028\u2029\u202e\ufeff\u061c\xad\U000e0041"
    )


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_text(write: Write) -> None:
    content = b"\xef\xbb\xbf" + jsonl("one").replace(b"\n", b"\r\n") + b"\r\n\r\n"

    build_dataset("odd", "v1", [write(content)])

    (row,) = open_dataset("odd-v1").rows()
    assert row["prompt"] == "one"


def test_a_line_separator_in_a_text_does_not_end_its_line(write: Write) -> None:
    content = '{"id": "a", "prompt": "one\u2028two\x85three"}\n'.encode()

    build_dataset("odd", "v1", [write(content)])

    (row,) = open_dataset("odd-v1").rows()
    assert row["prompt"] == "one\u2028two\x85three"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"prompt": "caf\xe9"}'.encode("latin-1"), "0xe9, is no UTF-8"),
        (b'{"prompt": "half \\ud83d"}', "field prompt: character 6 is \\ud83d, half a surrogate"),
        (b'{"a": {"b": ["\\udc00"]}}', "field a.b[0]: character 1 is \\udc00"),
        (b'{"\\ud83d": 1}', "is \\ud83d, half a surrogate"),
        (b'{"prompt": "raw \x00 byte"}', "no JSON: Invalid control character"),
        (b'{"prompt": "cut', "no JSON: Unterminated string"),
        (b'{"n": NaN}', "NaN is no number that JSON has"),
        (b'{"n": 1e999}', "1e999 is too large a number"),
        (b'{"prompt": "a", "prompt": "b"}', "the field 'prompt' is there twice"),
        (b'["a"]', "expected a JSON object, found list"),
        (b'"a"', "expected a JSON object, found text"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"id": true, "prompt": "a"}', "field id: True names no row"),
    ],
    ids=lambda value: ascii(value)[:24],
)
def test_what_cannot_be_kept_is_refused_with_file_and_line(
    write: Write, line: bytes, said: str
) -> None:
    path = write(jsonl("fine") + b"\n" + line + b"\n")

    with pytest.raises(DatasetError) as refusal:
        build_dataset("odd", "v1", [path])

    assert f"{path}:3" in str(refusal.value)
    assert said in str(refusal.value)


@pytest.mark.parametrize("coding", ["utf-16", "utf-32"])
def test_a_file_of_another_coding_is_refused_with_the_command_that_converts_it(
    write: Write, coding: str
) -> None:
    path = write('{"prompt": "a"}\n'.encode(coding))

    with pytest.raises(DatasetError) as refusal:
        build_dataset("odd", "v1", [path])

    assert f"{path}:1: the file is {coding.upper()}" in str(refusal.value)
    assert f"iconv -f {coding}" in str(refusal.value)


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenyson.datasets.sources.files.MAX_LINE_BYTES", 1000)
    path = write(jsonl("fine") + jsonl("x" * 2000))

    with pytest.raises(DatasetError) as refusal:
        build_dataset("odd", "v1", [path])

    assert f"{path}:2: the line is longer" in str(refusal.value)


def test_a_long_line_is_a_row(write: Write) -> None:
    text = "x" * 5_000_000

    build_dataset("odd", "v1", [write(jsonl(text))])

    (row,) = open_dataset("odd-v1").rows()
    assert row["prompt"] == text


def test_a_damaged_row_is_told_with_its_place_in_the_data_set(write: Write) -> None:
    build_dataset("odd", "v1", [write(jsonl("a"))])
    dataset = open_dataset("odd-v1")
    dataset.data_file.chmod(0o644)
    dataset.data_file.write_bytes(b"\xff\n")

    with pytest.raises(DatasetError, match=f"odd-v1/{DATA_FILE}:1: byte 1 of the line, 0xff"):
        list(dataset.rows())
