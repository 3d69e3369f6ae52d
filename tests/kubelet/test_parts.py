"""What of the real node can be told without one; part of `make test`."""

import json
import os
import tarfile
from pathlib import Path

import pytest

from hack.cluster.errors import ClusterError
from hack.node.images import SmallImage, write_archive
from hack.node.network import Network
from hack.node.system import check_system, kernel_problems


def test_who_is_not_root_is_told_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ClusterError, match=r"needs root .* uid 1000; run it as root: sudo make"):
        check_system()


def test_all_that_a_kernel_lacks_is_told_at_once() -> None:
    assert kernel_problems(["overlay", "cgroup2"], filters_bridges=True) == []
    assert len(kernel_problems(["ext4"], filters_bridges=False)) == 3


def test_two_clusters_of_a_machine_share_no_address_and_no_name() -> None:
    def all_of(network: Network) -> set[str]:
        nodes = [
            (network.address(i), network.pods(i), network.namespace(i), *network.inside(i)[1:2])
            for i in range(2)
        ]
        return {network.bridge, network.gateway, *(name for node in nodes for name in node)}

    first, second = all_of(Network(1)), all_of(Network(2))
    assert len(first) == 10
    assert not first & second


def test_a_small_image_is_a_docker_archive_with_its_files_links_and_user(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    image = SmallImage("local/one:1", {"bin/program": program}, ["/bin/sh"], {"bin/sh": "program"})
    write_archive(image, tmp_path / "image.tar")
    with tarfile.open(tmp_path / "image.tar") as archive:

        def read(name: str) -> bytes:
            member = archive.extractfile(name)
            assert member is not None
            return member.read()

        [described] = json.loads(read("manifest.json"))
        config = json.loads(read(described["Config"]))
        layer = archive.extractfile(described["Layers"][0])
        with tarfile.open(fileobj=layer) as files:
            shown = {m.name: (m.mode, m.linkname) for m in files.getmembers()}
    assert described["RepoTags"] == ["local/one:1"]
    assert config["config"]["User"] == "65532:65532"
    assert shown["bin/program"] == (0o755, "")
    assert shown["bin/sh"] == (0o755, "program")
