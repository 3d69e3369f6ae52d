"""Answers are read strictly, and garbage scores nothing without raising."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenyson.examples.wordle.game import default_words, history_key, marks
from tenyson.examples.wordle.rewards import make_rewards, read_guess

WORDS = default_words()
NAMES = ["format_reward", "dictionary_reward", "marks_reward", "consistency_reward"]


def score(completion: Any, history: str) -> dict[str, float]:
    rewards = make_rewards(WORDS)
    values = [
        reward(prompts=["|>"], completions=[completion], history=[history], trainer_state=None)
        for reward in rewards
    ]
    assert all(len(value) == 1 for value in values)
    return {reward.__name__: value[0] for reward, value in zip(rewards, values, strict=True)}


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("<guess>crane</guess>", "crane"),
        ("<guess> CRANE </guess>\n", "crane"),
        ("<think>maybe <guess>slate</guess>?</think>\n<guess>crane</guess>", "crane"),
        ([{"role": "assistant", "content": "<guess>crane</guess>"}], "crane"),
        ("crane", None),
        ("<guess>cranes</guess>", None),
        ("<guess>crane</guess> I hope", None),
        ("<guess>slate</guess><guess>crane</guess>", None),
        ("<guess><guess>crane</guess>", None),
        ("", None),
        ([], None),
    ],
)
def test_a_guess_is_the_one_tag_that_ends_the_answer(completion: Any, expected: Any) -> None:
    assert read_guess(completion) == expected


@given(st.text())
def test_any_text_is_scored_between_0_and_1(text: str) -> None:
    assert all(0 <= value <= 1 for value in score(text, "piano:GYXXX").values())


@given(st.sampled_from(WORDS), st.sampled_from(WORDS))
def test_the_secret_earns_every_reward(secret: str, guess: str) -> None:
    history = history_key([(guess, marks(secret, guess))])
    assert score(f"<guess>{secret}</guess>", history) == dict.fromkeys(NAMES, 1.0)


def test_a_word_that_is_not_listed_earns_the_format_only() -> None:
    assert list(score("<guess>zzzzz</guess>", "piano:XXXXX").values()) == [1, 0, 0, 0]


def test_partial_agreement_pays_little() -> None:
    earned = score("<guess>above</guess>", "angle:GXXXX")  # e is in place in both, marked absent
    assert earned["consistency_reward"] == 0
    assert earned["marks_reward"] == pytest.approx(0.8**6)


def test_a_history_that_cannot_be_read_raises() -> None:
    with pytest.raises(ValueError, match="unpack"):
        score("<guess>above</guess>", "no history")


def test_names_are_distinct() -> None:
    assert [reward.__name__ for reward in make_rewards(WORDS)] == NAMES
