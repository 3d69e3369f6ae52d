"""What builds that were killed leave in a store."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenyson.datasets import build_dataset
from tenyson.datasets.leftovers import OLD_SECONDS, sweep
from tests.runtime.datasets.conftest import sums

Write = Callable[..., str]
BUILD = """
import os, sys
from tenyson.datasets import building
building._publish = lambda *_: (print("staged", flush=True), sys.stdin.read())
building.build_dataset("sums", "v1", [sys.argv[1]])
"""


def age(folder: Path, seconds: float) -> None:
    then = time.time() - seconds
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (then, then), follow_symlinks=False)


def hidden(store: Path) -> list[Path]:
    return [path for path in store.iterdir() if path.name.startswith(".")]


@pytest.fixture
def left_behind(write: Write, store: Path) -> Path:
    """The folder of a build that was killed just before it would have published."""
    command = [sys.executable, "-c", BUILD, write(sums(3))]
    pipe: Any = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as build:
        assert build.stdout is not None
        assert build.stdout.readline() == "staged\n"
        build.send_signal(signal.SIGKILL)
    (folder,) = hidden(store)
    return folder


def test_the_next_build_sweeps_what_a_killed_one_left_a_day_ago(
    left_behind: Path, write: Write, store: Path
) -> None:
    assert (left_behind / "dataset" / "data.jsonl").stat().st_size > 0
    build_dataset("others", "v1", [write(sums(2))])
    assert hidden(store) == [left_behind]  # it may still be at work

    age(left_behind, OLD_SECONDS + 60)
    build_dataset("others", "v2", [write(sums(2))])
    assert hidden(store) == []


def test_a_long_build_that_still_writes_is_left_alone(left_behind: Path, store: Path) -> None:
    age(left_behind, OLD_SECONDS + 60)
    (left_behind / "dataset" / "data.jsonl").touch()
    assert sweep(store) == []
    assert left_behind.is_dir()


@pytest.mark.parametrize("name", [".git", ".cache.tmp", "sums-v1", ".sums-v1.tmp"])
def test_what_is_no_builds_folder_is_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    age(tmp_path / name, 10 * OLD_SECONDS)
    assert sweep(tmp_path) == []


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "rows").write_text("x")
    store = tmp_path / "store"
    store.mkdir()
    (store / ".sums-v1.abcdefgh.tmp").symlink_to(kept)
    age(kept, 10 * OLD_SECONDS)
    sweep(store)
    assert (kept / "rows").exists()
