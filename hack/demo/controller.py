"""The operator as the demo runs it: on this machine, beside the cluster."""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from hack.cluster.files import read_json, write_json
from hack.cluster.ports import choose_ports
from hack.cluster.processes import Supervised
from hack.cluster.waiting import wait_for
from hack.demo.target import Target

_READY_SECONDS = 60.0


class DemoController:
    """The controller's process; its log is `logs/controller.log` of the state folder."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._process = Supervised(state_dir, "controller")

    def start(self, target: Target) -> None:
        """Starts it and returns once its liveness endpoint answers.

        One that runs is replaced: it may serve another cluster, or be of older code, and as it
        keeps nothing in memory that costs a second.
        """
        self._process.stop()
        liveness = f"http://127.0.0.1:{self._ports()['liveness']}/healthz"
        argv = [sys.executable, "-m", "tenyson.controller", "--standalone", "--all-namespaces"]
        env = {**_DEFAULTS, **os.environ, **self._settings(target)}
        self._process.start([*argv, f"--liveness={liveness}"], env, cwd=self._state_dir)
        wait_for(lambda: self._answers(liveness), "the controller to be live", _READY_SECONDS)

    def check(self) -> None:
        """Raises an error with the end of its log unless it runs."""
        self._process.check()

    def stop(self) -> None:
        """Stops it; the runs that it manages go on."""
        self._process.stop()

    def kill(self) -> None:
        """Ends it as a crash would."""
        self._process.kill()

    def _settings(self, target: Target) -> dict[str, str]:
        settings = {
            "KUBECONFIG": str(target.kubeconfig),
            "TENYSON_RUNNER_IMAGE": target.image,
            # The same port and certificate after a restart, so that running pods find it again.
            "TENYSON_PROGRESS_PORT": str(self._ports()["progress"]),
            "TENYSON_PROGRESS_CERT_DIR": str(self._state_dir / "progress-certificates"),
            "TENYSON_METRICS_PORT": "0",
            # It is the only one, and after a crash the next shall not wait for a lease to run out.
            "TENYSON_LEADER_ELECTION": "false",
        }
        loopback = dict.fromkeys(("TENYSON_PROGRESS_BIND", "TENYSON_PROGRESS_ADVERTISE"), LOOPBACK)
        return {**settings, **loopback} if target.is_local else settings

    def _ports(self) -> dict[str, int]:
        path = self._state_dir / "controller-ports.json"
        known: dict[str, int] = read_json(path) or {}
        if not self._process.is_running():
            known = choose_ports(("liveness", "progress"), known)
            write_json(path, known)
        return known

    def _answers(self, url: str) -> bool:
        self._process.check()
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False


LOOPBACK = "127.0.0.1"
_DEFAULTS = {"TENYSON_PROGRESS_INTERVAL": "2"}
"""What a person at the terminal wants; the environment may say otherwise."""
