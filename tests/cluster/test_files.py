"""What is made once per machine is whole, whoever makes it and however it ends."""

import threading
from pathlib import Path

import pytest

from hack.cluster.files import make_once


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    wanted = tmp_path / "made"
    assert make_once(wanted, lambda aside: (aside / "file").touch()) == wanted

    def again(aside: Path) -> None:
        raise AssertionError("it is there")

    make_once(wanted, again)
    assert [path.name for path in wanted.iterdir()] == ["file"]


def test_one_that_fails_leaves_nothing_that_the_next_would_take_for_whole(tmp_path: Path) -> None:
    def half(aside: Path) -> None:
        (aside / "first").touch()
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        make_once(tmp_path / "made", half)
    assert [path.name for path in tmp_path.iterdir()] == ["made.lock"]


def test_of_two_at_once_one_makes_it_and_the_other_waits(tmp_path: Path) -> None:
    made: list[Path] = []
    begun, may_end = threading.Event(), threading.Event()

    def slowly(aside: Path) -> None:
        begun.set()
        assert may_end.wait(10)
        made.append(aside)

    both = [threading.Thread(target=make_once, args=(tmp_path / "made", slowly)) for _ in range(2)]
    both[0].start()
    assert begun.wait(10)
    both[1].start()
    may_end.set()
    for thread in both:
        thread.join(10)
    assert len(made) == 1
    assert (tmp_path / "made").is_dir()
