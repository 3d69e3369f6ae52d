"""A controller that takes progress, as far as a pod sees it."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tests.runtime.http_server import answering


class _Listener(BaseHTTPRequestHandler):
    server: Any

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.headers["Authorization"], json.loads(body)))
        self.send_response(self.server.status)
        self.end_headers()


@pytest.fixture
def listener() -> Iterator[Any]:
    """A server that has `got` the tokens and bodies of pushes, and answers with its `status`."""
    with answering(_Listener) as server:
        server.got, server.status = [], 200
        server.url += "/progress"
        yield server


def metrics_of(body: dict[str, Any]) -> dict[str, str]:
    return {m["name"]: m["value"] for m in body["trainerStatus"]["metrics"]}
