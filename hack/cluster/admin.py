"""Plain requests to the apiserver as the admin: for readiness, and for tests."""

from __future__ import annotations

import http.client
import ssl
from typing import Any
from urllib.parse import urlsplit

import orjson

from hack.cluster.certificates import Certificates
from hack.cluster.errors import ClusterError


class AdminApi:
    """One request, one connection; nothing is kept between them."""

    def __init__(self, url: str, certificates: Certificates) -> None:
        self._address = urlsplit(url)
        admin = certificates.pair("admin")
        self._context = ssl.create_default_context(cafile=str(certificates.ca.certificate))
        self._context.load_cert_chain(admin.certificate, admin.key)

    def find(self, path: str) -> Any | None:
        """What is at the path, or None where nothing is, or the apiserver is away."""
        try:
            status, body = self._send("GET", path, None, "")
        except (OSError, http.client.HTTPException):
            return None
        return _decoded(body) if status == 200 else None

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Any:
        """The apiserver's answer.

        Raises:
            ClusterError: it said no, with its words.
        """
        status, answer = self._send(method, path, body, content_type)
        if status >= 400:
            raise ClusterError(f"{method} {path}: {status}: {answer.decode(errors='replace')}")
        return _decoded(answer)

    def _send(self, method: str, path: str, body: Any, content_type: str) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(
            str(self._address.hostname), self._address.port, context=self._context, timeout=10
        )
        data = None if body is None else orjson.dumps(body)
        try:
            connection.request(method, path, data, {"Content-Type": content_type})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _decoded(body: bytes) -> Any:
    return orjson.loads(body) if body.startswith(b"{") else body.decode(errors="replace")
