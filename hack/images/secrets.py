"""What this machine's package configuration gives a build: as build secrets, so none is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")


@contextmanager
def build_secrets(environment: Mapping[str, str] = os.environ) -> Iterator[dict[str, Path]]:
    """The secrets' files by id, as images/dependencies.sh reads them, while the block lasts.

    `ca.crt` is the authority that a mirror's certificate is signed by, `index` its address,
    `uv.toml` what uv is told on this machine. Each is there only if this machine has one.
    """
    found = {
        "ca.crt": _first_file(environment.get(name, "") for name in _CA_VARIABLES),
        "uv.toml": _first_file(_uv_files(environment)),
    }
    secrets = {name: path for name, path in found.items() if path}
    index = next((environment[name] for name in _INDEX_VARIABLES if environment.get(name)), None)
    with TemporaryDirectory(prefix="tenyson-secrets-") as folder:
        if index:
            secrets["index"] = Path(folder, "index")
            secrets["index"].touch(mode=0o600)
            secrets["index"].write_text(index, encoding="utf-8")
        yield secrets


def _uv_files(environment: Mapping[str, str]) -> Iterator[str]:
    yield environment.get("UV_CONFIG_FILE", "")
    base = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    yield str(Path(base, "uv", "uv.toml"))
    yield "/etc/uv/uv.toml"


def _first_file(candidates: Iterator[str]) -> Path | None:
    return next((Path(name) for name in candidates if name and Path(name).is_file()), None)
