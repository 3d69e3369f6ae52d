"""docs/eks.md: what a reader copies out of it is taken by the API it is meant for."""

import json
import re
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
import yaml
from botocore import xform_name

from tests.chart.gitops.eks_guide import TEXT, commands, fences, manifests, objects, policies
from tests.chart.gitops.modules import crds_of_karpenter, establish
from tests.chart.rendering import CHART, helm

pytestmark = [pytest.mark.chart, pytest.mark.timeout(900)]

APPLIED = ("device-plugin.yaml", "karpenter.yaml", "namespaces.yaml", "job.yaml")
NOT_KUBERNETES = {"cluster.yaml", "values.yaml"}


def test_every_block_has_the_name_by_which_the_commands_call_it() -> None:
    assert set(manifests()) == {*APPLIED, *NOT_KUBERNETES}
    assert len(manifests()) == len(fences("yaml"))
    for name in manifests():
        assert re.search(rf"[/ ]{name}\b", "\n".join(fences("bash"))), name


@pytest.fixture(scope="module")
def with_karpenter(cluster: Any) -> Iterator[Any]:
    establish(cluster, crds_of_karpenter())
    yield cluster
    # Other tests of this cluster have jobs of these names.
    cluster.kubectl("delete", "-f", "-", stdin=manifests()["job.yaml"])


def test_the_manifests_are_applied_in_their_order(with_karpenter: Any) -> None:
    for name in ("namespaces.yaml", "device-plugin.yaml", "karpenter.yaml", "job.yaml"):
        applied = with_karpenter.kubectl(
            "apply", "--server-side", "--validate=strict", "-f", "-", stdin=manifests()[name]
        )
        assert applied.count("serverside-applied") == len(objects(name))


def test_what_is_wrong_in_a_manifest_would_be_seen(with_karpenter: Any) -> None:
    wrong = manifests()["karpenter.yaml"].replace("consolidationPolicy: WhenEmpty",
                                                  "consolidationPolicy: Never")  # fmt: skip
    with pytest.raises(Exception, match="consolidationPolicy"):
        with_karpenter.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=wrong)


def test_the_device_plugin_and_the_jobs_stand_on_the_nodes_of_both_ways() -> None:
    (plugin,) = objects("device-plugin.yaml")
    pod = plugin["spec"]["template"]["spec"]
    (group,) = (g for g in objects("cluster.yaml")[0]["managedNodeGroups"] if "taints" in g)
    (pool,) = (body for body in objects("karpenter.yaml") if body["kind"] == "NodePool")
    nodes = pool["spec"]["template"]
    for labels in (group["labels"], nodes["metadata"]["labels"]):
        assert pod["nodeSelector"].items() <= labels.items()
    for taint in [*group["taints"], *nodes["spec"]["taints"]]:
        assert {"key": taint["key"], "operator": "Exists", "effect": taint["effect"]} in (
            pod["tolerations"]
        )
    preset = yaml.safe_load(manifests()["values.yaml"])["runtime"]["pod"]["nodePreset"]
    assert preset == {"karpenter": None, "managedNodeGroup": {"name": group["name"]}}


def test_the_clusters_network_enforces_the_policies_that_the_chart_makes() -> None:
    addons = {addon["name"]: addon for addon in objects("cluster.yaml")[0]["addons"]}
    assert json.loads(addons["vpc-cni"]["configurationValues"]) == {"enableNetworkPolicy": "true"}


# What is AWS's


@pytest.fixture(scope="module")
def aws() -> Any:
    return botocore.session.get_session()


@pytest.mark.parametrize("words", commands("aws"), ids=lambda words: " ".join(words[1:3]))
def test_every_command_of_aws_is_one_with_its_options(aws: Any, words: list[str]) -> None:
    service, command, *rest = words[1:]
    if service == "s3":  # the client's own commands, which no model describes
        assert command in ("ls", "rb")
        return
    model = aws.get_service_model({"s3api": "s3"}.get(service, service))
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    assert command in operations
    shape = model.operation_model(operations[command]).input_shape
    known = {xform_name(name, "-") for name in shape.members}
    options = {word[2:] for word in rest if word.startswith("--")} - {"query", "output"}
    assert {option.removeprefix("no-") if option not in known else option
            for option in options} <= known  # fmt: skip


def test_iam_takes_every_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    moto = pytest.importorskip("moto")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with moto.mock_aws():
        iam = botocore.session.get_session().create_client("iam", region_name="eu-central-1")
        for number, text in enumerate(fences("json")):
            if "Principal" in policies()[number]["Statement"][0]:
                iam.create_role(RoleName=f"r{number}", AssumeRolePolicyDocument=text)
            else:
                iam.create_policy(PolicyName=f"p{number}", PolicyDocument=text)


def test_a_runner_may_touch_its_bucket_and_nothing_else() -> None:
    rights = [s for policy in policies() for s in policy["Statement"] if "Resource" in s]
    (bucket,) = set(re.findall(r"--bucket (\S+)", TEXT))
    for statement in rights:
        assert re.fullmatch(rf"arn:aws:s3:::{bucket}(/\*)?", statement["Resource"])
        assert "*" not in str(statement["Action"])
    assert yaml.safe_load(manifests()["values.yaml"])["runtime"]["output"]["uri"].startswith(
        f"s3://{bucket}/"
    )


def test_the_role_is_for_the_service_account_that_the_chart_makes() -> None:
    preset = yaml.safe_load((CHART / "values-eks.yaml").read_text(encoding="utf-8"))
    account = preset["runtime"]["serviceAccount"]["name"]
    (job,) = objects("job.yaml")
    namespace = job["metadata"]["namespace"]
    assert f"--namespace {namespace} --service-account {account} " in TEXT
    assert f"system:serviceaccount:{namespace}:{account}" in TEXT


def test_every_link_within_the_guide_leads_to_a_heading() -> None:
    headings = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for anchor in re.findall(r"\]\(#([^)]+)\)", TEXT):
        assert anchor in anchors


def test_the_values_give_the_runtime_that_the_guide_speaks_of(tmp_path: Any) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(manifests()["values.yaml"], encoding="utf-8")
    text = helm(
        "template", "tenyson", CHART, "--namespace", "tenyson-system",
        "--values", CHART / "values-eks.yaml", "--values", values,
    ).stdout  # fmt: skip
    assert "s3://tenyson-runs-111122223333/runs" in text
    assert "managedNodeGroup" in text
    assert "terminationGracePeriodSeconds: 100" in text
    assert "YOUR-BUCKET" not in text
    (claim,) = re.findall(r"kind: StatefulSet", text)
    assert claim
