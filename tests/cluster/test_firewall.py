"""Whether nodes would hear each other, by the rules of a network of the test's own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECK = "from hack.node.system import check_firewall; check_firewall()"
OPEN = "iptables --insert FORWARD --in-interface tny+ --out-interface tny+ --jump ACCEPT"


def checked(*rules: str) -> subprocess.CompletedProcess[str]:
    """Returns what the check says in an empty network with these rules."""
    if os.geteuid() != 0 or shutil.which("iptables") is None:
        pytest.skip("needs root and iptables, for a network of its own with rules of its own")
    script = "\n".join(["set -e", *rules, 'exec "$0" -c "$1"'])
    return subprocess.run(
        ["unshare", "--net", "sh", "-c", script, sys.executable, CHECK],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_machine_that_forwards_nothing_says_what_would_let_nodes_through() -> None:
    refused = checked("iptables --policy FORWARD DROP")
    assert refused.returncode == 1
    assert OPEN in refused.stderr


def test_what_it_says_helps_and_an_open_machine_needs_nothing() -> None:
    assert checked("iptables --policy FORWARD DROP", OPEN).returncode == 0
    assert checked().returncode == 0
