"""The tools that were built do what the tests take them for."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hack.charttools.tools import TOOLS, cached_tools_folder, tool
from hack.cluster.binaries import KUBERNETES_VERSION
from tests.chart.rendering import helm

pytestmark = pytest.mark.chart


@pytest.mark.parametrize("name", [name for name, it in TOOLS.items() if it.version_command])
def test_a_tool_says_the_version_that_is_pinned(name: str) -> None:
    said = subprocess.run(
        [tool(name), *TOOLS[name].version_command], capture_output=True, text=True, check=True
    )
    assert TOOLS[name].version in said.stdout + said.stderr


def test_without_a_cluster_helm_renders_for_the_kubernetes_that_is_tested(tmp_path: Path) -> None:
    if tool("helm").parent != cached_tools_folder():
        pytest.skip("a newer helm of this machine is used, which knows its own Kubernetes")
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("{apiVersion: v2, name: probe, version: 1.0.0}")
    template = '{apiVersion: v1, kind: ConfigMap, data: {is: "{{ .Capabilities.KubeVersion }}"}}'
    (tmp_path / "templates" / "probe.yaml").write_text(template)
    minor = ".".join(KUBERNETES_VERSION.split(".")[:2])
    assert f'"v{minor}.0"' in helm("template", tmp_path).stdout


@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ([], "InProgress"),
        ([{"type": "Complete", "status": "True"}], "Current"),
        ([{"type": "Failed", "status": "True", "message": "out of\nmemory"}], "Failed"),
    ],
)
def test_kstatus_tells_how_a_job_stands(conditions: list[dict[str, str]], status: str) -> None:
    answer = _kstatus(
        {"kind": "Job", "apiVersion": "batch/v1", "status": {"conditions": conditions}}
    )
    assert answer.stdout.count("\n") == 1
    assert answer.stdout.partition("\t")[0] == status


def test_kstatus_refuses_what_is_no_object() -> None:
    answer = subprocess.run(
        [tool("kstatus")], input="", capture_output=True, text=True, check=False
    )
    assert answer.returncode == 1
    assert "holds no object" in answer.stderr


def _kstatus(thing: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool("kstatus")], input=json.dumps(thing), capture_output=True, text=True, check=True
    )
