"""What `tenyson doctor` looks at; each look says what it found, and what to do where it is bad."""

import os
import platform
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from tenyson.contract import Env
from tenyson.errors import ConfigError, TenysonError
from tenyson.manifest.secret import hide_password

if TYPE_CHECKING:
    from sqlalchemy import URL

NEEDED_TO_TRAIN = ("torch", "transformers", "trl", "peft", "datasets", "accelerate")
LOW_DISK_BYTES = 10 * 2**30
CONNECT_SECONDS = 5


@dataclass(frozen=True)
class Finding:
    """One line of the examination."""

    mark: str
    """`ok`, `note` (works, but should be known) or `bad` (a run would fail)."""
    what: str
    said: str
    remedy: str = ""
    """What to do; empty where nothing is to be done."""


def check_python() -> Iterator[Finding]:
    """Yields the interpreter and the machine."""
    said = f"{platform.python_version()} on {platform.machine()}, {os.cpu_count()} processors"
    yield Finding("ok", "Python", said)


def check_libraries() -> Iterator[Finding]:
    """Yields each training library, with the version that this version of Tenyson wants."""
    wanted = _pinned()
    for name in NEEDED_TO_TRAIN:
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding("bad", name, "is not installed", "pip install 'tenyson[train]'")
            continue
        pin = wanted.get(name)
        if pin and found != pin:
            remedy = f"Tenyson is tested with {pin}: pip install '{name}=={pin}'"
            yield Finding("note", name, found, remedy)
        else:
            yield Finding("ok", name, found)


def _pinned() -> dict[str, str]:
    """Returns the exact versions that Tenyson's own metadata asks for."""
    try:
        wanted = metadata.requires("tenyson") or []
    except metadata.PackageNotFoundError:
        return {}
    pins = (re.match(r"([A-Za-z0-9_.-]+)==([^;\s]+)", requirement) for requirement in wanted)
    return {pin[1]: pin[2] for pin in pins if pin}


def check_gpu() -> Iterator[Finding]:
    """Yields the GPUs that the driver knows; torch is not asked, which takes seconds."""
    command = ["nvidia-smi", "--query-gpu=name,memory.total,memory.used", "--format=csv,noheader"]
    if shutil.which(command[0]) is None:
        said = "none: runs use the processor, which suits tiny models only"
        yield Finding("note", "GPU", said)
        return
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        remedy = "Check the driver; in a container, that it was started with the GPU."
        yield Finding("bad", "GPU", f"nvidia-smi does not answer: {error}", remedy)
        return
    for line in done.stdout.strip().splitlines():
        yield Finding("ok", "GPU", f"{line} in use")


def check_disk(folder: Path) -> Iterator[Finding]:
    """Yields whether the output folder can be written, and what is free there."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK):
        yield Finding(
            "bad", "output folder", f"{place} cannot be written", f"Set {Env.OUTPUT_DIR}."
        )
        return
    free = shutil.disk_usage(place).free
    said = f"{folder}, {free / 2**30:.0f} GiB free"
    remedy = "Checkpoints of a larger model will not fit; lower checkpoint.keep or give it more."
    is_low = free < LOW_DISK_BYTES
    yield Finding("note" if is_low else "ok", "output folder", said, remedy if is_low else "")


def check_database(url: str | None) -> Iterator[Finding]:
    """Yields whether the telemetry database answers."""
    if not url:
        said = "none is set: runs keep their metrics in the output folder alone"
        yield Finding("note", "telemetry", said, f"Set {Env.TELEMETRY_DB_URL} to use one.")
        return
    shown = hide_password(url)
    from tenyson.telemetry.database import Database

    try:
        database = Database(url)  # connects to nothing yet
        database.close()
    except ConfigError as error:
        yield Finding("bad", "telemetry", f"{shown}: {error.message}", error.hint)
        return
    try:
        yield Finding("ok", "telemetry", f"{shown} answers ({_ask(database.url)})")
    except TenysonError as error:  # its tables are of another version
        yield Finding("bad", "telemetry", error.message, error.hint)
    except Exception as error:  # noqa: BLE001 - each driver raises classes of its own
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        remedy = "Training goes on without it; rows wait in the output folder until it is back."
        yield Finding("note", "telemetry", f"{shown}: {reason}", remedy)


def _ask(url: "URL") -> str:
    """The server's version, of a database that a run could write to."""
    from sqlalchemy import create_engine, text

    from tenyson.telemetry.schema import Standing, refusal, state_of

    is_sqlite = url.get_backend_name() == "sqlite"
    limits = {} if is_sqlite else {"connect_timeout": CONNECT_SECONDS}
    engine = create_engine(url, connect_args=limits)
    try:
        with engine.connect() as connection:
            version = "sqlite_version()" if is_sqlite else "version()"
            answer = str(connection.execute(text(f"SELECT {version}")).scalar())
            state = state_of(connection)
            if state.standing not in (Standing.CURRENT, Standing.EMPTY):
                raise refusal(engine, state)
            return f"SQLite {answer}" if is_sqlite else " ".join(answer.split()[:2])
    finally:
        engine.dispose()


def check_storage(uri: str | None) -> Iterator[Finding]:
    """Yields whether the storage takes a file and gives it back."""
    if not uri:
        said = "none is set: checkpoints stay in the output folder alone"
        yield Finding("note", "storage", said, f"Set {Env.OUTPUT_URI} to keep copies elsewhere.")
        return
    from tenyson.checkpoints.mirror import Mirror

    probe = f".tenyson-doctor-{uuid.uuid4().hex[:8]}"
    try:
        mirror = Mirror(uri, pause_seconds=0.2)
        mirror.write_text(probe, "written by tenyson doctor")
        returned = mirror.read_text(probe)
        mirror.remove(probe)
    except TenysonError as error:
        yield Finding("bad", "storage", error.message, error.hint)
        return
    if returned != "written by tenyson doctor":
        yield Finding("bad", "storage", f"{uri} gave back other content than it was given")
        return
    yield Finding("ok", "storage", f"{uri} takes files and gives them back")


def check_hub(env: Mapping[str, str]) -> Iterator[Finding]:
    """Yields whether there is a token for the Hub; it is not sent anywhere."""
    cache = env.get("HF_HUB_CACHE") or str(Path(env.get("HF_HOME", "~/.cache/huggingface"), "hub"))
    offline = " (offline: only what the cache holds)" if env.get("HF_HUB_OFFLINE") == "1" else ""
    yield Finding("ok", "Hub's cache", f"{cache}{offline}")
    stored = Path(env.get("HF_HOME", "~/.cache/huggingface"), "token").expanduser()
    if env.get(Env.HUB_TOKEN) or stored.is_file():
        where = Env.HUB_TOKEN if env.get(Env.HUB_TOKEN) else str(stored)
        yield Finding("ok", "Hub's token", f"there is one ({where})")
        return
    remedy = f"Private and gated models, and pushing, need one: set {Env.HUB_TOKEN}."
    pushes = bool(env.get(Env.HUB_REPO))
    yield Finding("bad" if pushes else "note", "Hub's token", "there is none", remedy)
