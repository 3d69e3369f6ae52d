"""What a release attaches and pushes: the packaged chart, pulled again from a real OCI registry."""

import socket
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hack.chart.package import make_package
from hack.charttools.tools import tool
from hack.cluster.waiting import wait_for
from hack.release import project_version
from tests.chart.rendering import CHART, RELEASE, ROOT, helm

pytestmark = pytest.mark.chart
VERSION = project_version(ROOT)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive, bundle = make_package(tmp_path_factory.mktemp("dist"))
    assert archive.exists()
    assert bundle.exists()
    return archive


def test_the_package_has_what_installs_and_nothing_of_the_tests(package: Path) -> None:
    with tarfile.open(package) as archive:
        names = {name.removeprefix("tenyson/") for name in archive.getnames()}
    assert {"Chart.yaml", "values.yaml", "values.schema.json", "README.md"} <= names
    crds = {path.relative_to(CHART).as_posix() for path in (CHART / "files/crds").glob("*.yaml")}
    assert crds <= names
    assert any(name.startswith("templates/tests/") for name in names), "the trial of helm test"
    assert not [name for name in names if name.startswith(("tests/", "ci/"))]


def test_the_bundle_has_every_crd(package: Path) -> None:
    bundle = package.with_name(f"tenyson-crds-{VERSION}.yaml").read_text(encoding="utf-8")
    names = [found["metadata"]["name"] for found in yaml.safe_load_all(bundle)]
    assert sorted(names) == [
        "clustertenysonruntimes.tenyson.dev",
        "tenysonjobs.tenyson.dev",
        "tenysonruntimes.tenyson.dev",
    ]


def test_the_chart_goes_through_a_registry_and_comes_back_the_same(
    package: Path, registry: str
) -> None:
    helm("push", package, f"oci://{registry}/charts", "--plain-http")
    pulled = (f"oci://{registry}/charts/tenyson", "--version", VERSION, "--plain-http")
    from_registry = helm("template", RELEASE[0], *pulled, *RELEASE[1:]).stdout
    assert from_registry == helm("template", RELEASE[0], CHART, *RELEASE[1:]).stdout


@pytest.fixture
def registry() -> Iterator[str]:
    """The address of a registry of one's own, which holds everything in memory."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [tool("registry"), "-port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: _listens(port), "the registry")
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=10)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
