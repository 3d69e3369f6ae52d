"""The telemetry database's URL: what may be given, and how it is shown."""

from urllib.parse import quote, quote_plus

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from tenyson.errors import ConfigError, Problem


def parse_url(db_url: str) -> URL:
    """Returns the URL; `postgres://` and `postgresql://` mean psycopg 3.

    Raises:
        ConfigError: It is no URL of SQLite or PostgreSQL.
    """
    try:
        url = make_url(db_url)
    except (ArgumentError, ValueError):
        # The message and the cause would show the URL, and with it the password.
        raise refused("is no database URL") from None
    if url.drivername in {"postgres", "postgresql"}:
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in {"postgresql", "sqlite"}:
        raise refused(f"names the database {url.get_backend_name()!r}")
    return url


def refused(problem: str) -> ConfigError:
    """Returns the error for a URL that cannot be used."""
    return ConfigError(
        [Problem("telemetry.db_url", f"{problem}; expected SQLite or PostgreSQL")],
        hint="It comes from the configuration or from TENYSON_TELEMETRY_DB_URL. Examples: "
        "sqlite:///./tenyson_telemetry.db, postgresql://user:password@host:5432/db.",
    )


def shown(url: URL) -> str:
    """Returns the URL without its password and its options."""
    return url.set(query={}).render_as_string(hide_password=True)


def secrets_of(url: URL) -> list[str]:
    """Returns what no message may repeat, in every spelling that a URL allows."""
    plain = [str(url.password)] if url.password else []
    for name, value in url.query.items():
        if "password" in name or "passfile" in name:
            plain += [value] if isinstance(value, str) else list(value)
    return [form for s in plain if s for form in {s, quote(s, safe=""), quote_plus(s)}]
