"""The databases that are measured: a PostgreSQL server of one's own, with safe settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hack.cluster.postgres import Postgres

SAFE = {
    "fsync": "on",
    "full_page_writes": "on",
    "shared_buffers": "128MB",
    "max_connections": "200",
    "autovacuum_naptime": "60s",
}
"""As PostgreSQL ships, but for the connections: a hundred runs at once, and readers beside them."""
BULK = {"wal_level": "minimal", "max_wal_senders": "0", "max_wal_size": "4GB"}
"""For filling: a standby or a backup is nothing that a benchmark needs."""


@contextmanager
def postgres(folder: Path, **settings: str) -> Iterator[Postgres]:
    """Yields a server that runs; stops it in the end."""
    server = Postgres(folder, SAFE | settings)
    server.start()
    try:
        yield server
    finally:
        server.stop()
