"""Filters and limits: which rows are in."""

import random
from typing import Any

import pytest

from tenyson.datasets import DatasetError, DatasetRequestError
from tenyson.datasets.filters import parse_filter
from tenyson.datasets.rows import row_digest
from tenyson.datasets.selection import choose, require_all_times, time_of

ROW: dict[str, Any] = {
    "id": 7,
    "level": 3,
    "share": 0.5,
    "text": "42",
    "done": True,
    "nothing": None,
    "when": "2026-03-01",
    "tags": ["a", "b"],
    "inner": {"x": {"y": "z"}},
    "dotted.key": "d",
    "metadata": {"game": "high_card_duel", "level": 9, "deep": {"k": 1}},
}


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("level=3", True),
        ("level=3.0", True),
        ("level=9", False),  # the row's own, not the one in metadata
        ("game=high_card_duel", True),
        ("metadata.game=high_card_duel", True),
        ("deep.k=1", True),
        ("inner.x.y=z", True),
        ("dotted.key=d", True),
        ("text=42", True),
        ("text=42.0", False),  # a text is compared as a text
        ("done=true", True),
        ("done=True", False),
        ("done=1", False),
        ("nothing=null", True),
        ('tags=["a","b"]', True),
        ("level!=3", False),
        ("level!=4", True),
        ("absent!=4", True),
        ("absent=4", False),
        ("absent>=4", False),
        ("level>=3", True),
        ("level>=3.5", False),
        ("level<=3", True),
        ("text>=41", True),  # a CSV holds texts only
        ("nothing>=0", False),
        ("when>=2026-02-01", True),
        ("when<=2026-02-28", False),
        ("game~^high_.*duel$", True),
        ("game~low", False),
        ("level~^3$", True),
        ("text=a=b", False),
    ],
)
def test_a_filter_keeps_the_rows_that_it_says(text: str, passes: bool) -> None:
    assert parse_filter(text).passes(ROW, "here") is passes


def test_what_has_no_order_is_refused_with_its_place() -> None:
    with pytest.raises(DatasetError, match=r"rows:3, field when: '2026-03-01' cannot be compared"):
        parse_filter("when>=7").passes(ROW, "rows:3")


@pytest.mark.parametrize("text", ["", "key", "=value", "~x", ">=3"])
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(DatasetRequestError):
        parse_filter(text)


DIGESTS = [row_digest({"n": n}) for n in range(100)]
NO_TIMES: list[float | None] = [None] * 100


def chosen(strategy: str, *, seed: int = 42, limit: int | None = 10) -> list[int]:
    return choose(DIGESTS, NO_TIMES, limit=limit, strategy=strategy, seed=seed)


def test_first_and_latest_are_the_ends_and_rows_stay_in_their_order() -> None:
    assert chosen("first") == list(range(10))
    assert chosen("latest") == list(range(90, 100))
    assert chosen("random") == sorted(chosen("random"))


def test_the_latest_are_those_made_last_wherever_they_stand() -> None:
    times = [float((n * 37) % 100) for n in range(100)]

    found = choose(DIGESTS, times, limit=10, strategy="latest", seed=0)

    assert sorted(times[i] for i in found) == list(range(90, 100))
    assert found == sorted(found)


def test_random_rows_follow_from_the_seed_and_the_rows_alone() -> None:
    shuffled = list(DIGESTS)
    random.Random(1).shuffle(shuffled)

    here = {DIGESTS[i] for i in chosen("random")}
    there = choose(shuffled, NO_TIMES, limit=10, strategy="random", seed=42)

    assert here == {shuffled[i] for i in there}
    assert chosen("random") != chosen("random", seed=43)


def test_every_row_is_as_likely_to_be_drawn() -> None:
    drawn = [0] * 100
    for seed in range(1000):
        for index in chosen("random", seed=seed):
            drawn[index] += 1

    # Binomial with n = 1000 and p = 0.1 has a deviation of 9.5; 5 of them on either side.
    assert 52 < min(drawn) <= max(drawn) < 148


def test_a_limit_beyond_the_rows_takes_all() -> None:
    assert chosen("random", limit=100) == chosen("latest", limit=None) == list(range(100))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T01:01:00+01:00", 60.0),
        ("1970-01-01 00:01:00", 60.0),
        (60, 60.0),
        (None, None),
    ],
)
def test_a_time_is_read_in_any_zone(value: Any, seconds: float | None) -> None:
    assert time_of({"created_at": value}, "here") == seconds
    assert time_of({"metadata": {"created_at": value}}, "here") == seconds


def test_what_is_no_time_is_refused_with_its_place() -> None:
    with pytest.raises(DatasetError, match="rows:3, field created_at: 'yesterday' is no time"):
        time_of({"created_at": "yesterday"}, "rows:3")


def test_times_in_some_rows_only_are_refused() -> None:
    with pytest.raises(DatasetError, match="rows:2 has no created_at, and 2 other rows have"):
        require_all_times([1.0, None, 3.0], ["rows:1", "rows:2", "rows:3"])
    require_all_times([None, None], ["rows:1", "rows:2"])
