"""Two controllers that serve one namespace: each notices that it is not alone."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from tenyson.controller import metrics
from tenyson.controller.rivals import Rivals
from tests.controller.builders import make_job

RUNNING = {"phase": "Running", "attempt": 0}


def counted() -> float:
    return metrics.REGISTRY.get_sample_value("tenyson_foreign_status_writes_total") or 0.0


@pytest.fixture
def rivals() -> Rivals:
    rivals = Rivals()
    rivals.wrote(("n", "j"), "uid-j", RUNNING)
    return rivals


@pytest.mark.parametrize(
    ("uid", "status", "is_foreign"),
    [
        ("uid-j", RUNNING, False),
        ("uid-j", {"attempt": 0, "phase": "Running"}, False),
        ("uid-j", {**RUNNING, "attempt": 1}, True),
        ("another", {}, False),
    ],
    ids=["as written", "in another order", "as another wrote it", "of a namesake"],
)
def test_a_status_that_another_has_written_is_counted_once(
    rivals: Rivals, uid: str, status: Any, is_foreign: bool
) -> None:
    before = counted()
    job = replace(make_job(status=status), uid=uid)
    for _ in range(3):
        rivals.look(job)
    assert counted() - before == is_foreign


def test_what_was_not_written_here_or_whose_answer_was_lost_says_nothing(rivals: Rivals) -> None:
    before = counted()
    rivals.look(make_job("other", status=RUNNING))
    rivals.forget(("n", "j"))
    rivals.look(make_job(status={}))
    rivals.wrote(("n", "j"), "uid-j", RUNNING)
    rivals.forget_all()
    rivals.look(make_job(status={}))
    assert counted() == before


def test_it_is_said_every_ten_minutes_at_most_and_names_the_job(
    caplog: pytest.LogCaptureFixture,
) -> None:
    times = iter((0.0, 0.0, 599.0, 601.0, 601.0))
    rivals = Rivals(clock=lambda: next(times))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            rivals.wrote(("n", "j"), "uid-j", RUNNING)
            rivals.look(make_job(status={}))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "TenysonJob n/j: somebody else has written its status" in said[0]
