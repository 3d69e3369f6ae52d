"""The manifests under docs/examples: taken as they stand, and carried out."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tenyson.controller import names
from tenyson.controller.resource.spec import TenysonJobSpec
from tests.controller.api import Api, Namespace, eventually
from tests.controller.builders import condition

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]

EXAMPLES = sorted((Path(__file__).parents[3] / "docs" / "examples").glob("*.yaml"))
FIRST = {
    "sft.yaml": ["wordle-sft-a0"], "rl-chain.yaml": ["chain-sft-a0"],
    "multi-node.yaml": ["wordle-sft-4x8-a0"], "queue.yaml": ["wordle-rl-queued-a0"],
    "all-fields.yaml": [], "runtime-eks-managed-node-group.yaml": [],
    "runtime-eks-karpenter.yaml": [], "telemetry-upgrade.yaml": ["tenyson-telemetry-upgrade"],
}  # fmt: skip
"""What each example makes at once: children of jobs that wait for nothing."""


@pytest.fixture
def applied(cluster: Any, api: Api, ns: Namespace) -> Iterator[Any]:
    """Applies an example as strictly as can be; what is not in the namespace goes afterwards."""
    yield lambda path: cluster.kubectl(
        "apply", "--server-side", "--validate=strict", "-n", ns.name, "-f", str(path)
    )
    runtimes = f"/apis/{names.API_VERSION}/{names.CLUSTER_RUNTIME_PLURAL}"
    api.call("DELETE", runtimes)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.name))
def test_an_example_is_taken_and_carried_out(ns: Namespace, applied: Any, path: Path) -> None:
    shown = applied(path)
    documents = list(yaml.safe_load_all(path.read_text()))
    assert shown.count("serverside-applied") == len(documents)
    eventually(lambda: ns.children() == FIRST[path.name])
    again = applied(path)
    assert again.count("serverside-applied") == len(documents)
    for name in [body["metadata"]["name"] for body in documents if body["kind"] == names.KIND]:
        status = eventually(partial(ns.status, name))
        accepted = condition(status, "Accepted")
        assert accepted["reason"] == ("RuntimeNotFound" if name == "wordle-rl" else "Valid")
        assert (ns.job(name) or {})["metadata"]["generation"] == 1


def test_one_example_has_every_field() -> None:
    (path,) = [path for path in EXAMPLES if path.name == "all-fields.yaml"]
    spec = yaml.safe_load(path.read_text())["spec"]
    assert set(spec) == {field.alias for field in TenysonJobSpec.model_fields.values()}


def test_the_example_of_every_field_starts_once_all_that_it_names_is_there(
    ns: Namespace, applied: Any
) -> None:
    for path in EXAMPLES:
        if path.name in ("all-fields.yaml", "sft.yaml", "runtime-eks-managed-node-group.yaml"):
            applied(path)
    ns.reason("wordle-rl", "Running", "WaitingForDependency")
    for secret, key in (("telemetry", "url"), ("hub", "token")):
        body = {"metadata": {"name": secret}, "stringData": {key: "x"}}
        ns.api.call("POST", f"{ns.core}/secrets", body)
    account = {"metadata": {"name": "tenyson-runner"}}
    ns.api.call("POST", f"{ns.core}/serviceaccounts", account)
    done = {"run_id": "r", "status": "success", "output_uri": "s3://bucket/runs/x"}
    ns.run_to_end("wordle-sft-a0", 0, json.dumps(done))
    template = ns.child("wordle-rl-a0")["spec"]["template"]
    assert template["spec"]["nodeSelector"]["eks.amazonaws.com/nodegroup"] == "gpu-spot"
    assert ns.pods("wordle-rl-a0")
