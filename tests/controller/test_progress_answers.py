"""Whose reports the progress endpoint takes, and what it makes of them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tenyson.controller.cache import Cache
from tenyson.controller.observed import Report
from tenyson.controller.progress import ProgressServer, RefusedError
from tenyson.controller.reports import read_report, since_last_step
from tenyson.controller.tokens import Bearer, TokenVerifier
from tests.controller.builders import NOW, job_body, pod_body
from tests.controller.test_tokens import TOKEN, Keys


async def test_a_pod_is_asked_to_try_again_while_the_keys_cannot_be_read() -> None:
    server = ProgressServer(
        Cache(lambda key, urgent: None), TokenVerifier(Keys(failures=1)), {}, lambda key: None
    )
    with pytest.raises(RefusedError, match="try again") as refused:
        await server._bearer(f"Bearer {TOKEN}", "10.0.0.7")
    assert refused.value.code == 503


def pushed(step: int | None, second: int, **more: Any) -> Report:
    return Report(1, NOW + timedelta(seconds=second), step=step, **more)


def stepped(*steps: int | None) -> float:
    """Returns the second of the last advance, after one report a second with these steps."""
    last: Report | None = None
    for second, step in enumerate(steps):
        last = since_last_step(pushed(step, second), last, {})
    assert last is not None
    assert last.stepped_at is not None
    return (last.stepped_at - NOW).total_seconds()


def test_a_report_that_repeats_a_step_keeps_the_time_at_which_it_was_reached() -> None:
    assert stepped(3) == 0
    assert stepped(3, 3, 3) == 0
    assert stepped(3, 4, 4) == 1
    assert stepped(3, 3, 4) == 2


def test_a_report_that_tells_no_step_says_nothing_of_a_standstill() -> None:
    assert stepped(None, None, None) == 2


def test_another_attempt_begins_anew() -> None:
    before = since_last_step(replace(pushed(3, 0), attempt=0), None, {})
    after = since_last_step(pushed(3, 5), before, {})
    assert after.stepped_at == NOW + timedelta(seconds=5)


def test_a_new_leader_goes_on_from_what_the_status_says() -> None:
    status = {"attempt": 1, "progress": {"step": 3, "steppedAt": "2030-01-01T11:00:00Z"}}
    same = since_last_step(pushed(3, 0), None, status)
    assert same.stepped_at == NOW - timedelta(hours=1)
    assert since_last_step(pushed(4, 0), None, status).stepped_at == NOW


def test_the_newest_checkpoint_stays_known_when_a_report_does_not_tell_it() -> None:
    first = since_last_step(pushed(3, 0, checkpoint_step=2), None, {})
    assert since_last_step(pushed(4, 1), first, {}).checkpoint_step == 2


def test_a_checkpoints_step_is_no_metric() -> None:
    content = b'{"trainerStatus": {"metrics": [{"name": "checkpoint_step", "value": 4}]}}'
    report = read_report(content, 0, NOW)
    assert (report.checkpoint_step, report.metrics) == (4, {})


def test_a_report_may_come_before_its_attempt_is_written_about() -> None:
    cache = Cache(lambda key, urgent: None)
    cache.put_job(job_body("j", status={"attempt": 0, "phase": "Starting"}))
    cache.put_pod(pod_body(attempt=1))
    server = ProgressServer(cache, TokenVerifier(Keys()), {}, lambda key: None)
    (pod,) = cache.pods_of(("n", "j"))
    bearer = Bearer("n", pod.uid)
    assert server._authorise(bearer, ("n", "j"), 1).name == "j"
    with pytest.raises(RefusedError, match="attempt 0 is not the current one"):
        server._authorise(bearer, ("n", "j"), 0)
    with pytest.raises(RefusedError, match="does not belong to this attempt"):
        server._authorise(Bearer("n", "stranger"), ("n", "j"), 1)
