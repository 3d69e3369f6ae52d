"""Where programs come from, and what is said when they are missing."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest

from hack.cluster import binaries, system
from hack.cluster.node.registration import node_object
from hack.cluster.ports import choose_ports, is_free
from hack.node.images import SmallImage, write_archive


def _fake_servers(folder: Path, version: str) -> Path:
    folder.mkdir()
    for name in binaries.SERVERS:
        program = folder / name
        program.write_text(f"#!/bin/sh\necho Kubernetes v{version}\n")
        program.chmod(0o755)
    return folder


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What is reported; the cache holds a build."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("PATH", os.defpath)
    folder = binaries.cached_build_folder()
    folder.mkdir(parents=True)
    (folder / "kube").touch()
    return []


def test_the_callers_folder_comes_first(
    said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = _fake_servers(tmp_path / "assets", "1.34.9")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(folder))
    assert binaries.find_binaries(said.append)["etcd"] == str(folder / "etcd")


def test_an_incomplete_folder_is_passed_over_and_what_it_lacks_is_named(
    said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = _fake_servers(tmp_path / "assets", "1.34.9")
    (folder / "kube-scheduler").unlink()
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(folder))
    assert binaries.find_binaries(said.append).source.startswith("the cache")
    assert said == [f"KUBEBUILDER_ASSETS={folder} lacks kube-scheduler; looking elsewhere"]


def test_another_minor_version_on_the_path_is_passed_over(
    said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = _fake_servers(tmp_path / "bin", "1.31.0")
    monkeypatch.setenv("PATH", f"{folder}:{os.defpath}")
    assert binaries.find_binaries(said.append).source.startswith("the cache")
    assert said == [
        "kube-apiserver from the PATH is version 1.31.0; this cluster needs 1.34.x; "
        "looking elsewhere"
    ]


def test_a_missing_program_comes_with_the_command_to_type() -> None:
    message = system.missing_message([system.BUBBLEWRAP], {"dnf"})
    assert message.splitlines() == [
        "missing: bwrap (the node runs containers with it)",
        "install it with: sudo dnf install -y bubblewrap",
    ]


def test_a_kernel_that_forbids_namespaces_is_explained() -> None:
    setting = {"apparmor_restrict_unprivileged_userns": "1"}
    message = system.sandbox_message("setting up uid map: Permission denied", setting)
    assert "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0" in message


def test_ports_of_an_earlier_start_are_kept() -> None:
    first = choose_ports(["a", "b"], {})
    assert first["a"] != first["b"]
    assert all(is_free(port) for port in first.values())
    assert choose_ports(["a", "b"], first) == first


def test_a_node_and_its_images_are_of_the_machines_own_architecture(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """containerd refuses an image of another one."""
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    archive = tmp_path / "image.tar"
    write_archive(SmallImage("localhost/a:1", {}, ["/a"]), archive)
    with tarfile.open(archive) as members:
        (name,) = (name for name in members.getnames() if len(name) == len(".json") + 64)
        member = members.extractfile(name)
        assert member is not None
        assert json.load(member)["architecture"] == "arm64"
    assert node_object("n", {})["metadata"]["labels"]["kubernetes.io/arch"] == "arm64"
