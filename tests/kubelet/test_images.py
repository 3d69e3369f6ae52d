"""What the built images hold, read from the archives that the node imports."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from hack.cluster.progress import to_terminal
from hack.images.building import exported
from hack.images.secrets import build_secrets
from hack.images.sizes import layers_of
from hack.release import project_version

pytestmark = pytest.mark.kubelet

COMPILERS = {"gcc", "cc", "c++", "g++", "clang", "ld", "as", "make", "nvcc"}
INSTALLERS = {"pip", "pip3", "uv", "uvx", "easy_install"}
SETUID_OR_SETGID = 0o6000


@pytest.fixture(scope="module", params=["controller", "runner-cpu"])
def archive(request: pytest.FixtureRequest) -> Path:
    return exported(request.param, to_terminal).path


def config_of(archive: Path) -> dict[str, Any]:
    with tarfile.open(archive) as outer:
        manifest = json.load(opened(outer, "manifest.json"))[0]
        return dict(json.load(opened(outer, manifest["Config"])))


def files_of(archive: Path) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """The members of all layers, from the base up."""
    with tarfile.open(archive) as outer:
        for name in json.load(opened(outer, "manifest.json"))[0]["Layers"]:
            with tarfile.open(fileobj=opened(outer, name)) as layer:
                for member in layer:
                    yield layer, member


def opened(archive: tarfile.TarFile, name: str) -> Any:
    file = archive.extractfile(name)
    assert file is not None, name
    return file


def test_an_image_runs_as_65532_and_says_what_it_was_made_of(archive: Path) -> None:
    config = config_of(archive)["config"]
    labels = config["Labels"]
    assert config["User"] == "65532:65532"
    assert labels["org.opencontainers.image.version"] == project_version()
    assert len(labels["org.opencontainers.image.revision"].removesuffix("-dirty")) == 40
    assert labels["org.opencontainers.image.created"].startswith("20")


def test_an_image_has_no_compiler_and_no_installer(archive: Path) -> None:
    programs = {
        PurePosixPath(member.name).name
        for _, member in files_of(archive)
        if PurePosixPath(member.name).parent.name in ("bin", "sbin")
    }
    assert programs & (COMPILERS | INSTALLERS) == set()
    assert {"python", "triton-cc"} & programs  # otherwise the test looks in the wrong place


def test_nothing_in_an_image_lets_a_process_become_another_user(archive: Path) -> None:
    modes = {m.name: m.mode for _, m in files_of(archive) if m.isfile()}  # the last layer counts
    assert [name for name, mode in modes.items() if mode & SETUID_OR_SETGID] == []


def test_nothing_of_this_machines_package_configuration_stays_in_an_image(archive: Path) -> None:
    with build_secrets() as secrets:
        kept = {hashlib.sha256(path.read_bytes()).digest() for path in secrets.values()}
    for layer, member in files_of(archive):
        if member.isfile() and 0 < member.size < 1 << 20:
            content = opened(layer, member.name).read()
            assert hashlib.sha256(content).digest() not in kept, member.name
    steps = " ".join(step.get("created_by", "") for step in config_of(archive)["history"])
    assert "PROXY" not in steps.upper()


def test_the_controllers_image_is_below_250_mb_and_has_no_torch() -> None:
    layers = layers_of(exported("controller", to_terminal).path)
    assert sum(layer.size_bytes for layer in layers) < 250e6
    assert not {"torch", "transformers", "nvidia"} & {name for la in layers for name in la.parts}


def test_a_change_of_code_changes_one_small_layer(archive: Path) -> None:
    assert layers_of(archive)[-1].size_bytes < 10e6
    assert set(layers_of(archive)[-1].parts) == {"opt/tenyson"}
