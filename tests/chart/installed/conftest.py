"""A local cluster on which the chart installs as it is: its images are this checkout's programs."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hack.charttools.tools import tool
from hack.cluster.local import LocalCluster
from hack.cluster.node_process import NodeOptions
from hack.cluster.postgres import find_postgres
from tests.chart.installed.helm import Helm, Release
from tests.chart.installed.jobs import Jobs
from tests.chart.installed.network import own_network
from tests.tiny_model import make_tiny_model

_COUNT = itertools.count()
_REGISTRIES = ("ghcr.io/tenyson/", "localhost/", "")
# Pods here share the machine's network: each replica listens on its own pod's address alone.
_CONTROLLER = (
    'export TENYSON_PROGRESS_BIND="$POD_IP" TENYSON_METRICS_BIND="$POD_IP"; '
    'exec "$0" -m tenyson.controller "$@"'
)
# `task:tiny` takes minutes to make on a busy machine, which tells nothing about the chart.
_RUNNER = (
    'mkdir -p "$TENYSON_CACHE_DIR/wordle" && cp -rn "$1" "$TENYSON_CACHE_DIR/wordle/"; shift; '
    'exec "$0" -m tenyson.runner "$@"'
)


def images(tiny_model: Path) -> dict[str, list[str]]:
    """Returns what stands for the images that the chart names."""
    entrypoints = {
        "tenyson-controller": ["/bin/sh", "-c", _CONTROLLER, sys.executable],
        "tenyson-runner": ["/bin/sh", "-c", _RUNNER, sys.executable, str(tiny_model)],
    }
    postgres = Path(__file__).with_name("postgres_image.py")
    database = [sys.executable, str(postgres), str(find_postgres())]
    ours = {f"{at}{name}": command for at in _REGISTRIES for name, command in entrypoints.items()}
    return {**ours, "postgres": database, "docker.io/library/postgres": database}


@pytest.fixture(scope="package")
def network() -> Iterator[None]:
    """A network of these tests' own."""
    with own_network():
        yield


@pytest.fixture(scope="package")
def cluster(network: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A control plane, a node that has the images, and a PostgreSQL."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {"PATH": path, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    options = NodeOptions(images=images(_tiny_model()), env=env)
    state = tmp_path_factory.mktemp("installed")
    with LocalCluster(state, node=True, postgres=True, node_options=options) as running:
        make_tiny_model(running.state_dir / "model")
        yield running


def _tiny_model() -> Path:
    """Returns the folder of the model `task:tiny`, made now if it is not in the user's cache."""
    argv = [sys.executable, "-m", "tenyson.examples.wordle.base_model"]
    said = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout
    return Path(said.split()[-1])


@pytest.fixture(scope="package")
def helm(cluster: LocalCluster) -> Helm:
    """Helm on that cluster."""
    return Helm(tool("helm"), cluster)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Writes a line of figures into the output of the tests."""

    def write(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n  {line}\n")

    return write


@pytest.fixture
def jobs(cluster: LocalCluster) -> Jobs:
    """A namespace for the test's own TenysonJobs."""
    return Jobs(cluster, f"research-{next(_COUNT)}").prepare()


@pytest.fixture
def other_jobs(cluster: LocalCluster) -> Jobs:
    """Another such namespace."""
    return Jobs(cluster, f"research-{next(_COUNT)}").prepare()


@pytest.fixture
def release(helm: Helm) -> Iterator[Release]:
    """The chart in a namespace of its own, to be installed by the test; removed afterwards."""
    release = Release(helm, f"tenyson-system-{next(_COUNT)}")
    yield release
    release.clean_up()


@pytest.fixture
def system(helm: Helm) -> Iterator[Release]:
    """The release that docs/install.md installs; removed afterwards."""
    release = Release(helm, "tenyson-system")
    yield release
    release.clean_up()
