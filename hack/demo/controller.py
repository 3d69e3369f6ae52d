"""The operator as the demo runs it: `kopf run` on this machine, beside the cluster."""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from hack.cluster.ports import choose_ports
from hack.cluster.processes import Supervised
from hack.cluster.waiting import wait_for


class DemoController:
    """The controller's process, its log in `logs/controller.log` of the state folder."""

    def __init__(self, state_dir: Path, kubeconfig: Path) -> None:
        self.process = Supervised(state_dir, "controller")
        self._kubeconfig = kubeconfig
        self._state_dir = state_dir

    def start(self, runner_image: str) -> None:
        """Starts it, unless it runs, and waits until its liveness endpoint answers."""
        if self.process.is_running():
            return
        liveness = f"http://127.0.0.1:{choose_ports(["liveness"], {})["liveness"]}/healthz"
        kopf = str(Path(sys.executable).with_name("kopf"))
        argv = [kopf, "run", "-m", "tenyson.controller", "--standalone", "--all-namespaces"]
        env = {
            **os.environ,
            "KUBECONFIG": str(self._kubeconfig),
            "TENYSON_RUNNER_IMAGE": runner_image,
            "TENYSON_PROGRESS_ADVERTISE": "127.0.0.1",
            "TENYSON_PROGRESS_INTERVAL": "2",
        }
        self.process.start([*argv, f"--liveness={liveness}"], env, cwd=self._state_dir)
        wait_for(lambda: self._answers(liveness), "the controller's liveness endpoint", 60)

    def stop(self) -> None:
        """Stops it; what it manages goes on."""
        self.process.stop()

    def _answers(self, url: str) -> bool:
        self.process.check()
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False
