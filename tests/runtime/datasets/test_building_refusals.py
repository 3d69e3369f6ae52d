"""What cannot be built, read or exported as a data set: a sentence, and nothing is left."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import ExitCode
from tenyson.datasets import (
    DatasetError,
    DatasetNotFoundError,
    DatasetRequestError,
    build_dataset,
    export_dataset,
    open_dataset,
)
from tenyson.datasets.manifest import DATA_FILE, MANIFEST_FILE
from tenyson.errors import DependencyError
from tests.runtime.datasets.conftest import sums
from tests.runtime.datasets.rows_of_sets import Write


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"limit": 0}, "A limit of 0 rows leaves none"),
        ({"selection_strategy": "newest"}, "There is no selection strategy 'newest'"),
        ({"filters": ["prompt"]}, "The filter 'prompt' is none; expected key=value"),
        ({"filters": ["prompt~("]}, "has no regular expression"),
        ({"filters": ["promt=1"]}, "No row has the field 'promt' of the filter 'promt=1'. "
         "Did you mean 'prompt'?"),
        ({"filters": ["prompt=none such"]}, "No row is left of 2 read: dropped 2 by the filter"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_refused_and_leaves_nothing(
    write: Write, store: Path, wanted: dict[str, Any], said: str
) -> None:
    with pytest.raises((DatasetRequestError, DatasetError)) as refusal:
        build_dataset("sums", "v1", [write(sums(2))], **wanted)

    assert said in str(refusal.value)
    assert not store.is_dir() or not list(store.iterdir())


@pytest.mark.parametrize(
    ("name", "version"), [("", "v1"), ("a/b", "v1"), ("a", "v-1"), ("..", "v1")]
)
def test_a_name_that_is_no_folder_is_refused(write: Write, name: str, version: str) -> None:
    with pytest.raises(DatasetRequestError, match="cannot be a data set's"):
        build_dataset(name, version, [write(sums(1))])


def test_a_key_that_does_not_exist_lists_near_ones(write: Write) -> None:
    build_dataset("hcd_baseline", "v1", [write(sums(1))])

    with pytest.raises(DatasetNotFoundError) as refusal:
        open_dataset("hcd_basline-v1")

    assert "Did you mean 'hcd_baseline-v1'?" in str(refusal.value)


@pytest.mark.parametrize("file", [DATA_FILE, MANIFEST_FILE])
def test_a_file_that_was_changed_is_refused_by_its_name(
    write: Write, store: Path, file: str
) -> None:
    build_dataset("sums", "v1", [write(sums(3))])
    path = store / "sums-v1" / file
    path.chmod(0o644)
    path.write_text(path.read_text(encoding="utf-8").replace("2", "3", 1), encoding="utf-8")

    with pytest.raises(DatasetError) as refusal:
        open_dataset("sums-v1")

    assert f"{path} is not as it was" in str(refusal.value)


def test_rows_that_are_gone_are_refused_by_their_files_name(write: Write, store: Path) -> None:
    build_dataset("sums", "v1", [write(sums(3))])
    (store / "sums-v1" / DATA_FILE).unlink()

    with pytest.raises(DatasetError, match=r"data\.jsonl is missing"):
        open_dataset("sums-v1")


def test_a_folder_without_a_manifest_is_nobodys_and_is_left_alone(
    write: Write, store: Path
) -> None:
    (store / "sums-v1").mkdir(parents=True)
    (store / "sums-v1" / "mine.txt").write_text("mine", encoding="utf-8")

    with pytest.raises(DatasetRequestError, match="something without a manifest"):
        build_dataset("sums", "v1", [write(sums(1))])

    assert (store / "sums-v1" / "mine.txt").read_text(encoding="utf-8") == "mine"


def test_a_full_disk_is_a_sentence_and_leaves_nothing(write: Write, store: Path) -> None:
    code = (
        "import resource, signal, sys\nfrom tenyson.cli.main import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "command = ['dataset', 'build', '--name', 'sums', '--version', 'v1', '--source']\n"
        "sys.exit(main([*command, sys.argv[1]]))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, write(sums(500))], capture_output=True, text=True, check=False
    )

    assert done.returncode == ExitCode.DEPENDENCY, done.stderr
    assert done.stderr.startswith(f"{store} cannot be used: File too large.")
    assert list(store.iterdir()) == []


def test_an_export_that_cannot_be_written_is_a_sentence(write: Write, tmp_path: Path) -> None:
    build_dataset("sums", "v1", [write(sums(3))])
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(DependencyError, match=r"file/out\.jsonl cannot be used: "):
        export_dataset("sums-v1", "jsonl", tmp_path / "file" / "out.jsonl")
