"""What Argo CD, kstatus and Flux make of TenysonJobs, by a program of their own libraries."""

import hashlib
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hack.cluster.binaries import cache_folder
from hack.cluster.build import compile_go, wanted_go
from hack.cluster.errors import ClusterError
from hack.cluster.files import make_once
from hack.cluster.golang import find_go
from hack.cluster.progress import Report, silent, step

Object = dict[str, Any]

_SOURCES: Final = Path(__file__).parent / "judge"
_PROGRAM: Final = "judge"
_ABOUT_PACKAGES: Final = 615


@dataclass(frozen=True)
class Verdict:
    """What a tool says of an object."""

    status: str
    """Healthy, Progressing, Degraded or Suspended of Argo CD; Current, InProgress or Failed of the
    others."""
    message: str


def judge(
    objects: Mapping[str, Object], script: str, expressions: Mapping[str, str]
) -> dict[str, dict[str, Verdict]]:
    """Returns what `argocd`, `kstatus` and `flux` say, by the objects' names.

    Args:
        objects: Whole objects, by any names.
        script: Argo CD's health script.
        expressions: `inProgress`, `failed` and `current` of Flux's healthCheckExprs.
    """
    asked = json.dumps({"objects": objects, "script": script, "expressions": expressions})
    done = subprocess.run(
        [program()], input=asked, capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode != 0:
        raise ClusterError(f"the objects cannot be judged: {done.stderr}")
    return {
        name: {tool: Verdict(**said) for tool, said in answers.items()}
        for name, answers in json.loads(done.stdout).items()
    }


def program(report: Report = silent) -> Path:
    """Returns the program, built once per version of its sources (about 2 minutes)."""
    parts = sorted(path for path in _SOURCES.iterdir() if path.suffix in (".go", ".mod", ".sum"))
    content = b"".join(path.read_bytes() for path in parts)
    folder = cache_folder().with_name("gitops") / hashlib.sha256(content).hexdigest()[:12]
    return make_once(folder, lambda aside: _build(aside / _PROGRAM, report)) / _PROGRAM


def _build(program: Path, report: Report) -> None:
    go = find_go(cache_folder() / "go", wanted_go(_SOURCES), report)
    with step(report, "building what judges as Argo CD and Flux do"):
        compile_go(go, _SOURCES, ".", program, (), report, about_packages=_ABOUT_PACKAGES)
