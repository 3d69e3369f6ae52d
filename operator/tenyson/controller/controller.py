"""Puts the parts together and keeps them running."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from tenyson.controller import certificate_folder, certificates, credentials, metrics, names
from tenyson.controller.cache import Cache
from tenyson.controller.certificate_folder import FolderCertificate
from tenyson.controller.certificate_secret import SecretCertificate
from tenyson.controller.cluster import Cluster
from tenyson.controller.events import Announcer
from tenyson.controller.fence import Fence
from tenyson.controller.forwarding import Forwarder
from tenyson.controller.health import Health
from tenyson.controller.kinds import informers_of
from tenyson.controller.leader import Elector, own_identity
from tenyson.controller.lease import Candidate
from tenyson.controller.limiter import Limiter
from tenyson.controller.names import Key
from tenyson.controller.observed import Defaults, Report
from tenyson.controller.progress import ProgressServer
from tenyson.controller.queue import WorkQueue
from tenyson.controller.reconciler import Reconciler
from tenyson.controller.rotation import hosts_for
from tenyson.controller.serving import StatusServer
from tenyson.controller.serving_certificate import ServingCertificate
from tenyson.controller.settings import Settings, own_address, own_namespace
from tenyson.controller.snapshot import Snapshot
from tenyson.controller.tokens import TokenVerifier

logger = logging.getLogger(__name__)


class Controller:
    """The controller as a whole.

    Every replica lists, watches and takes reports; the leader alone makes passes.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._queue = WorkQueue()
        self._queue.close()
        self._cache = Cache(self._wake)
        self._reports: dict[Key, Report] = {}
        self._fence = Fence()
        self._identity = own_identity()
        self._cluster = Cluster(
            credentials.load(),
            Limiter(settings.api_qps, settings.api_burst),
            credentials.load,
            self._fence,
            self._identity,
        )
        self._announcer = Announcer(self._cluster)
        self._elector: Elector | None = None
        self._certificate = ServingCertificate()
        self._ask_for_certificate: Callable[[], None] = lambda: None
        self._progress_url = ""
        self._progress = ProgressServer(
            self._cache, TokenVerifier(self._cluster.signing_keys), self._reports,
            self._queue.add, self._leads,
        )  # fmt: skip
        self._informers = informers_of(self._cluster, self._cache, settings)
        self._tasks: list[asyncio.Task[None]] = []
        self._health = Health(self._queue)
        self._health.tasks, self._health.informers = self._tasks, self._informers
        self._health.certificate = self._certificate.known
        snapshot = Snapshot(self._queue, self._health, self._cache, self._reports)
        self._status = StatusServer(self._health, snapshot)

    async def start(self) -> None:
        """Starts everything; passes begin once every kind has been listed and this replica leads.

        Raises:
            OSError: A port is taken.
        """
        settings = self._settings
        if settings.metrics_port:
            await self._status.start(settings.metrics_bind, settings.metrics_port)
        await self._serve_progress()
        reconciler = Reconciler(
            self._cluster, self._cache, self._queue, self._announcer, self._reports, self._defaults
        )
        self._spawn("events", self._announcer.run())
        for informer in self._informers:
            self._spawn(f"{informer.kind} informer", informer.run())
        self._spawn("leadership", self._stand(reconciler))

    async def stop(self) -> None:
        """Stops everything; whatever was under way is taken up by the next leader."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._progress.stop()
        await self._status.stop()
        await self._cluster.close()

    def health(self) -> dict[str, float]:
        """Returns how fresh the watches are, and the queue's state.

        Raises:
            UnhealthyError: Only a restart can help.
        """
        return self._health.check()

    def _wake(self, key: Key, urgent: bool) -> None:
        if urgent:
            self._queue.add(key, urgent=True)
        else:
            self._queue.add_soon(key)

    async def _stand(self, reconciler: Reconciler) -> None:
        """Makes passes whenever this replica leads."""
        for informer in self._informers:
            await informer.synced.wait()
        jobs = len(self._cache.known("job"))
        logger.info("All kinds are listed; there are %s jobs", jobs, extra={"jobs": jobs})
        if self._elector is None:
            metrics.LEADER.set(1)
            await self._lead(reconciler)
        else:
            await self._elector.run(lambda: self._lead(reconciler))

    async def _lead(self, reconciler: Reconciler) -> None:
        """Makes passes until cancelled, the first over every job that there is."""
        self._ask_for_certificate()
        await self._certificate.known.wait()
        self._reports.clear()  # They are from an earlier time of leading.
        self._queue.open()
        reconciler.begin()
        try:
            for key in self._cache.known("job"):
                job = self._cache.job(key)
                self._queue.add(key, urgent=job is not None and "startTime" not in job.status)
            async with asyncio.TaskGroup() as group:
                for _ in range(self._settings.workers):
                    group.create_task(reconciler.work())
        finally:
            self._queue.close()

    async def _serve_progress(self) -> None:
        settings = self._settings
        here = own_address(self._cluster.server)
        host = settings.progress_advertise or here
        forwarder = Forwarder(self._leaders_address, self._certificate)
        port = await self._progress.start(
            settings.progress_bind, settings.progress_port, self._certificate.server_tls, forwarder
        )
        self._progress_url = _url(host, settings.progress_advertise_port or port)
        self._elector = self._election(_url(here, port))
        self._keep_certificate(host)
        logger.info("Pods report their progress to %s", self._progress_url)

    def _keep_certificate(self, host: str) -> None:
        """Gets the certificate, and has it kept up to date where somebody renews it."""
        settings, serving = self._settings, self._certificate
        if settings.progress_cert_secret:
            kept = SecretCertificate(
                self._cluster, own_namespace(), settings.progress_cert_secret, hosts_for(host),
                serving, self._leads,
            )  # fmt: skip
            self._ask_for_certificate = kept.look_now
            self._spawn("certificate", kept.run())
        elif folder := settings.progress_cert_dir:
            serving.use(certificate_folder.obtain(folder, host))
            self._spawn("certificate", FolderCertificate(folder, serving).run())
        else:
            serving.use(certificates.make(host))

    def _defaults(self) -> Defaults:
        """Returns what the next pass brings to a job."""
        return Defaults(
            image=self._settings.runner_image,
            progress_url=self._progress_url,
            progress_ca=self._certificate.authority,
            progress_interval_seconds=self._settings.progress_interval,
        )

    def _leads(self) -> bool:
        return self._elector is None or self._elector.is_leader

    def _election(self, progress_address: str) -> Elector | None:
        settings = self._settings
        if not settings.leader_election:
            return None
        candidate = Candidate(
            namespace=settings.lease_namespace or own_namespace(),
            name=settings.lease_name,
            identity=self._identity,
            duration_seconds=settings.lease_seconds,
            renew_seconds=settings.lease_renew_seconds,
            retry_seconds=settings.lease_retry_seconds,
            annotations={names.ANNOTATION_PROGRESS_ADDRESS: progress_address},
        )
        return Elector(self._cluster, candidate, self._fence)

    def _leaders_address(self) -> str:
        """Returns where the leader takes reports; empty without another leader."""
        if self._elector is None or not self._elector.holder:
            return ""
        return self._elector.annotation(names.ANNOTATION_PROGRESS_ADDRESS)

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))


def _url(host: str, port: int) -> str:
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
