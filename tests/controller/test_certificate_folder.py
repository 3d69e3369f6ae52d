"""A certificate that changes under the endpoint: in its folder, and in what is served."""

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tenyson.controller.answers import ApiError
from tenyson.controller.certificate_folder import FolderCertificate
from tenyson.controller.certificate_secret import SecretCertificate
from tenyson.controller.certificates import Certificate, make
from tenyson.controller.observed import Object
from tenyson.controller.serving_certificate import ServingCertificate

HOST = "127.0.0.1"


class Endpoint:
    """A TLS server that answers each line with itself."""

    def __init__(self, serving: ServingCertificate) -> None:
        self.serving = serving
        self.port = 0

    async def open(self) -> asyncio.Server:
        server = await asyncio.start_server(_echo, HOST, 0, ssl=self.serving.server_tls)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def connect(self, authority: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        trusting = ssl.create_default_context(cadata=authority)
        return await asyncio.open_connection(HOST, self.port, ssl=trusting)

    async def shows(self, certificate: Certificate) -> bool:
        """Whether one who trusts only this certificate's authority gets an answer."""
        try:
            reader, writer = await self.connect(certificate.authority)
        except (ssl.SSLError, ConnectionError):
            return False
        return await says_the_same(reader, writer)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
    writer.close()


async def says_the_same(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"hello\n")
    return await reader.readline() == b"hello\n"


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    opened = Endpoint(ServingCertificate())
    server = await opened.open()
    yield opened
    server.close()


def mount(folder: Path, version: str, certificate: Certificate) -> None:
    """Puts a Secret into a folder as the kubelet does: by turning one symbolic link."""
    versioned = folder / f"..{version}"
    versioned.mkdir(parents=True)
    (versioned / "ca.crt").write_text(certificate.authority)
    (versioned / "tls.crt").write_bytes(certificate.certificate)
    (versioned / "tls.key").write_bytes(certificate.private_key)
    (folder / "..data_tmp").symlink_to(versioned.name)
    os.rename(folder / "..data_tmp", folder / "..data")
    for name in ("ca.crt", "tls.crt", "tls.key"):
        with contextlib.suppress(FileExistsError):
            (folder / name).symlink_to(f"..data/{name}")


async def until(endpoint: Endpoint, certificate: Certificate) -> None:
    async with asyncio.timeout(5):
        while not await endpoint.shows(certificate):
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def followed(folder: Path, serving: ServingCertificate) -> AsyncIterator[None]:
    task = asyncio.create_task(FolderCertificate(str(folder), serving, 0.05).run())
    try:
        yield
    finally:
        assert not task.done()
        task.cancel()


async def test_nothing_is_answered_before_there_is_a_certificate(endpoint: Endpoint) -> None:
    made = make(HOST)
    assert not await endpoint.shows(made)
    endpoint.serving.use(made)
    assert await endpoint.shows(made)


async def test_a_mounted_secret_that_changes_is_shown_and_open_connections_stay(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    old, new = make(HOST), make(HOST)
    mount(tmp_path, "1", old)
    async with followed(tmp_path, endpoint.serving):
        await until(endpoint, old)
        reader, writer = await endpoint.connect(old.authority)
        mount(tmp_path, "2", new)
        await until(endpoint, new)
        assert not await endpoint.shows(old)
        assert await says_the_same(reader, writer), "the connection from before goes on"


async def test_files_that_do_not_fit_leave_what_is_served_and_are_read_again(
    endpoint: Endpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good, other = make(HOST), make(HOST)
    mount(tmp_path, "1", good)
    async with followed(tmp_path, endpoint.serving):
        await until(endpoint, good)
        mount(tmp_path, "2", Certificate(other.authority, other.certificate, good.private_key))
        await asyncio.sleep(0.3)
        assert await endpoint.shows(good)
        complaints = [r for r in caplog.records if "the one before is kept" in r.getMessage()]
        assert len(complaints) == 1, "said once, not at every look"
        mount(tmp_path, "3", other)
        await until(endpoint, other)


async def test_a_folder_that_is_emptied_leaves_what_is_served(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    good = make(HOST)
    mount(tmp_path, "1", good)
    async with followed(tmp_path, endpoint.serving):
        await until(endpoint, good)
        (tmp_path / "..data").unlink()
        await asyncio.sleep(0.2)
        assert await endpoint.shows(good)


class CutShort:
    """A Secret of which only half arrives."""

    async def read(self, body: Object) -> Object:
        raise ApiError(0, "Unreadable", '{"data": {"tls.key": "canary')

    create = replace = read


async def test_half_of_a_secret_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    serving = ServingCertificate()
    kept = SecretCertificate(CutShort(), "ns", "tls", (HOST,), serving, lambda: True)
    task = asyncio.create_task(kept.run())
    await asyncio.sleep(0.1)
    task.cancel()
    assert "Secret ns/tls cannot be kept: the answer cannot be read" in caplog.text
    assert "canary" not in caplog.text
