"""How much of the controller a flood of reports can use up, over real HTTPS."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import orjson
import pytest

from tenyson.controller import certificates, listening, names, progress, tokens
from tenyson.controller.cache import Cache
from tenyson.controller.names import Key
from tenyson.controller.observed import Report
from tenyson.controller.progress import REFUSALS_AT_ONCE, REPORTS_AT_ONCE, ProgressServer
from tenyson.controller.serving_certificate import ServingCertificate
from tenyson.controller.throttle import Throttle
from tenyson.controller.tokens import TokenVerifier
from tenyson.progress import Progress, ProgressEndpoint, ProgressPusher
from tests.controller.builders import job_body, pod_body
from tests.controller.reports import report
from tests.controller.test_tokens import CLAIMS, KEY, TOKEN, Keys

HOST = "127.0.0.1"
STRANGER = "not.a.token"


def token_of(pod: str) -> str:
    claims = {**CLAIMS, "kubernetes.io": {"namespace": "n", "pod": {"uid": pod}}}
    return jwt.encode(claims, KEY, algorithm="ES256", headers={"kid": "k"})


class Served:
    """A progress server with the running jobs `j` and `k`, and those who push to it."""

    def __init__(self) -> None:
        self.reports: dict[Key, Report] = {}
        self.cache = Cache(lambda key, urgent: None)
        for name in ("j", "k"):
            self.cache.put_job(job_body(name, status={"attempt": 0, "phase": "Running"}))
            self.cache.put_pod(pod_body(name))
        self.server = ProgressServer(
            self.cache, TokenVerifier(Keys()), self.reports, lambda key: None
        )
        self.certificate = ServingCertificate()
        self.certificate.use(certificates.make(HOST))
        self.port = 0

    async def start(self) -> None:
        self.port = await self.server.start(HOST, 0, self.certificate.server_tls)

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.certificate.authority)

    def url(self, job: str) -> str:
        return f"https://{HOST}:{self.port}{names.progress_path('n', job, '0')}"

    async def push(self, token: str, job: str = "j", source: str = HOST) -> tuple[int, str]:
        """The answer's code, and when to come again."""
        (answer,) = await self.push_all([(token, job)], source)
        return answer

    async def push_all(
        self, pushes: list[tuple[str, str]], source: str = HOST
    ) -> list[tuple[int, str]]:
        answers = []
        connector = aiohttp.TCPConnector(ssl=self.tls, local_addr=(source, 0))
        async with aiohttp.ClientSession(connector=connector) as session:
            for token, job in pushes:
                headers = {"Authorization": f"Bearer {token}"}
                body = orjson.dumps(report(1))
                async with session.post(self.url(job), data=body, headers=headers) as answer:
                    answers.append((answer.status, answer.headers.get("Retry-After", "")))
        return answers

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(HOST, self.port, ssl=self.tls)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    served = Served()
    await served.start()
    yield served
    await served.server.stop()


async def test_a_pod_that_reports_too_often_is_told_when_to_come_again(served: Served) -> None:
    pod, other = token_of("pod-j-0"), token_of("pod-k-0")
    answers = await served.push_all([(pod, "j")] * (REPORTS_AT_ONCE + 15))

    assert answers[:REPORTS_AT_ONCE] == [(200, "")] * REPORTS_AT_ONCE
    assert answers[-1] == (429, "1")
    assert (await served.push(other, "k"))[0] == 200, "it is no other pod's fault"
    await asyncio.sleep(0.3)
    assert (await served.push(pod))[0] == 200


