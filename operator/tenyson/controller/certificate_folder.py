"""A certificate in a folder: made there if it is empty, and read again when it changes.

cert-manager's Secret is mounted there. The kubelet replaces what is mounted by turning one symbolic
link, so two files that are read one after the other may be of two versions; they do not fit then,
and are read again.
"""

import asyncio
import logging
from pathlib import Path
from typing import Final

from tenyson.controller.certificates import Certificate, make
from tenyson.controller.logs import Seldom
from tenyson.controller.serving_certificate import ServingCertificate

logger = logging.getLogger(__name__)

_FILES: Final = ("ca.crt", "tls.crt", "tls.key")
_LOOK_SECONDS: Final = 10.0
_COMPLAIN_EVERY_SECONDS: Final = 60.0


def obtain(folder: str, host: str) -> Certificate:
    """Returns the certificate in a folder, made there if missing.

    Raises:
        FileNotFoundError: Some of its files are there and some are not.
        OSError: It cannot be read, or written.
    """
    paths = [Path(folder, name) for name in _FILES]
    missing = [path.name for path in paths if not path.exists()]
    if len(missing) == len(paths):
        _store(make(host), paths)
    elif missing:
        raise FileNotFoundError(
            f"{folder} holds a part of a certificate and lacks {', '.join(missing)}. "
            f"Add what is missing, or empty the folder to have all of it made."
        )
    return read(folder)


def read(folder: str) -> Certificate:
    """Returns the certificate in a folder.

    Raises:
        OSError: A file is missing, or cannot be read.
    """
    authority, certificate, private_key = (Path(folder, name).read_bytes() for name in _FILES)
    return Certificate(authority.decode(), certificate, private_key)


def _store(made: Certificate, paths: list[Path]) -> None:
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    contents = (made.authority.encode(), made.certificate, made.private_key)
    for path, content in zip(paths, contents, strict=True):
        path.touch(mode=0o600)
        path.write_bytes(content)


class FolderCertificate:
    """Serves what lies in a folder, as it changes."""

    def __init__(
        self, folder: str, serving: ServingCertificate, look_seconds: float = _LOOK_SECONDS
    ) -> None:
        self._folder = folder
        self._serving = serving
        self._look_seconds = look_seconds
        self._complaints = Seldom(_COMPLAIN_EVERY_SECONDS)

    async def run(self) -> None:
        """Works until cancelled; files that cannot be served leave the ones before in use."""
        while True:
            await asyncio.sleep(self._look_seconds)
            try:
                self._serving.use(read(self._folder))
            except (OSError, ValueError) as error:
                if self._complaints.is_due("folder"):
                    logger.warning(
                        "The certificate in %s cannot be used, and the one before is kept: %s",
                        self._folder, error,
                    )  # fmt: skip
