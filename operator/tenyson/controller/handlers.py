"""What kopf calls: start, stop, probe and log in. Nothing else.

All objects come through informers of our own: kopf's watching costs four times the processor time
per job, and ends the operator on answers that a watch may well get (410, a line that is no JSON).
No handler here keeps state in annotations, adds a finalizer or is retried by kopf.
"""

import itertools
import logging
from collections.abc import Iterator
from typing import Any

import kopf

from tenyson.controller import credentials, settings
from tenyson.controller.controller import Controller
from tenyson.controller.health import UnhealthyError


@kopf.on.startup()
async def start(settings: kopf.OperatorSettings, memo: kopf.Memo, **_: Any) -> None:
    """Starts the controller beside kopf."""
    _configure(settings)
    try:
        memo.controller = Controller(_settings())
        await memo.controller.start()
    except (OSError, ValueError) as error:
        # Any other error kopf would try again for good, as if it could pass.
        raise kopf.PermanentError(str(error)) from error


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
    # One line per event would be most of the log and a good part of the work, and that an activity
    # has succeeded shows in what comes next.
    for name in ("kopf.objects", "kopf.activities"):
        logging.getLogger(name).setLevel(logging.WARNING)
