"""Cgroups of version 2 as a kubelet wants them, tried too where version 1 rules the machine."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.node import cgroups


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The mounted root of version 2, which hands down afterwards what it did before."""
    lines = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    mounted = [Path(place) for _, place, kind, *_ in lines if kind == "cgroup2"]
    if not mounted or os.geteuid() != 0 or not os.access(mounted[0], os.W_OK):
        pytest.skip("needs root, and a cgroup of version 2 that it may write to")
    monkeypatch.setattr(cgroups, "_ROOT", mounted[0])
    control = mounted[0] / "cgroup.subtree_control"
    before = set(control.read_text().split())
    yield mounted[0]
    for controller in set(control.read_text().split()) - before:
        control.write_text(f"-{controller}")


def test_a_cgroup_below_another_has_all_that_a_kubelet_asks_for(root: Path) -> None:
    name = f"tny-test-{os.getpid()}"
    there = set((root / "cgroup.controllers").read_text().split())
    try:
        for folder in (name, f"{name}/node0"):
            cgroups.make_cgroup(folder)
            own = set((root / folder / "cgroup.controllers").read_text().split())
            assert there & {"cpu", "cpuset", "memory", "hugetlb", "pids"} <= own
    finally:
        cgroups.remove_cgroup(name)
    assert not (root / name).exists()
