"""From a driver's error to a sentence: what happened, and what to do about it."""

from dataclasses import dataclass

from sqlalchemy import URL

from tenyson.telemetry.urls import secrets_of, shown


@dataclass(frozen=True)
class Trouble:
    """One kind of refusal, told by its SQLSTATE or by words of the driver."""

    words: tuple[str, ...]
    said: str
    hint: str
    is_about_rights: bool = False
    states: tuple[str, ...] = ()


_TROUBLES = (
    Trouble(
        ("password authentication failed", "no password supplied"),
        "refuses the user or the password",
        "Set the right ones in the URL; a character such as @, : or / in them is written as %40, "
        "%3A, %2F.",
        is_about_rights=True,
        states=("28P01", "28000"),
    ),
    Trouble(
        ("permission denied", "readonly database"),
        "does not give this user the right to it",
        "Let its owner run `tenyson db upgrade` once, then GRANT USAGE ON SCHEMA public and GRANT "
        "SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public to the user of the runs (SELECT "
        "alone to one who reads).",
        is_about_rights=True,
        states=("42501",),
    ),
    Trouble(
        ('" does not exist', "unable to open database file"),
        "has no such database",
        "Create it first (CREATE DATABASE …; for SQLite, the folder), or correct the URL.",
        states=("3D000",),
    ),
    Trouble(
        ("disk is full", "no space left", "could not extend file", "could not write to file"),
        "is full",
        "Make room on its disk; rows wait in the output folder and follow.",
        states=("53100",),
    ),
    Trouble(
        ("too many clients", "remaining connection slots"),
        "takes no further connection",
        "Raise max_connections, or put a pooler such as PgBouncer before it.",
        states=("53300",),
    ),
    Trouble(
        ("database is locked", "lock timeout"),
        "is locked by another program",
        "End that program, or wait until it is done.",
        states=("55P03",),
    ),
)


def trouble_of(error: Exception) -> Trouble | None:
    """Returns the kind of the error; None for one without a remedy of its own."""
    cause = getattr(error, "orig", None) or error
    state, words = getattr(cause, "sqlstate", None), str(cause).lower()
    for trouble in _TROUBLES:
        if state in trouble.states or (not state and any(w in words for w in trouble.words)):
            return trouble
    return None


def reason_of(error: Exception, url: URL) -> str:
    """Returns the driver's first line and what helps, without SQL, parameters or a password."""
    cause = getattr(error, "orig", None) or error
    lines = str(cause).strip().splitlines()
    reason = f"{type(cause).__name__}: {lines[0] if lines else 'no message'}"
    for secret in secrets_of(url):
        reason = reason.replace(secret, "***")
    trouble = trouble_of(error)
    remedy = f" ({shown(url)} {trouble.said}. {trouble.hint})" if trouble else ""
    return reason[:300] + remedy
