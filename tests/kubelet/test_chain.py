"""The Wordle experiment from the base model to the last evaluation, as the README applies it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster.progress import to_terminal
from hack.demo.jobs import names_in
from hack.demo.resources import database_secret
from hack.demo.summary import count_rows
from hack.node.real import RealCluster
from tests.kubelet.release import Release
from tests.kubelet.stack import ROOT, Research, research

pytestmark = [pytest.mark.kubelet, pytest.mark.timeout(3600)]  # the first builds the images

EXPERIMENT = ROOT / "tasks/tenyson/examples/wordle/experiment.yaml"


@pytest.fixture
def lab(installed: Release, cluster: RealCluster, model: Path) -> Iterator[Research]:
    with research(cluster, "wordle", model) as own:
        yield own


def test_the_wordle_chain_runs_to_its_end_and_learns(lab: Research, cluster: RealCluster) -> None:
    database = cluster.postgres()
    database.start()
    try:
        lab.namespace.apply(database_secret(cluster.database_url(database)))
        lab.namespace.kubectl("apply", "-f", str(EXPERIMENT))
        names = names_in(EXPERIMENT)
        results = {name: lab.succeeded(name, 1500)["result"] for name in names}
        counts = count_rows(database.database_url)
    finally:
        database.stop()
    shown = {name: result["metrics"].get("accuracy") for name, result in results.items()}
    to_terminal(f"accuracy: {json.dumps(shown)}; rows: {json.dumps(counts)}")
    base, sft, rl = (
        shown[name] or 0.0 for name in ("wordle-base-eval", "wordle-sft-eval", "wordle-eval")
    )
    assert base < 0.05 < sft < rl
    assert counts["rollouts"] == 200 * 16
    assert counts["generations"] >= 200 * 128 + 3 * 512
