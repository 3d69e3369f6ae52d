"""A plain client of the API server, and patience."""

import base64
import json
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import urllib3
import yaml

from tenyson.controller.observed import Object

T = TypeVar("T")
WAIT_SECONDS = 120.0


def eventually(what: Callable[[], T | None], *, seconds: float = WAIT_SECONDS) -> T:
    """Returns what a function returns as soon as that is true; fails after a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError(f"did not come true within {seconds} s; last: {what()!r}")


class ApiError(Exception):
    """What the API server answered."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """A plain client for the API server, as its admin."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cadata=_pem(cluster, "certificate-authority"))
        pair = kubeconfig.with_name("test-admin.pem")
        pair.write_text(_pem(user, "client-certificate") + _pem(user, "client-key"))
        context.load_cert_chain(pair)
        self.server = cluster["server"]
        self._pool = urllib3.PoolManager(ssl_context=context, maxsize=8)

    def call(
        self, method: str, path: str, body: Any = None, kind: str = "application/json"
    ) -> Object:
        data = None if body is None else json.dumps(body).encode()
        status, answer = self.raw(method, path, data, kind)
        content = json.loads(answer) if answer.startswith(b"{") else {}
        if status >= 400:
            raise ApiError(status, content.get("message", answer.decode()))
        return dict(content)

    def raw(
        self, method: str, path: str, data: bytes | None = None, kind: str = "application/json"
    ) -> tuple[int, bytes]:
        """Returns code and body of the answer, whatever they are."""
        headers = {"Content-Type": kind}
        answer = self._pool.request(method, self.server + path, body=data, headers=headers)
        return answer.status, answer.data

    def get(self, path: str) -> Object | None:
        try:
            return self.call("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def history(self, path: str, since: str) -> list[Object]:
        """Returns every version of a collection's objects after a resource version."""
        query = f"{path}?watch=1&resourceVersion={since}&timeoutSeconds=1"
        answer = self._pool.request("GET", self.server + query)
        return [json.loads(line)["object"] for line in answer.data.splitlines()]

    def merge(self, path: str, body: Object) -> Object:
        return self.call("PATCH", path, body, "application/merge-patch+json")


def _pem(section: Object, name: str) -> str:
    if f"{name}-data" in section:
        return base64.b64decode(section[f"{name}-data"]).decode()
    return Path(section[name]).read_text()
