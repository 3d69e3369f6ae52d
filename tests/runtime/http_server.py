"""HTTP servers of a test's own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[Any]:
    """Yields a server that answers at its `url` until the block ends, and logs nothing."""
    silent = type("Silent", (handler,), {"log_message": lambda *_: None})
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), silent)
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
