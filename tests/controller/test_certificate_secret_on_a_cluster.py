"""The Secret of the progress endpoint's certificate: made, followed, renewed, mended."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from tenyson.controller import credentials
from tenyson.controller.cache import Cache
from tenyson.controller.certificate_secret import SecretCertificate
from tenyson.controller.certificates import make_authority, sign
from tenyson.controller.cluster import Cluster
from tenyson.controller.limiter import Limiter
from tenyson.controller.observed import Object
from tenyson.controller.progress import ProgressServer
from tenyson.controller.rotation import SERVING_LIFE, Issued, read
from tenyson.controller.serving_certificate import ServingCertificate
from tenyson.controller.tokens import TokenVerifier
from tests.controller.api import Namespace
from tests.controller.client import WAIT_SECONDS
from tests.controller.test_tokens import Keys

pytestmark = pytest.mark.cluster

NAME = "progress"
HOSTS = ("127.0.0.1",)
DAY = timedelta(days=1)


class Replica:
    """A replica's certificate, as it is kept and served."""

    def __init__(self, api: Cluster, ns: Namespace, *, leads: bool = True) -> None:
        self.leads = leads
        self.now = datetime.now(UTC)
        self.serving = ServingCertificate()
        self.kept = SecretCertificate(
            api, ns.name, NAME, HOSTS, self.serving, lambda: self.leads,
            look_seconds=0.2, now=lambda: self.now,
        )  # fmt: skip
        self.task = asyncio.create_task(self.kept.run())

    @property
    def authority(self) -> str:
        return self.serving.authority


Start = Callable[..., Replica]


@pytest.fixture
async def start(cluster: Any, ns: Namespace) -> AsyncIterator[Start]:
    """Starts replicas, which end with the test."""
    loaded = credentials.load({"KUBECONFIG": str(cluster.kubeconfig)})
    api = Cluster(loaded, Limiter(500, 1000))
    started: list[Replica] = []

    def start(*, leads: bool = True) -> Replica:
        started.append(Replica(api, ns, leads=leads))
        return started[-1]

    yield start
    for replica in started:
        assert not replica.task.done(), "it works until it is told to end"
        replica.task.cancel()
    await asyncio.gather(*(replica.task for replica in started), return_exceptions=True)
    await api.close()


