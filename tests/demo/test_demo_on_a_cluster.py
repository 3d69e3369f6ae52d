"""The demo as a person runs it, in a state folder of the test's own."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hack.cluster.teardown import running_processes
from hack.cluster.waiting import wait_for

ROOT = Path(__file__).parents[2]


@pytest.mark.cluster
def test_ctrl_c_leaves_nothing_running(tmp_path: Path) -> None:
    state, said = tmp_path / "demo", tmp_path / "said"
    argv = [sys.executable, "-m", "hack.demo", "--state", str(state), "up"]
    with said.open("wb") as output:
        demo = subprocess.Popen(argv, cwd=ROOT, stdout=output, stderr=output)
    try:
        wait_for(lambda: "Running" in said.read_text(), "the first pod to run", 60)
        started = running_processes(state)
        assert {"controller", "etcd", "kube-apiserver", "node-local", "postgres"} <= started.keys()
        demo.send_signal(signal.SIGINT)
        assert demo.wait(120) == 130
    finally:
        demo.kill()
        subprocess.run([*argv[:-1], "down"], cwd=ROOT, check=True, capture_output=True)
    assert "everything is stopped" in said.read_text()
    assert not any(process.is_running() for process in started.values())
