"""Helm on the local cluster, and what a release left there."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.cluster.local import LocalCluster
from hack.cluster.node.attempts import ContainerRecords
from hack.cluster.waiting import wait_for
from tests.chart.installed.jobs import ROOT

CHART = ROOT / "charts" / "tenyson"
NAME = "tenyson"
CRDS = tuple(
    f"{kind}.tenyson.dev" for kind in ("tenysonjobs", "tenysonruntimes", "clustertenysonruntimes")
)
WAIT = ("--wait", "--timeout=4m")


class HelmError(Exception):
    """Raised when helm fails; its text is what it said."""


@dataclass(frozen=True)
class Helm:
    """The helm program, pointed at a cluster."""

    program: Path
    cluster: LocalCluster

    @property
    def environment(self) -> dict[str, str]:
        """Variables of a shell in which `helm` and `kubectl` work on this cluster."""
        programs = (self.program.parent, Path(self.cluster.binaries["kubectl"]).parent)
        path = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
        home = self.cluster.state_dir / "helm"
        homes = {f"HELM_{kind}_HOME": str(home / kind) for kind in ("CACHE", "CONFIG", "DATA")}
        return {**os.environ, **homes, "PATH": path, "KUBECONFIG": str(self.cluster.kubeconfig)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts it."""
        return subprocess.Popen(
            [str(self.program), *arguments],
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def run(self, *arguments: str) -> str:
        """Returns what it prints.

        Raises:
            HelmError: It failed.
        """
        return finished(self.start(*arguments))


def finished(helm: subprocess.Popen[str]) -> str:
    """Returns what helm printed, once it has ended.

    Raises:
        HelmError: It failed.
    """
    said, _ = helm.communicate()
    if helm.returncode:
        raise HelmError(f"{helm.args!r} ended with {helm.returncode}:\n{said}")
    return said


class Release:
    """One release of the chart in a namespace; it need not be installed yet."""

    def __init__(self, helm: Helm, namespace: str, name: str = NAME) -> None:
        self.helm, self.namespace, self.name = helm, namespace, name

    def install(self, *options: str, chart: Path = CHART) -> str:
        """Installs it and waits until it is ready."""
        return self.helm.run(*self._install(chart, *options))

    @contextmanager
    def installing(self, *options: str) -> Iterator[None]:
        """Installs it while the block runs; afterwards it is ready."""
        helm = self.helm.start(*self._install(CHART, *options))
        try:
            yield
        except BaseException:
            helm.terminate()
            raise
        finished(helm)

    def upgrade(self, *options: str, chart: Path = CHART) -> str:
        """Upgrades it and waits until it is ready."""
        return self._run("upgrade", self.name, str(chart), *WAIT, *options)

    def rollback(self, revision: int) -> str:
        """Goes back to a revision and waits until it is ready."""
        return self._run("rollback", self.name, str(revision), *WAIT)

    def test(self, seconds: int = 180) -> str:
        """Runs the chart's own test."""
        return self._run("test", self.name, "--logs", f"--timeout={seconds}s")

    def uninstall(self) -> str:
        """Removes it, and waits until its objects are gone."""
        return self._run("uninstall", self.name, "--wait")

    def clean_up(self) -> None:
        """Removes all that a test may have left, CRDs with their TenysonJobs too."""
        self._run("uninstall", self.name, "--ignore-not-found", "--wait")
        kubectl = self.helm.cluster.kubectl
        kubectl("delete", "crd", "--ignore-not-found", *CRDS)
        kubectl("delete", "namespace", "--ignore-not-found", self.namespace)

    def pods(self) -> list[dict[str, Any]]:
        """Returns the controller's pods that are not going away."""
        selector = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component=controller"
        found = self.helm.cluster.kubectl(
            "get", "pods", "-n", self.namespace, "-l", selector, "-o", "json"
        )
        items: list[dict[str, Any]] = json.loads(found)["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]

    def names(self) -> set[str]:
        """Returns the names of the controller's pods."""
        return {pod["metadata"]["name"] for pod in self.pods()}

    def restarts(self) -> list[int]:
        """Returns how often each of the controller's containers was started again."""
        return [pod["status"]["containerStatuses"][0]["restartCount"] for pod in self.pods()]

    def leader(self) -> str:
        """Returns the pod that leads, once one does."""
        arguments = ("get", "lease", "-n", self.namespace, "-o", "json")

        def holder() -> str:
            leases = json.loads(self.helm.cluster.kubectl(*arguments))["items"]
            holders = {lease["spec"].get("holderIdentity") or "" for lease in leases}
            return next(iter(holders & self.names()), "")

        return wait_for(holder, f"a leader in {self.namespace}", 60)

    def resident_bytes(self) -> list[int]:
        """Returns the resident memory of each controller process."""
        return [_resident(self.helm.cluster, pod) for pod in self.pods()]

    def _install(self, chart: Path, *options: str) -> list[str]:
        to = ("--namespace", self.namespace, "--create-namespace")
        return ["install", self.name, str(chart), *to, *WAIT, *options]

    def _run(self, verb: str, *arguments: str) -> str:
        return self.helm.run(verb, *arguments, "--namespace", self.namespace)


def _resident(cluster: LocalCluster, pod: dict[str, Any]) -> int:
    folder = cluster.node.state_dir / "pods" / pod["metadata"]["uid"]
    attempt = ContainerRecords(folder, pod["spec"]["containers"][0]["name"]).latest()
    process = attempt.main_process() if attempt else None
    assert process is not None, pod["status"]
    status = Path(f"/proc/{process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024
