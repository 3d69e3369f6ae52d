"""Where rows are read from: each kind of source on the real thing."""

import gzip
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tenyson.datasets import DatasetError, DatasetRequestError, build_dataset, open_dataset
from tenyson.errors import DependencyError
from tests.runtime.datasets.conftest import sums

Write = Callable[..., str]


def built(*sources: str, **wanted: Any) -> list[dict[str, Any]]:
    build_dataset("x", "v1", sources, **wanted)
    return list(open_dataset("x-v1").rows())


def facts_of(key: str = "x-v1") -> dict[str, Any]:
    return open_dataset(key).manifest.sources[0]


def test_sources_are_read_one_after_the_other(write: Write) -> None:
    one, two = write(sums(2), "one.jsonl"), write([{"id": "z", "prompt": "z"}], "two.ndjson")

    assert [row["id"] for row in built(one, two)] == ["s0", "s1", "z"]


def test_a_compressed_file_is_read(write: Write) -> None:
    path = write(gzip.compress(b'{"id": "a", "prompt": "b"}\n'), "rows.jsonl.gz")

    assert built(path) == [{"id": "a", "prompt": "b"}]


def test_csv_fields_keep_quotes_line_ends_and_white_space(write: Write) -> None:
    content = (
        'id,prompt,completion\r\n1,"two\r\nlines, and a ""quote""", spaced \r\n2,\u2028,\x00\r\n'
    )
    path = write(b"\xef\xbb\xbf" + content.encode(), "rows.csv")

    assert built(path) == [
        {"id": "1", "prompt": 'two\r\nlines, and a "quote"', "completion": " spaced "},
        {"id": "2", "prompt": "\u2028", "completion": "\x00"},
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'a,b\n"x\ny",1\n1,2,3\n', ":4: 3 fields, the header has 2"),
        (b"a,b\n1\n", ":2: 1 fields, the header has 2"),
        (b"a,a\n1,2\n", ":1: the header has the field 'a' twice"),
        (b"a,\n1,2\n", ":1: a field of the header has no name"),
        (b'a,b\n1,"open\n', ":2: no CSV: unexpected end of data"),
        (b"a,b\n1,caf\xe9\n", ":2: byte 6 of the line, 0xe9, is no UTF-8"),
    ],
)
def test_a_csv_that_is_none_is_refused_with_its_line(
    write: Write, content: bytes, said: str
) -> None:
    path = write(content, "rows.csv")

    with pytest.raises(DatasetError) as refusal:
        built(path)

    assert f"{path}{said}" in str(refusal.value)


@pytest.fixture
def write_parquet(tmp_path: Path) -> Callable[..., str]:
    def write_columns(columns: dict[str, Any]) -> str:
        import pyarrow
        import pyarrow.parquet

        path = tmp_path / "rows.parquet"
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
        return str(path)

    return write_columns


def test_parquet_rows_are_read_with_their_times_as_text(
    write_parquet: Callable[..., str],
) -> None:
    moments = [datetime(2026, 3, day, tzinfo=UTC) for day in (2, 1, 3)]
    path = write_parquet(
        {
            "id": [1, 2, 3],
            "prompt": ["a", "b", "c"],
            "created_at": moments,
            "tags": [["x"], [], None],
        }
    )

    rows = built(path, limit=2)

    assert [row["id"] for row in rows] == [1, 3]
    assert rows[0]["created_at"] == "2026-03-02T00:00:00+00:00"
    assert rows[0]["tags"] == ["x"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.0, float("nan")], "row 1, field score: nan is no number that JSON has"),
        ([b"a", b"b"], "row 0, field score: bytes is nothing that JSON holds"),
    ],
)
def test_a_parquet_value_that_json_has_not_is_refused_with_its_row(
    write_parquet: Callable[..., str], values: list[Any], said: str
) -> None:
    path = write_parquet({"prompt": ["a", "b"], "score": values})

    with pytest.raises(DatasetError) as refusal:
        built(path)

    assert f"{path}, {said}" in str(refusal.value)


def test_a_damaged_parquet_file_is_refused(write: Write) -> None:
    with pytest.raises(DatasetError, match="no Parquet"):
        built(write(b"PAR1 and no more", "rows.parquet"))


