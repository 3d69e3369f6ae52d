"""Data sets behind `s3://`, on an S3 server of this machine."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tenyson.datasets import (
    Build,
    DatasetError,
    DatasetRequestError,
    build_dataset,
    list_datasets,
    open_dataset,
    verify_dataset,
)
from tenyson.datasets.manifest import DATA_FILE, MANIFEST_FILE
from tenyson.errors import CredentialsError, DependencyError
from tests.runtime.datasets.conftest import sums

Write = Callable[..., str]


@pytest.fixture
def bucket(bucket: str) -> str:
    return f"{bucket}/sets"


@pytest.fixture
def files(bucket: str) -> Any:
    import s3fs

    return s3fs.S3FileSystem(use_listings_cache=False)


def test_a_bucket_holds_data_sets_as_a_folder_does(bucket: str, write: Write) -> None:
    first = build_dataset("sums", "v1", [write(sums(3))], store=bucket)
    again = build_dataset("sums", "v1", [write(sums(3))], store=bucket)

    assert (first.is_new, again.is_new) == (True, False)
    assert first.place == f"{bucket}/sums-v1"
    assert [m.key for m in list_datasets(bucket)] == ["sums-v1"]
    assert list(open_dataset("sums-v1", bucket).rows()) == sums(3)
    with pytest.raises(DatasetRequestError, match="a version does not change"):
        build_dataset("sums", "v1", [write(sums(4))], store=bucket)
    assert verify_dataset("sums-v1", bucket).rows == 3


def test_rows_are_read_from_a_bucket(bucket: str, write: Write, files: Any) -> None:
    files.put_file(write(sums(3)), f"{bucket}/raw/rows.jsonl")

    build = build_dataset("sums", "v1", [f"{bucket}/raw/rows.jsonl"], store=bucket)

    assert build.manifest.rows == 3


def test_of_builds_at_once_one_wins_in_a_bucket_too(bucket: str, tmp_path: Path) -> None:
    paths = []
    for count in (3, 4, 3, 4):
        path = tmp_path / f"rows{len(paths)}.jsonl"
        path.write_text("".join(f'{{"id": {i}, "prompt": "{i}"}}\n' for i in range(count)))
        paths.append(str(path))

    def build(path: str) -> Build | DatasetRequestError:
        try:
            return build_dataset("sums", "v1", [path], store=bucket)
        except DatasetRequestError as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(build, paths))

    builds = [end for end in ends if isinstance(end, Build)]
    assert [build.is_new for build in builds].count(True) == 1
    assert len({build.manifest.sha256 for build in builds}) == 1
    assert 1 <= len(builds) <= 2
    verify_dataset("sums-v1", bucket)


def test_the_rows_of_a_build_that_was_cut_off_are_taken_or_refused(
    bucket: str, write: Write, files: Any
) -> None:
    build_dataset("sums", "v1", [write(sums(3))], store=bucket)
    files.rm(f"{bucket}/sums-v1/{MANIFEST_FILE}")

    with pytest.raises(DatasetRequestError, match="something without a manifest"):
        build_dataset("sums", "v1", [write(sums(4))], store=bucket)
    build = build_dataset("sums", "v1", [write(sums(3))], store=bucket)

    assert build.is_new
    assert verify_dataset("sums-v1", bucket).rows == 3


def test_rows_changed_in_the_bucket_are_refused_by_their_place(
    bucket: str, write: Write, files: Any
) -> None:
    build_dataset("sums", "v1", [write(sums(3))], store=bucket)
    files.pipe_file(f"{bucket}/sums-v1/{DATA_FILE}", b'{"id": 1}\n')

    with pytest.raises(DatasetError, match=f"{bucket}/sums-v1/{DATA_FILE} is not as it was built"):
        open_dataset("sums-v1", bucket)


def test_a_verified_copy_is_taken_from_the_cache_and_a_damaged_one_is_fetched_anew(
    bucket: str, write: Write, files: Any
) -> None:
    build_dataset("sums", "v1", [write(sums(3))], store=bucket)
    copy = open_dataset("sums-v1", bucket).data_file
    kept = files.cat_file(f"{bucket}/sums-v1/{DATA_FILE}")
    files.rm(f"{bucket}/sums-v1/{DATA_FILE}")

    assert list(open_dataset("sums-v1", bucket).rows()) == sums(3)

    copy.write_bytes(b"damaged")
    with pytest.raises(DatasetError, match="is missing; its manifest is there"):
        open_dataset("sums-v1", bucket)
    files.pipe_file(f"{bucket}/sums-v1/{DATA_FILE}", kept)
    assert list(open_dataset("sums-v1", bucket).rows()) == sums(3)


def test_a_bucket_that_is_not_there_is_a_sentence(bucket: str, write: Write) -> None:
    with pytest.raises((DependencyError, CredentialsError), match="s3://no-such-bucket-here"):
        build_dataset("sums", "v1", [write(sums(1))], store="s3://no-such-bucket-here/sets")
