"""What kopf calls: start, stop, probe, log in, and every event of a TenysonJob. Nothing else.

No handler here keeps state in annotations, adds a finalizer or is retried by kopf: an event only
feeds the cache, and the queue does the rest.
"""

import itertools
import logging
from collections.abc import Iterator
from typing import Any

import kopf

from tenyson.controller import credentials, names, settings
from tenyson.controller.controller import Controller, UnhealthyError


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, memo: kopf.Memo, **_: Any) -> None:
    """Starts the controller beside kopf."""
    _configure(settings)
    memo.controller = Controller(_settings())
    await memo.controller.start()


@kopf.on.cleanup()
async def stop(memo: kopf.Memo, **_: Any) -> None:
    """Stops the controller."""
    if "controller" in memo:
        await memo.controller.stop()


@kopf.on.login(retries=3)
def log_in(**_: Any) -> kopf.ConnectionInfo:
    """Hands kopf the credentials that the controller uses itself."""
    found = credentials.load()
    return kopf.ConnectionInfo(
        server=found.server,
        ca_data=found.ca_data or None,
        certificate_data=found.certificate or None,
        private_key_data=found.private_key or None,
        token=found.token or None,
        insecure=found.insecure,
    )


@kopf.on.probe(id="controller")
def probe(memo: kopf.Memo, **_: Any) -> dict[str, float]:
    """Returns how fresh the watches are."""
    try:
        return memo.controller.health() if "controller" in memo else {}
    except UnhealthyError as error:
        # Any other error kopf would retry for good, with the probe left unanswered.
        raise kopf.PermanentError(str(error)) from error


@kopf.on.event(names.GROUP, names.VERSION, names.PLURAL)
async def heard(type: str | None, event: Any, memo: kopf.Memo, **_: Any) -> None:
    """Feeds the cache."""
    controller: Controller = memo.controller
    controller.heard(type, event["object"])
    if type is None:
        controller.listed_anew()


class _Patience:
    """Waits between kopf's tries, without end.

    By default kopf waits up to 21 s after an API server has come back, and lets some errors that
    outlast a minute end the operator.
    """

    def __iter__(self) -> Iterator[float]:
        yield from (0.5, 1.0)
        yield from itertools.repeat(2.0)


def _settings() -> settings.Settings:
    return settings.from_environment()


def _configure(kopf_settings: kopf.OperatorSettings) -> None:
    kopf_settings.posting.enabled = False
    kopf_settings.peering.standalone = True
    # The CRD is there before the controller, or the controller waits for it; no need to watch CRDs.
    kopf_settings.scanning.disabled = True
    kopf_settings.networking.error_backoffs = _Patience()
    # One line per event would be most of the log and a good part of the work.
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
