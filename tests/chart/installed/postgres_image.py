"""What the official PostgreSQL image does at its start, with this machine's PostgreSQL.

Run as `python postgres_image.py BINARIES [ARGUMENTS]`: it makes the database of the image's own
variables (`POSTGRES_USER`, `POSTGRES_PASSWORD`, `POSTGRES_DB`, `PGDATA`) unless it is there, and
becomes the server. It listens on its pod's address alone, as the pods here share one network.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

_DROP_ROOT = ("unshare", "--user", "--map-user=65534", "--map-group=65534")


def main(binaries: Path, arguments: list[str]) -> None:
    """Make the database, then serve it."""
    user = os.environ.get("POSTGRES_USER", "postgres")
    data = Path(os.environ.get("PGDATA", "/var/lib/postgresql/data"))
    prefix = list(_DROP_ROOT) if os.geteuid() == 0 else []
    if not (data / "PG_VERSION").exists():
        _initialise(prefix, binaries, data, user)
    address = socket.gethostbyname(socket.gethostname())
    settings = {"listen_addresses": address, "unix_socket_directories": "/tmp", "fsync": "off"}
    flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    argv = [*prefix, str(binaries / "postgres"), "-D", str(data), *arguments, *flags]
    os.execvp(argv[0], argv)


def _initialise(prefix: list[str], binaries: Path, data: Path, user: str) -> None:
    password = os.environ.get("POSTGRES_PASSWORD")
    if not password:
        sys.exit("Database is uninitialized and superuser password is not specified.")
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(password)
        file.flush()
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run(
            [*prefix, str(binaries / "initdb"), f"--pgdata={data}", f"--username={user}",
             f"--pwfile={file.name}", *options],
            check=True,
        )  # fmt: skip
    (data / "pg_hba.conf").write_text("local all all trust\nhost all all all scram-sha-256\n")
    database = os.environ.get("POSTGRES_DB", user)
    if database != "postgres":
        statement = f'CREATE DATABASE "{database}";\n'
        single = [str(binaries / "postgres"), "--single", "-D", str(data), "postgres"]
        subprocess.run([*prefix, *single], input=statement, text=True, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