async def until(what: Callable[[], Any]) -> Any:
    """Waits for something to be true, off the loop that the replicas run on."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not (found := await asyncio.to_thread(what)):
            await asyncio.sleep(0.02)
        return found


def secret(ns: Namespace) -> Object | None:
    return ns.api.get(f"{ns.core}/secrets/{NAME}")


def held(ns: Namespace) -> Issued | None:
    """Returns what the Secret holds; None where there is nothing usable."""
    data = (secret(ns) or {}).get("data") or {}
    with contextlib.suppress(ValueError):
        return read({name: base64.b64decode(text).decode() for name, text in data.items()})
    return None


def put(ns: Namespace, data: dict[str, str]) -> None:
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in data.items()}
    ns.api.merge(f"{ns.core}/secrets/{NAME}", {"data": encoded})


async def test_replicas_that_both_believe_to_lead_end_with_one_certificate(
    start: Start, ns: Namespace
) -> None:
    replicas = [start() for _ in range(4)]
    await asyncio.gather(*(replica.serving.known.wait() for replica in replicas))
    issued = held(ns)
    assert issued is not None
    await until(lambda: {replica.authority for replica in replicas} == {issued.served().authority})
    assert (secret(ns) or {})["type"] == "kubernetes.io/tls"


async def test_a_standby_waits_for_the_leader_and_shows_what_it_made(
    start: Start, ns: Namespace
) -> None:
    standby = start(leads=False)
    await asyncio.sleep(0.5)
    assert secret(ns) is None
    assert not standby.serving.known.is_set()
    leader = start()
    await until(lambda: standby.authority == leader.authority != "")


@pytest.mark.parametrize("broken", ["deleted", "emptied", "swapped"])
async def test_a_secret_that_was_harmed_is_written_again_as_it_was(
    broken: str, start: Start, ns: Namespace, caplog: pytest.LogCaptureFixture
) -> None:
    leader, standby = start(), start(leads=False)
    await until(lambda: leader.authority == standby.authority != "")
    before = held(ns)
    assert before is not None
    if broken == "deleted":
        ns.api.call("DELETE", f"{ns.core}/secrets/{NAME}")
    else:
        text = "" if broken == "emptied" else make_authority(datetime.now(UTC)).key_pem
        put(ns, {"tls.key": text})
    await until(lambda: (found := held(ns)) and found.data() == before.data())
    assert standby.authority == before.served().authority
    await until(lambda: "it was gone or broken, and is as before" in caplog.text)


async def test_a_broken_secret_that_nobody_remembers_is_made_anew_and_said_so(
    start: Start, ns: Namespace, caplog: pytest.LogCaptureFixture
) -> None:
    first = start()
    before = await until(lambda: first.authority)
    first.leads = False
    put(ns, {"tls.crt": "nonsense"})
    second = start()
    await until(lambda: second.authority not in ("", before))
    await until(lambda: first.authority == second.authority)
    assert "holds no certificate that can be served; it is replaced" in caplog.text


async def test_a_secret_of_somebody_else_is_left_alone(
    start: Start, ns: Namespace, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = {"metadata": {"name": NAME}, "stringData": {"password": "precious"}}
    ns.api.call("POST", f"{ns.core}/secrets", theirs)
    replica = start()
    await until(lambda: "was not made by a controller" in caplog.text)
    assert not replica.serving.known.is_set()
    assert list((secret(ns) or {})["data"]) == ["password"]


class Pod:
    """A pod that reports, and trusts what it was given when it began."""

    def __init__(self, authority: str, port: int) -> None:
        self._tls = ssl.create_default_context(cadata=authority)
        self._url = f"https://127.0.0.1:{port}/apis/none"

    async def reaches_us(self, session: aiohttp.ClientSession) -> bool:
        async with session.get(self._url, ssl=self._tls) as response:
            return response.status == 404


@contextlib.asynccontextmanager
async def endpoint(serving: ServingCertificate) -> AsyncIterator[int]:
    server = ProgressServer(
        Cache(lambda key, urgent: None), TokenVerifier(Keys()), {}, lambda key: None
    )
    yield await server.start("127.0.0.1", 0, serving.server_tls)
    await server.stop()


async def test_a_pod_that_only_knows_the_old_authority_reports_through_both_rotations(
    start: Start, ns: Namespace
) -> None:
    """The clock stands 61 days ago first; by now the certificate and the authority are due."""
    today = datetime.now(UTC)
    leader, standby = start(leads=False), start(leads=False)
    leader.now = today - 61 * DAY
    old = make_authority(today - 3650 * DAY + 360 * DAY)
    before = Issued((old,), sign(old, HOSTS, leader.now, SERVING_LIFE))
    labels = {"app.kubernetes.io/managed-by": "tenyson-controller",
              "app.kubernetes.io/component": "progress-certificate"}  # fmt: skip
    meta = {"name": NAME, "labels": labels}
    ns.api.call("POST", f"{ns.core}/secrets", {"metadata": meta, "stringData": before.data(),
                                               "type": "kubernetes.io/tls"})  # fmt: skip
    leader.leads = True
    await until(lambda: leader.authority == standby.authority == old.pem)
    connector = aiohttp.TCPConnector(force_close=True)
    async with (
        endpoint(leader.serving) as one,
        endpoint(standby.serving) as two,
        aiohttp.ClientSession(connector=connector) as session,
        aiohttp.ClientSession() as kept_open,
    ):
        pods = [Pod(old.pem, one), Pod(old.pem, two)]
        for pod in pods:
            assert await pod.reaches_us(session)
            assert await pod.reaches_us(kept_open)
        leader.now = today
        while standby.authority == old.pem:
            for pod in pods:
                assert await pod.reaches_us(session), "not one report is lost"
            await asyncio.sleep(0.01)
        after = held(ns)
        assert after is not None
        assert after.serving.until > before.serving.until
        assert [a.pem for a in after.authorities[:1]] == [old.pem]
        assert standby.authority == leader.authority == after.served().authority != old.pem
        for pod in [*pods, Pod(leader.authority, one), Pod(leader.authority, two)]:
            assert await pod.reaches_us(session)
        for pod in pods:
            assert await pod.reaches_us(kept_open)
