"""What others say, as it stands in a condition and an Event."""

import json

import pytest

from tenyson.controller.observed import Attempt
from tenyson.controller.outcome import outcome_of, read_result
from tenyson.controller.wording import last_lines, one_line, sentences
from tests.controller.builders import make_child, make_pod


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("2 problems:\n  a: is required\n  b: too high", "2 problems: a: is required; b: too high"),
        ("Done.\nNow what?\n", "Done. Now what?"),
        ("as it is", "as it is"),
    ],
)  # fmt: skip
def test_a_message_stays_on_one_line(said: str, told: str) -> None:
    assert one_line(said) == told


def test_a_message_that_was_cut_says_so() -> None:
    assert one_line("one two three", 8) == "one two…"


def test_of_a_log_whole_lines_are_kept_and_the_last_one_always() -> None:
    assert last_lines("Traceback\n  File x\nValueError: boom\n", 25) == "File x\nValueError: boom"
    assert last_lines("a" * 50, 10) == "a" * 10


def test_a_crash_is_told_by_the_end_of_its_log_on_one_line() -> None:
    log = "\n".join(f"step {step}" for step in range(200)) + "\nValueError: boom"
    pod = make_pod(code=1, message=log)
    told = outcome_of(Attempt(0, make_child(ended="Failed"), (pod,))).message
    assert told.endswith("step 199; ValueError: boom")
    assert "\n" not in told


def test_what_a_runner_leaves_empty_is_left_out_of_the_result() -> None:
    failure = {"type": "TaskError", "message": "no rows", "hint": ""}
    said = {"run_id": "r", "status": "failed", "failure": failure, "metrics": {}, "wandb_url": ""}
    found = read_result(json.dumps(said))
    told = {"type": "TaskError", "message": "no rows"}
    assert found == {"runId": "r", "status": "failed", "failure": told}


def test_what_follows_a_message_begins_a_sentence_of_its_own() -> None:
    assert sentences("no rows", "Check the filters.") == "no rows. Check the filters."
    assert sentences("Really?", None, " Yes") == "Really? Yes"
