"""What whoever has taken over a runner's pod can reach from there."""

import json
import re
from typing import Any

import pytest
import urllib3

from tenyson.contract import PROGRESS_AUDIENCE
from tenyson.controller import names
from tenyson.controller.observed import Object
from tests.controller.api import Api, ApiError, Namespace, eventually, result
from tests.controller.builders import condition
from tests.controller.reports import push, report
from tests.security.others import another_namespace, pod_template

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("operator")]

AT_ONCE = {"backoffSeconds": 0, "backoffMaxSeconds": 0}
PATHS = (
    "/api/v1/namespaces/{ns}/secrets",
    "/api/v1/namespaces/{ns}/pods",
    "/api/v1/namespaces/{ns}/configmaps",
    "/apis/tenyson.dev/v1alpha1/namespaces/{ns}/tenysonjobs",
    "/apis/tenyson.dev/v1alpha1/namespaces/{ns}/tenysonjobs/j/status",
    "/apis/batch/v1/namespaces/{ns}/jobs",
    "/api/v1/nodes",
)


def answer(ns: Namespace, path: str, token: str) -> int:
    pool = urllib3.PoolManager(cert_reqs="CERT_NONE", assert_hostname=False)
    url = ns.api.server + path.format(ns=ns.name)
    return int(pool.request("GET", url, headers={"Authorization": f"Bearer {token}"}).status)


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_its_token_opens_nothing_of_the_api(ns: Namespace) -> None:
    ns.create("j")
    pod = ns.run_pod("j-a0")
    own = ns.token(pod, PROGRESS_AUDIENCE)
    assert {answer(ns, path, own) for path in PATHS} == {401}
    # Nor would the service account's own, which the pod does not get.
    whole = ns.token(pod, "https://kubernetes.default.svc.cluster.local")
    answers = {answer(ns, path, whole) for path in PATHS}
    assert answers <= {401, 403}


def test_it_holds_one_token_and_it_is_for_the_progress_alone(ns: Namespace) -> None:
    ns.create("j")
    pod = ns.pod("j-a0")
    sources = [
        source
        for volume in pod["spec"]["volumes"]
        for source in volume.get("projected", {}).get("sources", ())
    ]
    (token,) = [s["serviceAccountToken"] for s in sources]
    assert (token["audience"], token["expirationSeconds"]) == (PROGRESS_AUDIENCE, 3600)
    assert pod["spec"]["automountServiceAccountToken"] is False


def test_a_pod_of_an_older_attempt_is_heard_no_more(ns: Namespace) -> None:
    ns.create("j", retry=AT_ONCE)
    pod = ns.run_pod("j-a0")
    old = ns.token(pod, PROGRESS_AUDIENCE)
    eventually(lambda: push(ns, "j-a0", old, report(3)) == 200)
    ns.end(pod, 75)
    new = ns.token(ns.run_pod("j-a1"), PROGRESS_AUDIENCE)
    ns.phase("j", "Running", attempt=1)
    assert push(ns, "j-a0", old, report(9)) == 403
    assert push(ns, "j-a0", old, report(9), path="/j/attempts/1/") == 403
    assert eventually(lambda: push(ns, "j-a1", new, report(5)) == 200)
    assert push(ns, "j-a0", old, report(9)) == 403
    assert ns.status("j").get("progress", {}).get("step") != 9


def test_a_pod_of_another_namespace_is_not_heard_though_it_wears_our_labels(
    ns: Namespace, api: Api
) -> None:
    ns.create("j")
    ours = ns.run_pod("j-a0")
    ns.phase("j", "Running")
    eventually(lambda: push(ns, "j-a0", ns.token(ours, PROGRESS_AUDIENCE)) == 200)
    with another_namespace(api) as other:
        labels = {k: v for k, v in ours["metadata"]["labels"].items() if "tenyson.dev" in k}
        forged: Object = {
            "metadata": {"name": "forged", "labels": labels},
            "spec": {"containers": [{"name": names.CONTAINER, "image": "i"}]},
        }
        theirs = other.run(api.call("POST", f"{other.core}/pods", forged))
        token = other.token(theirs, PROGRESS_AUDIENCE)
        assert push(ns, "j-a0", token, report(9)) == 403
        other.end(theirs, 0, result(global_step=99))
    assert ns.status("j")["phase"] == "Running"


