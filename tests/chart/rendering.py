"""The chart rendered by the real Helm: its presets, and what each gives."""

import functools
import subprocess
from pathlib import Path
from typing import Any

import yaml

from hack.charttools.tools import tool

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "tenyson"
RELEASE = ("tenyson", "--namespace", "tenyson-system")
# What a cluster with these operators tells Helm; a chart looks at it before it makes their kinds.
OPERATORS = (
    "monitoring.coreos.com/v1",
    "monitoring.coreos.com/v1/ServiceMonitor",
    "monitoring.coreos.com/v1/PodMonitor",
    "monitoring.coreos.com/v1/PrometheusRule",
    "cert-manager.io/v1",
    "cert-manager.io/v1/Certificate",
)


def presets() -> dict[str, Path | None]:
    """Returns each preset's name and its file of values; `default` has none."""
    files = [*CHART.glob("values-*.yaml"), *(CHART / "ci").glob("*-values.yaml")]
    names = {path.stem.removeprefix("values-").removesuffix("-values"): path for path in files}
    return {"default": None, **dict(sorted(names.items()))}


def helm(*arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Returns what Helm answered; it must succeed unless `check` is off."""
    answer = subprocess.run(
        [tool("helm"), *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    assert not check or answer.returncode == 0, f"helm {arguments}: {answer.stderr}"
    return answer


def template_command(preset: str, chart: Path = CHART) -> list[str | Path]:
    """Returns Helm's arguments that render the preset, of this chart or of a copy."""
    values = presets()[preset]
    given = ["--values", values] if values else []
    apis = [argument for name in OPERATORS for argument in ("--api-versions", name)]
    # Away from a cluster there is no earlier password to look up, and each rendering makes one.
    password = ["--set", "postgresql.password=of-the-tests"]
    return ["template", RELEASE[0], chart, *RELEASE[1:], *given, *apis, *password]


@functools.cache
def rendered(preset: str) -> str:
    """Returns what the preset gives, as one stream of YAML documents."""
    return helm(*template_command(preset)).stdout


@functools.cache
def objects(preset: str) -> list[dict[str, Any]]:
    """Returns the preset's objects."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [found for found in yaml.load_all(rendered(preset), loader) if found]


def applied_later(preset: str) -> list[dict[str, Any]]:
    """Returns the objects that pods of the preset apply: manifests that lie in ConfigMaps."""
    texts = [
        text
        for thing in objects(preset)
        for name, text in (thing.get("data", {}) if thing["kind"] == "ConfigMap" else {}).items()
        if name.endswith(".yaml")
    ]
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def pod_specs(preset: str) -> list[tuple[str, dict[str, Any]]]:
    """Returns the spec of every pod that the preset's objects make, with the object's name."""
    found = []
    for thing in objects(preset):
        name = f"{thing['kind']}/{thing['metadata']['name']}"
        if thing["kind"] == "Pod":
            found.append((name, thing["spec"]))
        elif thing["kind"] == "CronJob":
            found.append((name, thing["spec"]["jobTemplate"]["spec"]["template"]["spec"]))
        elif thing["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
            found.append((name, thing["spec"]["template"]["spec"]))
    return found


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns a pod's containers, those that begin it included."""
    return [*spec.get("initContainers", []), *spec["containers"]]
