"""Where clouds say that a machine is about to be taken away, and what they say.

Off unless TENYSON_PREEMPTION_NOTICE names one. In a cluster a drain usually ends the pod with
SIGTERM; a notice comes earlier, and is all there is where nothing watches the node.
"""

import http.client
import json
import math
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from tenyson.contract import Env
from tenyson.errors import ConfigError, Problem

TIMEOUT_SECONDS = 2.0
GCE_SECONDS = 30.0
"""Between Compute Engine's notice and its shutdown."""
_TOKEN_SECONDS = 21_600
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Notice:
    """Word of a coming preemption."""

    text: str
    seconds: float | None = None
    """Until the machine is gone; None where nobody says."""
    is_warning: bool = False
    """Whether it only says that the machine is at risk: nothing is stopped for that."""


class Source(Protocol):
    """A place where notices appear."""

    every_seconds: float
    """Time between two looks."""

    def look(self) -> Notice | None:
        """Returns the notice that is there, if any.

        Raises:
            OSError: The place cannot be reached.
            ValueError: What it says cannot be understood.
        """


class Ec2Notices:
    """EC2's instance metadata (IMDSv2): the interruption of a Spot instance, two minutes ahead."""

    every_seconds = 5.0

    def __init__(self, url: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._url = url.rstrip("/")
        self._now = now
        self._token = ""

    def look(self) -> Notice | None:
        """Returns the instance's action, else a recommendation to rebalance."""
        if action := self._get("spot/instance-action"):
            content = json.loads(action)
            seconds = (_time(content["time"]) - self._now()).total_seconds()
            text = f"EC2 will {content['action']} this Spot instance at {content['time']}"
            return Notice(text, max(0.0, seconds))
        if self._get("events/recommendations/rebalance"):
            return Notice("EC2 says that this Spot instance is at risk", is_warning=True)
        return None

    def _get(self, name: str) -> str:
        if not self._token:
            ttl = {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_SECONDS)}
            self._token = _request(f"{self._url}/latest/api/token", ttl, "PUT")
        headers = {"X-aws-ec2-metadata-token": self._token}
        try:
            return _request(f"{self._url}/latest/meta-data/{name}", headers)
        except urllib.error.HTTPError as error:
            if error.code == http.client.NOT_FOUND:
                return ""
            self._token = ""  # it has expired: the next look asks for another
            raise


class GceNotices:
    """Compute Engine's metadata: whether this instance is being preempted, 30 s ahead."""

    every_seconds = 2.0

    def __init__(self, url: str) -> None:
        self._url = f"{url.rstrip('/')}/computeMetadata/v1/instance/preempted"

    def look(self) -> Notice | None:
        """Returns a notice once the instance is marked."""
        if _request(self._url, {"Metadata-Flavor": "Google"}).strip() != "TRUE":
            return None
        return Notice("Compute Engine is preempting this instance", GCE_SECONDS)


class FileNotice:
    """A file that somebody puts there: empty, or with the seconds that are left."""

    every_seconds = 1.0

    def __init__(self, path: Path) -> None:
        self._path = path

    def look(self) -> Notice | None:
        """Returns a notice once the file is there."""
        try:
            content = self._path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        seconds = float(content) if content else None
        if seconds is not None and not 0 <= seconds < math.inf:
            raise ValueError(f"{self._path} holds {content!r}, expected nothing or seconds")
        return Notice(f"{self._path} is there", seconds)


def source_of(env: Mapping[str, str] = os.environ) -> Source | None:
    """Returns where the environment has notices looked for; None where it names no place.

    Raises:
        ConfigError: The place is unknown, or `file` without a path.
    """
    kind = env.get(Env.PREEMPTION_NOTICE)
    if not kind:
        return None
    if kind == "ec2":
        return Ec2Notices(env.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254")
    if kind == "gce":
        return GceNotices(f"http://{env.get('GCE_METADATA_HOST') or 'metadata.google.internal'}")
    if kind != "file":
        raise ConfigError(
            [Problem(Env.PREEMPTION_NOTICE, f"expected ec2, gce or file, got {kind!r}")]
        )
    if not (path := env.get(Env.PREEMPTION_FILE)):
        raise ConfigError(
            [Problem(Env.PREEMPTION_FILE, f"{Env.PREEMPTION_NOTICE}=file needs the file's path")]
        )
    return FileNotice(Path(path))


def _request(url: str, headers: Mapping[str, str], method: str = "GET") -> str:
    request = urllib.request.Request(url, headers=dict(headers), method=method)
    with _NO_PROXY.open(request, timeout=TIMEOUT_SECONDS) as answer:
        return str(answer.read().decode())


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