async def test_a_stranger_is_soon_not_looked_at_and_keeps_out_no_pod_that_was_known(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = token_of("pod-j-0")
    assert (await served.push(pod))[0] == 200
    looked_at = []
    verify = TokenVerifier.verify

    async def counted(self: TokenVerifier, token: str) -> Any:
        looked_at.append(token)
        return await verify(self, token)

    monkeypatch.setattr(TokenVerifier, "verify", counted)
    answers = await served.push_all([(STRANGER, "j")] * (REFUSALS_AT_ONCE + 15))

    assert answers[:REFUSALS_AT_ONCE] == [(401, "")] * REFUSALS_AT_ONCE
    assert answers[-1] == (429, "1")
    assert len(looked_at) <= REFUSALS_AT_ONCE + 2
    assert (await served.push(pod))[0] == 200
    assert (await served.push(token_of("pod-k-0"), "k"))[0] == 429, "nobody can know it yet"
    assert (await served.push(token_of("pod-k-0"), "k", source="127.0.0.2"))[0] == 200


async def test_connections_are_bounded_and_one_address_gets_a_part_of_them_alone(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MOST_OF_ONE", 4)
    monkeypatch.setattr(listening, "MOST", 5)
    pod = token_of("pod-j-0")
    held = [await served.connect() for _ in range(4)]
    with pytest.raises(aiohttp.ClientError):
        await served.push(pod)
    assert (await served.push(pod, source="127.0.0.2"))[0] == 200

    monkeypatch.setattr(listening, "MOST", 4)
    with pytest.raises(aiohttp.ClientError):
        await served.push(pod, source="127.0.0.2")

    for _, writer in held:
        writer.transport.abort()
    await asyncio.sleep(0.1)
    assert (await served.push(pod))[0] == 200


async def test_a_connection_without_a_request_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_IDLE_SECONDS", 0.2)
    served = Served()
    await served.start()
    reader, writer = await served.connect()
    writer.write(b"POST / HTTP/1.1\r\nHost: ")  # and no more of it
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    await served.server.stop()


async def test_a_body_that_comes_too_slowly_is_not_waited_for(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_REQUEST_SECONDS", 0.2)
    reader, writer = await served.connect()
    head = f"POST {names.progress_path('n', 'j', '0')} HTTP/1.1\r\nHost: {HOST}\r\n"
    head += f"Authorization: Bearer {token_of('pod-j-0')}\r\nContent-Length: 100\r\n\r\n{{"
    writer.write(head.encode())
    assert await asyncio.wait_for(reader.readline(), 10) == b"HTTP/1.1 408 Request Timeout\r\n"
    writer.close()


async def test_a_runner_that_is_put_off_waits_and_loses_nothing_that_is_new(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca.pem").write_text(served.certificate.authority, encoding="utf-8")
    (tmp_path / "token").write_text(token_of("pod-j-0"), encoding="utf-8")
    endpoint = ProgressEndpoint(served.url("j"), str(tmp_path / "token"), str(tmp_path / "ca.pem"))
    monkeypatch.setattr(served.server, "_pods", Throttle(1.0, 1))
    answered: list[int] = []
    take = served.server._take

    async def noted(request: Any) -> Any:
        answered.append(0)
        return await take(request)

    monkeypatch.setattr(served.server, "_take", noted)
    pusher = ProgressPusher(endpoint, interval_seconds=0.0)
    for step in range(50):
        pusher.update(Progress(step, 50))
        await asyncio.sleep(0.01)
    async with asyncio.timeout(10):
        while served.reports.get(("n", "j"), Report(0, None)).step != 49:  # type: ignore[arg-type]
            await asyncio.sleep(0.05)
    assert len(answered) <= 6, "it came again before it was asked to"
    closing = threading.Thread(target=pusher.close)
    closing.start()
    await asyncio.to_thread(closing.join)


def test_sources_are_remembered_in_a_bounded_number() -> None:
    now = 0.0
    throttle = Throttle(1.0, 2, most=100, clock=lambda: now)
    for source in range(1000):
        assert throttle.take(source) == 0.0
        assert throttle.seconds_to_next(f"asked about {source}") == 0.0
    assert len(throttle) == 100
    assert throttle.take(999) == 0.0
    assert throttle.take(999) == 1.0
    assert throttle.seconds_to_next(999) == 1.0
    now = 0.25
    assert throttle.seconds_to_next(999) == 0.75


async def test_good_tokens_are_remembered_until_they_expire_in_a_bounded_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokens, "_REMEMBERED", 3)
    verifier = TokenVerifier(Keys())
    assert verifier.remembered(TOKEN) is None
    known = [token_of(f"pod-{number}") for number in range(4)]
    for token in known:
        await verifier.verify(token)
    assert [verifier.remembered(token) is not None for token in known] == [False, True, True, True]
    monkeypatch.setattr(tokens.time, "time", lambda: float(CLAIMS["exp"]))  # type: ignore[arg-type]
    assert verifier.remembered(known[-1]) is None
