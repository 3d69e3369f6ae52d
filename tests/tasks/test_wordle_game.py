"""Marks, consistency, and which positions are trained on."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenyson.examples.wordle.game import (
    candidates,
    default_words,
    held_out_positions,
    history_key,
    is_consistent,
    is_held_out,
    mark_agreement,
    marks,
    parse_history,
    training_positions,
)

WORDS = default_words()
any_word = st.text("abcde", min_size=5, max_size=5)  # few letters: repeated ones are common
listed = st.sampled_from(WORDS)


@pytest.mark.parametrize(
    ("secret", "guess", "expected"),
    [
        ("crane", "crane", "GGGGG"),
        ("crane", "moist", "XXXXX"),
        ("crane", "nacre", "YYYYG"),
        ("piano", "pasta", "GYXXX"),  # one a in the secret: the first of two is marked
        ("sugar", "asset", "YYXXX"),
        ("eagle", "geese", "YYXXG"),  # the last e is in place; one more e is left, for the first
        ("hello", "lilac", "YXGXX"),  # two l in both, one of them in place
        ("mamma", "aroma", "YXXGG"),
    ],
)
def test_marks_of_repeated_letters(secret: str, guess: str, expected: str) -> None:
    assert marks(secret, guess) == expected


@given(any_word, any_word)
def test_a_letter_is_marked_as_often_as_both_words_have_it(secret: str, guess: str) -> None:
    given_marks = marks(secret, guess)
    for letter in set(guess):
        marked = sum(g == letter and m != "X" for g, m in zip(guess, given_marks, strict=True))
        assert marked == min(secret.count(letter), guess.count(letter))


@given(any_word, any_word)
def test_green_is_exactly_where_the_words_agree(secret: str, guess: str) -> None:
    greens = [mark == "G" for mark in marks(secret, guess)]
    assert greens == [s == g for s, g in zip(secret, guess, strict=True)]


@given(listed, st.lists(listed, min_size=1, max_size=4))
def test_the_secret_is_always_consistent(secret: str, guesses: list[str]) -> None:
    history = [(guess, marks(secret, guess)) for guess in guesses]
    assert is_consistent(secret, history)
    assert secret in candidates(WORDS, history)


@given(any_word, any_word, any_word)
def test_a_word_is_consistent_where_it_agrees_with_all_marks(
    word: str, secret: str, guess: str
) -> None:
    history = [(guess, marks(secret, guess))]
    assert is_consistent(word, history) == (mark_agreement(word, history) == 1.0)


@given(listed, st.lists(listed, min_size=1, max_size=4))
def test_a_history_comes_back_from_its_key(secret: str, guesses: list[str]) -> None:
    history = tuple((guess, marks(secret, guess)) for guess in guesses)
    assert parse_history(history_key(history)) == history


def test_no_training_position_is_held_out_whatever_the_seed() -> None:
    held_out = held_out_positions(WORDS, 512, max_turns=2, rng=random.Random(0))
    keys = {position.key for position in held_out}
    assert len(keys) == 512
    for seed in range(3):
        trained = training_positions(WORDS, 2000, max_turns=2, rng=random.Random(seed))
        assert keys.isdisjoint(position.key for position in trained)


def test_the_split_never_changes() -> None:
    """With another one, results could not be compared with those of earlier versions."""
    assert [is_held_out(f"crane:XYGX{mark}") for mark in "GYX"] == [False, True, False]
    share = sum(is_held_out(f"{word}:XXXXX") for word in WORDS) / len(WORDS)
    assert 0.05 < share < 0.17


def test_positions_have_one_to_max_turns_and_never_the_secret_as_a_guess() -> None:
    positions = training_positions(WORDS, 500, max_turns=3, rng=random.Random(1))
    assert {len(p.history) for p in positions} == {1, 2, 3}
    assert all(p.secret not in dict(p.history) for p in positions)
    assert all(is_consistent(p.secret, p.history) for p in positions)


def test_the_word_list_is_sorted_distinct_and_of_five_letters() -> None:
    assert list(WORDS) == sorted(set(WORDS))
    assert 200 <= len(WORDS) <= 400
    assert all(len(w) == 5 and w.isascii() and w.isalpha() and w.islower() for w in WORDS)
    assert len(set("".join(WORDS))) >= 24  # natural letters: nearly all of them occur