def test_a_hub_data_set_is_read_from_what_the_library_finds(
    write_parquet: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "hub").mkdir()
    Path(write_parquet({"question": ["a", "b"], "answer": ["c", "d"]})).rename(
        tmp_path / "hub" / "train.parquet"
    )

    rows = built(
        f"hub:{tmp_path}/hub?split=train[:1]",
        mapping={"prompt": "question", "completion": "answer"},
    )

    assert [(row["prompt"], row["completion"]) for row in rows] == [("a", "c")]
    assert facts_of()["hub_fingerprint"]


def test_the_hub_away_and_nothing_cached_is_a_sentence() -> None:
    with pytest.raises(DependencyError) as trouble:
        built("hub:nobody/no-such-data")

    assert "hub:nobody/no-such-data is not in the cache" in str(trouble.value)
    assert "HF_HUB_OFFLINE" in str(trouble.value)


@pytest.fixture
def task(tmp_path: Path) -> str:
    path = tmp_path / "some_task.py"
    path.write_text(
        textwrap.dedent("""
            class Own:
                def generate_examples(self, config):
                    yield {"id": 1, "prompt": config["task"].get("word", "none")}
                def get_sft_dataset(self, config, tokenizer):
                    return [{"id": 2, "prompt": str(tokenizer)}]
            class Failing:
                def generate_examples(self, config):
                    yield {"id": 1, "prompt": "a"}
                    raise KeyError("lost")
            class Usual:
                get_sft_dataset = Own.get_sft_dataset
        """),
        encoding="utf-8",
    )
    return str(path)


def test_a_tasks_own_generator_goes_before_its_training_rows(task: str, tmp_path: Path) -> None:
    config = tmp_path / "job.yaml"
    config.write_text("model: {name: m}\ntask: {word: hello}\n", encoding="utf-8")

    assert built(f"task:{task}:Own?config={config}") == [{"id": 1, "prompt": "hello"}]
    assert facts_of()["hook"] == "generate_examples"
    assert facts_of()["task_fingerprint"]


def test_a_tasks_training_rows_become_a_data_set(task: str) -> None:
    assert built(f"task:{task}:Usual") == [{"id": 2, "prompt": "None"}]


def test_a_hook_can_be_named(task: str) -> None:
    assert built(f"task:{task}:Own?hook=get_sft_dataset") == [{"id": 2, "prompt": "None"}]


def test_a_task_that_raises_is_named_with_the_rows_it_made(task: str) -> None:
    with pytest.raises(
        DatasetError, match="generate_examples raised KeyError after 1 rows: 'lost'"
    ):
        built(f"task:{task}:Failing")


def test_a_generator_makes_the_rows_that_its_options_ask_for() -> None:
    rows = built("generator:high_card_duel?count=3&seed=1")

    assert [row["id"] for row in rows] == ["hcd-1-0", "hcd-1-1", "hcd-1-2"]
    assert rows[0]["metadata"]["game"] == "high_card_duel"


def test_a_data_set_is_a_source_of_another(write: Write) -> None:
    build = build_dataset("all", "v1", [write(sums(3))])

    assert built("dataset:all-v1", filters=["completion>=2"]) == sums(3)[1:]
    assert facts_of()["build_id"] == build.manifest.build_id


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("none.jsonl", "There is no file none.jsonl"),
        ("rows.txt", "has no ending that tells what it holds"),
        ("hbu:name", "There is no kind of source 'hbu'. Did you mean 'hub'?"),
        ("generator:", "names nothing after its colon"),
        ("generator:none_such", "there is no module tenyson.examples.none_such.generator"),
        ("generator:high_card_duel?cuont=3", "there is no option 'cuont'. Did you mean 'count'?"),
        ("generator:high_card_duel?count=many", "the option count is 'many'; expected a whole"),
        ("generator:high_card_duel?count=9999", "count is 9999; there are 1 to "),
        ("hub:name?splt=test", "there is no option 'splt'. Did you mean 'split'?"),
        ("dataset:none-v1", "There is no data set 'none-v1'"),
        ("telemetry:run", "no telemetry database is named"),
        ("telemetry:run?best=0", "best must be 1 or more"),
    ],
)
def test_a_source_that_is_none_is_refused(
    source: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TENYSON_TELEMETRY_DB_URL", raising=False)

    with pytest.raises(DatasetRequestError) as refusal:
        built(source)

    assert said in str(refusal.value)


def test_a_password_in_a_source_is_not_written_down(write: Write) -> None:
    from tenyson.datasets.sources import parse_source

    assert "hidden" not in parse_source("ftp://me:hidden@host/rows.jsonl").text
