"""What a fresh machine's kernel has not loaded yet."""

from pathlib import Path

import pytest

from hack.node.system import load_modules


def test_modules_of_a_fresh_machine_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "modprobe"
    program.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    load_modules()  # one that the kernel does not have ends nothing: it may be built in
    asked = (tmp_path / "asked").read_text().split()
    assert asked == ["--quiet", "overlay", "--quiet", "br_netfilter"]


def test_a_container_without_modprobe_is_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    load_modules()
