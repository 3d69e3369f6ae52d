"""Where the demo runs: on a cluster of its own, or on the one that KUBECONFIG points at."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.cluster.errors import ClusterError
from hack.cluster.local import LocalCluster
from hack.cluster.node_process import NodeOptions
from hack.cluster.progress import to_terminal
from hack.demo import resources

LOCAL_IMAGE = "tenyson/runner"
"""What the local node takes for the runner's image: this checkout's own environment."""


@dataclass(frozen=True)
class Target:
    """A cluster as the demo uses it."""

    kubeconfig: Path
    namespace: str
    image: str
    kubectl: Callable[..., str]
    """Takes arguments and `stdin`, returns what kubectl printed."""
    prerequisites: list[dict[str, Any]]
    """Objects that the experiment needs beside its TenysonJobs."""
    database_url: str | None
    """The telemetry database as seen from here; None where there is none."""
    runs: Path | None
    """The runs' output folders as seen from here; None where they are out of reach."""

    @property
    def is_local(self) -> bool:
        """Whether it is the demo's own cluster, on this machine."""
        return self.runs is not None


def runner_images() -> dict[str, list[str]]:
    """Returns the entrypoint behind the local image: this environment's own runner."""
    # Without it a runner would be the installed checkout's, though another one is being tried.
    path = os.environ.get("PYTHONPATH")
    own = ["/usr/bin/env", f"PYTHONPATH={path}"] if path else []
    return {LOCAL_IMAGE: [*own, sys.executable, "-m", "tenyson.runner"]}


def local_cluster(state_dir: Path) -> LocalCluster:
    """Returns the demo's own cluster, not started."""
    options = NodeOptions(images=runner_images())
    return LocalCluster(
        state_dir, node=True, postgres=True, node_options=options, report=to_terminal
    )


def local_target(cluster: LocalCluster) -> Target:
    """Returns the demo's own cluster, which runs."""
    _link_kubectl(cluster)
    runs = cluster.state_dir / "runs"
    runs.mkdir(exist_ok=True)
    return Target(
        kubeconfig=cluster.kubeconfig,
        namespace=resources.NAMESPACE,
        image=LOCAL_IMAGE,
        kubectl=cluster.kubectl,
        prerequisites=[
            resources.host_volume(runs),
            resources.volume_claim("demo"),
            resources.database_secret(cluster.database_url),
        ],
        database_url=cluster.database_url,
        runs=runs,
    )


def current_target() -> Target:
    """Returns the cluster that KUBECONFIG points at.

    Raises:
        ClusterError: kubectl, the kubeconfig or one of the variables that it needs is missing.
    """
    kubectl = shutil.which("kubectl")
    kubeconfig = Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube/config").resolve()
    if kubectl is None or not kubeconfig.is_file():
        raise ClusterError(
            f"CLUSTER=current needs kubectl on the PATH (found: {kubectl}) and a kubeconfig "
            f"(KUBECONFIG is {str(kubeconfig)!r}, which {'is' if kubeconfig.exists() else 'is not'}"
            " there)."
        )
    image = _variable("TENYSON_RUNNER_IMAGE", "the runner's image, as the cluster's nodes pull it")
    database = _variable("TENYSON_DEMO_DATABASE_URL", "a PostgreSQL URL that pods can reach")

    def run(*arguments: str, stdin: str | None = None) -> str:
        argv = [kubectl, f"--kubeconfig={kubeconfig}", *arguments]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    namespace = run("config", "view", "--minify", "-o", "jsonpath={..namespace}") or "default"
    return Target(
        kubeconfig=kubeconfig,
        namespace=namespace,
        image=image,
        kubectl=run,
        prerequisites=[resources.volume_claim(None), resources.database_secret(database)],
        database_url=database,
        runs=None,
    )


def _variable(name: str, meaning: str) -> str:
    if not (value := os.environ.get(name)):
        raise ClusterError(f"CLUSTER=current needs {name}: {meaning}. Set it and run make again.")
    return value


def _link_kubectl(cluster: LocalCluster) -> None:
    """Leaves a kubectl beside the kubeconfig, for machines that have none."""
    link = cluster.state_dir / "kubectl"
    link.unlink(missing_ok=True)
    if "kubectl" in cluster.binaries.paths:
        link.symlink_to(cluster.binaries["kubectl"])
