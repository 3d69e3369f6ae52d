"""A cloud's notice of a preemption, from local stand-ins of the metadata servers."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tenyson.errors import ConfigError
from tenyson.jobs.preemption.notices import Ec2Notices, FileNotice, GceNotices, source_of
from tenyson.jobs.preemption.watch import NoticeWatch
from tenyson.jobs.stop import StopRequest
from tests.runtime.http_server import answering

TOKEN = "the-token"
ACTION = "/latest/meta-data/spot/instance-action"
REBALANCE = "/latest/meta-data/events/recommendations/rebalance"
PREEMPTED = "/computeMetadata/v1/instance/preempted"


class Metadata(BaseHTTPRequestHandler):
    """Answers what `server.pages` holds, to those who show a token (EC2) or the flavor (GCE)."""

    server: Any

    def do_PUT(self) -> None:
        self.server.tokens += 1
        is_asked = self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        self._answer(200 if is_asked and self.path == "/latest/api/token" else 400, TOKEN)

    def do_GET(self) -> None:
        if self.path == PREEMPTED:
            is_known = self.headers["Metadata-Flavor"] == "Google"
        else:
            is_known = self.headers["X-aws-ec2-metadata-token"] == self.server.token
        if not is_known:
            self._answer(401, "")
        elif self.path in self.server.pages:
            self._answer(200, self.server.pages[self.path])
        else:
            self._answer(404, "not found")

    def _answer(self, code: int, text: str) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture
def metadata() -> Iterator[Any]:
    with answering(Metadata) as server:
        server.pages, server.tokens, server.token = {}, 0, TOKEN
        yield server


def at_noon() -> datetime:
    return datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


def test_ec2_says_when_the_instance_goes(metadata: Any) -> None:
    notices = Ec2Notices(metadata.url, at_noon)
    assert notices.look() is None
    metadata.pages[REBALANCE] = '{"noticeTime": "2026-05-01T11:59:00Z"}'
    warning = notices.look()
    assert warning is not None
    assert warning.is_warning
    metadata.pages[ACTION] = '{"action": "terminate", "time": "2026-05-01T12:02:00Z"}'
    notice = notices.look()
    assert notice is not None
    assert (notice.seconds, notice.is_warning) == (120, False)
    assert "terminate" in notice.text
    assert metadata.tokens == 1


def test_a_token_that_has_expired_is_asked_for_anew(metadata: Any) -> None:
    notices = Ec2Notices(metadata.url, at_noon)
    assert notices.look() is None
    metadata.token = "another"
    with pytest.raises(OSError, match="401"):
        notices.look()
    metadata.token = TOKEN
    assert notices.look() is None
    assert metadata.tokens == 2


def test_gce_gives_thirty_seconds(metadata: Any) -> None:
    notices = GceNotices(metadata.url)
    metadata.pages[PREEMPTED] = "FALSE"
    assert notices.look() is None
    metadata.pages[PREEMPTED] = "TRUE\n"
    notice = notices.look()
    assert notice is not None
    assert notice.seconds == 30


def test_a_file_is_a_notice_with_or_without_seconds(tmp_path: Path) -> None:
    path = tmp_path / "preempted"
    assert FileNotice(path).look() is None
    path.touch()
    notice = FileNotice(path).look()
    assert notice is not None
    assert notice.seconds is None
    path.write_text("45\n", encoding="utf-8")
    notice = FileNotice(path).look()
    assert notice is not None
    assert notice.seconds == 45
    path.write_text("nan", encoding="utf-8")
    with pytest.raises(ValueError, match="expected nothing or seconds"):
        FileNotice(path).look()


@pytest.mark.parametrize(
    ("env", "kind"),
    [
        ({}, type(None)),
        ({"TENYSON_PREEMPTION_FILE": "/x"}, type(None)),
        ({"TENYSON_PREEMPTION_NOTICE": "ec2"}, Ec2Notices),
        ({"TENYSON_PREEMPTION_NOTICE": "gce"}, GceNotices),
        ({"TENYSON_PREEMPTION_NOTICE": "file", "TENYSON_PREEMPTION_FILE": "/x"}, FileNotice),
    ],
)
def test_notices_are_looked_for_where_the_environment_says(env: Any, kind: type) -> None:
    assert type(source_of(env)) is kind


@pytest.mark.parametrize(
    ("env", "names"),
    [
        ({"TENYSON_PREEMPTION_NOTICE": "azure"}, "expected ec2, gce or file, got 'azure'"),
        ({"TENYSON_PREEMPTION_NOTICE": "file"}, "TENYSON_PREEMPTION_FILE"),
    ],
)
def test_an_unknown_place_is_refused(env: Any, names: str) -> None:
    with pytest.raises(ConfigError, match=names):
        source_of(env)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_notice_becomes_a_request_and_a_warning_does_not(metadata: Any) -> None:
    stop, said = StopRequest(grace_seconds=600), []
    source = Ec2Notices(metadata.url, at_noon)
    source.every_seconds = 0.02
    metadata.token = "another"  # it cannot be read at first
    watch = NoticeWatch(source, stop, say=said.append)
    watch.start()
    wait_for(lambda: bool(said))
    metadata.token = TOKEN
    metadata.pages[REBALANCE] = "{}"
    wait_for(lambda: len(said) > 1)
    assert not stop.is_made
    metadata.pages[ACTION] = '{"action": "stop", "time": "2026-05-01T12:02:00Z"}'
    wait_for(lambda: stop.is_made)
    assert 100 < stop.remaining_seconds < 120
    assert "EC2 will stop this Spot instance" in stop.reason
    watch.close()
    wait_for(lambda: len(said) == 3)
    assert "tried again" in said[0]
    assert "at risk" in said[1]
