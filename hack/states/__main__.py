"""`python -m hack.states [--check]`: fills docs/operator.md with what kubectl really prints.

It starts a control plane and the operator, and brings TenysonJobs into every state by playing the
kubelet. With `--check` it only says which block of the document does not fit any more.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hack.cluster.control_plane import Timing
from hack.cluster.local import LocalCluster
from hack.cluster.progress import to_terminal
from hack.cluster.waiting import wait_for
from hack.demo.controller import DemoController
from hack.demo.target import Target
from hack.states import stories
from hack.states.document import DOCUMENT, filled, misfits, with_tables
from hack.states.kubelet import Kubelet
from hack.states.printed import Printed
from hack.states.stage import Stage
from hack.states.tables import tables

_CRDS = Path(__file__).resolve().parents[2] / "crds"
_AT_THE_SAME_TIME = 8
_TIMING = Timing(node_lost_seconds=3600, eviction_seconds=3600)
"""Nothing renews the leases of nodes that are played."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the document, or with `--check` compares it; 1 where it does not fit."""
    parser = argparse.ArgumentParser(prog="python -m hack.states", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if a block does not fit")
    parser.add_argument("--print", action="store_true", help="print the blocks, write nothing")
    parser.add_argument("stories", nargs="*", help=f"which of {', '.join(stories.ALL)}; all")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    shown, problems = tell(options.stories or list(stories.ALL))
    printed = {name: found.block() for name, found in shown.items()}
    to_terminal(f"{len(printed)} states in {time.monotonic() - began:.0f} s")
    if options.print:
        for name, text in printed.items():
            to_terminal(f"\n## {name}\n{text}")
    if problems or options.print:
        to_terminal("\n".join(problems))
        return 1 if problems else 0
    document = DOCUMENT.read_text(encoding="utf-8")
    if options.check:
        found = misfits(document, printed, only_these=bool(options.stories))
        to_terminal("\n\n".join(found) or "every block fits")
        return 1 if found else 0
    document = with_tables(filled(document, printed), tables())
    DOCUMENT.write_text(document, encoding="utf-8")
    return 0


def tell(names: Sequence[str]) -> tuple[dict[str, Printed], list[str]]:
    """Returns what kubectl printed in each state of the stories, and how stories went wrong."""
    shown: dict[str, Printed] = {}
    with (
        tempfile.TemporaryDirectory(prefix="tenyson-states-") as folder,
        LocalCluster(Path(folder) / "state", timing=_TIMING) as cluster,
    ):
        controller = _install(cluster)
        try:
            with ThreadPoolExecutor(_AT_THE_SAME_TIME) as pool:
                told = [pool.submit(_tell, cluster, name, shown) for name in names]
        finally:
            controller.stop()
    errors = [(name, story.exception()) for name, story in zip(names, told, strict=True)]
    problems = [f"{name}: {error}" for name, error in errors if error]
    return {name: shown[name] for name in sorted(shown)}, problems


def _tell(cluster: LocalCluster, name: str, shown: dict[str, Printed]) -> None:
    stage = Stage(cluster, f"research-{name}", shown)
    stage.open()
    stories.ALL[name](stage)


def _install(cluster: LocalCluster) -> DemoController:
    cluster.kubectl("apply", "--server-side", "-f", str(_CRDS))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(_CRDS))
    kubelet = Kubelet(cluster.control_plane.admin)
    kubelet.join()
    wait_for(kubelet.is_joined, "the nodes to be ready")
    controller = DemoController(cluster.state_dir)
    target = Target(
        kubeconfig=cluster.kubeconfig,
        namespace="default",
        image="ghcr.io/example/tenyson-runner:0.1.0",
        kubectl=cluster.kubectl,
        prerequisites=[],
        database_url=None,
        runs=cluster.state_dir,
    )
    controller.start(target)
    return controller


if __name__ == "__main__":
    sys.exit(main())