HOSTILE = {
    "brackets": "[" * 4096,
    "numbers": json.dumps({"run_id": "r", "status": "success", "global_step": 10**400}),
    "metrics": json.dumps({"run_id": "r", "status": "success", "metrics": {"a\x1b[2J": 1e308}}),
    "lists": json.dumps({"run_id": ["r"], "status": {"a": 1}, "failure": [1]}),
    "escapes": "\x1b[2J\x1b]0;owned\x07 all is well\r\u202egpj.exe",
    "markup": "<script>alert(1)</script> | a | b |\n# Heading {{ 7*7 }} %s %(x)s {0}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_it_leaves_as_its_result_breaks_nothing(ns: Namespace, name: str) -> None:
    ns.create("j", retry={"maxRetries": 0, "maxInfraRetries": 0})
    ns.create("neighbour")
    ns.run_to_end("j-a0", 70, HOSTILE[name])
    status = ns.phase("j", "Failed")
    shown = json.dumps(status, ensure_ascii=False)
    assert not {"\\u001b", "\\u0007", "\u202e"} & set(re.findall(r"\\u00..|[^ -~]", shown))
    assert "\n" not in condition(status, "Failed")["message"]
    assert len(shown) < 32 * 1024
    ns.run_to_end("neighbour-a0", 0, result())
    ns.phase("neighbour", "Succeeded")


def test_it_cannot_say_where_another_run_is_to_find_its_adapter(ns: Namespace) -> None:
    ns.create("parent", output={"uri": "s3://bucket/runs"})
    ns.create("j", adapterFrom={"job": "parent"}, output={"uri": "s3://bucket/runs"})
    theirs = "https://evil.example/$(HF_TOKEN)"
    ns.run_to_end("parent-a0", 0, result(output_uri=theirs))
    found = ns.phase("parent", "Succeeded")
    assert found["result"]["outputUri"].startswith(f"s3://bucket/runs/{ns.name}/parent-")
    assert "evil.example" not in json.dumps(pod_template(ns))


def test_no_variable_of_a_pod_is_put_into_what_others_chose(ns: Namespace) -> None:
    ns.create("parent")
    ns.create("j", adapterFrom={"job": "parent"}, task="$(HF_TOKEN).py")
    ns.run_to_end("parent-a0", 0, result(output_uri="https://evil.example/$(HF_TOKEN)"))
    made: Any = pod_template(ns)["spec"]["containers"][0]
    env = {variable["name"]: variable.get("value", "") for variable in made["env"]}
    assert env["TENYSON_ADAPTER_PATH"] == "https://evil.example/$$(HF_TOKEN)/checkpoint-final"
    assert made["args"][-1] == "$$(HF_TOKEN).py"


def test_it_can_neither_write_nor_delete_what_the_controller_holds(ns: Namespace, api: Api) -> None:
    """As its service account: the default one, which has no role."""
    who = {"user": f"system:serviceaccount:{ns.name}:default",
           "groups": ["system:serviceaccounts", "system:authenticated"]}  # fmt: skip
    for verb in ("get", "list", "create", "update", "patch", "delete"):
        for group, resource in (("tenyson.dev", "tenysonjobs"), ("", "secrets"), ("batch", "jobs"),
                                ("coordination.k8s.io", "leases"), ("", "events")):  # fmt: skip
            at = {"namespace": ns.name, "verb": verb, "group": group, "resource": resource}
            review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
                      "spec": {**who, "resourceAttributes": at}}  # fmt: skip
            path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
            assert not api.call("POST", path, review)["status"]["allowed"], at


def test_a_report_is_bounded_and_a_bad_one_is_refused(ns: Namespace) -> None:
    ns.create("j")
    token = ns.token(ns.run_pod("j-a0"), PROGRESS_AUDIENCE)
    ns.phase("j", "Running")
    eventually(lambda: push(ns, "j-a0", token) == 200)
    many = {f"m{n}\x1b[2J": str(n) for n in range(1000)}
    assert push(ns, "j-a0", token, report(2, **many)) == 200
    progress = eventually(lambda: ns.status("j")["progress"].get("metrics"))
    assert len(progress) <= 32
    nested: Any = []
    for _ in range(400):
        nested = [nested]
    assert push(ns, "j-a0", token, {"trainerStatus": {"metrics": nested}}) == 400


def test_only_a_pod_that_the_api_server_knows_has_a_token(ns: Namespace) -> None:
    ns.create("j")
    pod = ns.run_pod("j-a0")
    pod["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
    with pytest.raises(ApiError):
        ns.token(pod, PROGRESS_AUDIENCE)
