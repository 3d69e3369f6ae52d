"""A version is built once: from what, which rows, and what happens when it is built again."""

import subprocess
import sys
from pathlib import Path

import pytest

from tenyson.datasets import (
    DatasetError,
    DatasetRequestError,
    build_dataset,
    verify_dataset,
)
from tenyson.datasets.manifest import MANIFEST_FILE
from tests.runtime.datasets.conftest import sums
from tests.runtime.datasets.rows_of_sets import Write, ids_of, rows_of


def test_a_data_set_holds_its_sources_rows_and_says_where_they_are_from(write: Write) -> None:
    path = write(sums(3))

    build = build_dataset("sums", "v1", [path])

    assert build.is_new
    assert rows_of("sums-v1") == sums(3)
    manifest = build.manifest
    assert (manifest.key, manifest.rows) == ("sums-v1", 3)
    assert manifest.sources[0]["source"] == path
    assert manifest.fields["prompt"] == ["text"]
    assert verify_dataset("sums-v1") == manifest


def test_the_same_build_again_does_nothing(write: Write, store: Path) -> None:
    path = write(sums(3))
    first = build_dataset("sums", "v1", [path])
    before = (store / "sums-v1" / MANIFEST_FILE).read_bytes()

    again = build_dataset("sums", "v1", [path])

    assert not again.is_new
    assert again.manifest == first.manifest
    assert again.notes == ()
    assert (store / "sums-v1" / MANIFEST_FILE).read_bytes() == before
    assert [path.name for path in store.iterdir()] == ["sums-v1"]


def test_the_same_rows_from_elsewhere_have_the_same_build_id(write: Write) -> None:
    here = build_dataset("sums", "v1", [write(sums(3), "a.jsonl")])
    there = build_dataset("others", "v7", [write(sums(3), "b.jsonl")])
    limited = build_dataset("limited", "v1", [write(sums(3), "c.jsonl")], limit=2)

    assert here.manifest.build_id == there.manifest.build_id
    assert here.manifest.build_id != limited.manifest.build_id


def test_a_version_with_other_rows_is_refused_and_what_differs_is_named(
    write: Write, store: Path
) -> None:
    build_dataset("sums", "v1", [write(sums(3))])
    before = {p.name: p.read_bytes() for p in (store / "sums-v1").iterdir()}
    changed = write([*sums(3), {"id": "more", "prompt": "?", "completion": "!"}])

    with pytest.raises(DatasetRequestError) as refusal:
        build_dataset("sums", "v1", [changed], filters=["prompt!=0+1="], seed=7)

    said = str(refusal.value)
    assert f"source {changed}: 3 rows, sha256 " in said
    assert 'filters: none → ["prompt!=0+1="]' in said
    assert "seed: 42 → 7" in said
    assert "Give these rows a version of their own." in said
    assert {p.name: p.read_bytes() for p in (store / "sums-v1").iterdir()} == before


def test_the_same_rows_by_another_way_are_found_and_the_way_is_told(write: Write) -> None:
    path = write(sums(3))
    build_dataset("sums", "v1", [path])

    again = build_dataset("sums", "v1", [path], filters=["prompt~="])

    assert not again.is_new
    assert again.notes == (
        'It was built otherwise, from the same rows: filters: none → ["prompt~="].',
    )


def test_of_builds_at_once_one_wins_and_the_others_see_it(write: Write, store: Path) -> None:
    same, other = write(sums(3), "same.jsonl"), write(sums(4), "other.jsonl")
    code = (
        "import sys\nfrom tenyson.datasets import build_dataset\n"
        "sys.stdin.read(1)\n"
        "print('new' if build_dataset('sums', 'v1', sys.argv[1:]).is_new else 'found')"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for path in (same, same, other, other)
    ]  # fmt: skip

    ends = [process.communicate("x") for process in processes]

    assert [out for out, _ in ends].count("new\n") == 1
    assert [out for out, _ in ends].count("found\n") == 1
    refused = [error for out, error in ends if not out]
    assert len(refused) == 2
    assert all("a version does not change" in error for error in refused)
    assert [path.name for path in store.iterdir()] == ["sums-v1"]
    assert verify_dataset("sums-v1").rows in (3, 4)


def test_every_row_is_accounted_for(write: Write) -> None:
    rows = [*sums(10), {**sums(1)[0], "id": "again"}, {"id": "x", "prompt": "?", "completion": "!"}]

    build = build_dataset(
        "sums", "v1", [write(rows)], filters=["prompt~="], limit=4, selection_strategy="first"
    )

    assert build.manifest.counts == {
        "read": 12,
        "dropped": {"prompt~=": 1},
        "duplicates": 1,
        "not_selected": 6,
        "kept": 4,
    }
    assert ids_of("sums-v1") == ["s0", "s1", "s2", "s3"]


def test_duplicates_are_kept_on_request_under_ids_of_their_own(write: Write) -> None:
    rows = [{"prompt": "1+1=", "completion": "2"}] * 2

    build_dataset("once", "v1", [write(rows)])
    build_dataset("twice", "v1", [write(rows)], keep_duplicates=True)

    assert len(rows_of("once-v1")) == 1
    first, second = ids_of("twice-v1")
    assert second == f"{first}-2"


def test_an_id_follows_from_the_content_and_not_from_the_place(write: Write) -> None:
    rows = [{"prompt": "a", "completion": "b"}, {"prompt": "c", "completion": "d"}]
    build_dataset("one", "v1", [write(rows)])
    build_dataset("other", "v1", [write(rows[::-1])])

    assert set(ids_of("one-v1")) == set(ids_of("other-v1"))


def test_two_rows_of_one_id_are_refused_with_both_places(write: Write) -> None:
    path = write(
        [{"id": "a", "prompt": "1"}, {"id": "b", "prompt": "2"}, {"id": "a", "prompt": "3"}]
    )

    with pytest.raises(DatasetError) as refusal:
        build_dataset("sums", "v1", [path])

    assert f"{path}:3 has the id 'a', and so has {path}:1" in str(refusal.value)


def test_fields_are_renamed(write: Write) -> None:
    path = write([{"question": "1+1=", "answer": "2"}])

    build_dataset("sums", "v1", [path], mapping={"prompt": "question", "completion": "answer"})

    (row,) = rows_of("sums-v1")
    assert {n: v for n, v in row.items() if n != "id"} == {"prompt": "1+1=", "completion": "2"}


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        (
            {"prompt": "qestion"},
            "has no field 'qestion' to call 'prompt'. Did you mean 'question'?",
        ),
        ({"answer": "question"}, "has a field 'answer' already"),
    ],
)
def test_a_renaming_that_would_lose_a_field_is_refused(
    write: Write, mapping: dict[str, str], said: str
) -> None:
    path = write([{"question": "1+1=", "answer": "2"}])

    with pytest.raises(DatasetError) as refusal:
        build_dataset("sums", "v1", [path], mapping=mapping)

    assert f"{path}:1 {said}" in str(refusal.value)


def test_what_no_job_could_read_is_told(write: Write) -> None:
    build = build_dataset(
        "odd", "v1", [write([{"question": "a", "n": 1}, {"question": "b", "n": "x"}])]
    )

    assert "Not every row has one of prompt, messages, text, input_ids" in build.notes[0]
    assert build.notes[1] == "The field n holds number and text: no job can read that."
