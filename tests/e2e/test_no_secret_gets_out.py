"""No secret in any place that people look at: each holds a value of its own, searched for after.

The jobs run for real, and fail in the ways in which secrets usually get out.
"""

import base64
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import sqlalchemy

from hack.demo import resources
from tenyson.cli import main as tenyson
from tenyson.controller import names
from tests.e2e.conftest import ROOT, Stack

pytestmark = [pytest.mark.cluster, pytest.mark.train, pytest.mark.timeout(1800)]

TASK = f"{ROOT}/tests/e2e/telling_task.py:TellingTask"
TOLD = ("judge", "aws", "hub", "config", "database")
"""What a job's task can tell of; the others are in places that no task reads."""
CANARIES = {
    # The characters that a URL spells otherwise, and that end a host.
    name: f"Canary/{name}@{secrets.token_hex(6)}"
    for name in (*TOLD, "wrong-password", "bad-url", "pull", "config-map")
}
LOOKED_AT = (
    "tenysonjobs", "jobs", "pods", "events", "configmaps", "services", "tenysonruntimes", "leases",
)  # fmt: skip
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
Object = dict[str, Any]
ENDS = {
    "says": "Succeeded", "bad-url": "Failed", "raises": "Failed", "trains": "Failed",
    "exits": "Failed", "config-map": "Pending",
}  # fmt: skip
"""By job, the phase that it comes to."""


@pytest.fixture(scope="module")
def after(stack: Stack) -> Stack:
    """The cluster after every job has come to its end."""
    _plant(stack)
    for name in ENDS:
        _apply(stack, name)
    for name, phase in ENDS.items():
        ends = ("Succeeded", "Failed", phase)
        found = stack.wait(
            name, lambda s, ends=ends: s.get("phase") in ends, phase, 600, fails=True
        )
        assert found["phase"] == phase, found
    return stack


def test_the_canaries_were_there_and_were_hidden(after: Stack) -> None:
    said = after.cluster.kubectl("logs", "job/says-a0")
    hidden = "401 from *** for ***, ***, *** and ***"
    assert said.count(f"printed {hidden}") == 2
    assert f"logged {hidden}" in said
    for name in ("raises", "trains", "exits"):
        failed = after.job(name)["status"]["conditions"]
        assert any(hidden in condition["message"] for condition in failed), failed


def test_nothing_of_the_cluster_holds_a_secret(after: Stack) -> None:
    leaks = []
    for kind in LOOKED_AT:
        for item in json.loads(after.cluster.kubectl("get", kind, "-A", "-o", "json"))["items"]:
            where = f"{kind}/{item['metadata']['name']}"
            leaks += _leaks(where, json.dumps(_without_what_people_wrote(item)).encode())
    assert leaks == []


def test_a_secret_that_somebody_wrote_into_a_configuration_goes_where_that_goes_and_no_further(
    after: Stack,
) -> None:
    body = after.job("says")
    assert CANARIES["config"] in body["spec"]["config"]["task"]["judge_api_key"]
    assert _leaks("status", json.dumps(body["status"]).encode()) == []


def test_no_log_holds_a_secret(after: Stack) -> None:
    logs = {"controller": (after.cluster.state_dir / "logs" / "controller.log").read_bytes()}
    for name in ENDS:
        if name != "config-map":  # it never started
            logs[name] = after.cluster.kubectl("logs", f"job/{name}-a0").encode()
    assert all(logs.values())
    assert [leak for name, content in logs.items() for leak in _leaks(name, content)] == []


def test_no_row_of_telemetry_holds_a_secret(after: Stack) -> None:
    engine = sqlalchemy.create_engine(_sqlalchemy_url(after.cluster.database_url))
    tables = sqlalchemy.MetaData()
    tables.reflect(engine)
    leaks, rows = [], 0
    with engine.connect() as connection:
        for table in tables.sorted_tables:
            for row in connection.execute(table.select()):
                rows += 1
                leaks += _leaks(table.name, repr(tuple(row)).encode())
    assert rows > 20
    assert leaks == []


def test_no_file_that_a_run_leaves_holds_a_secret(after: Stack) -> None:
    files = [path for path in (after.runs / resources.NAMESPACE).rglob("*") if path.is_file()]
    names_of = {path.name for path in files}
    assert {"job_result.json", "run_manifest.json", "failure.txt"} <= names_of
    assert any(name.startswith("telemetry_spool") for name in names_of)
    assert [leak for path in files for leak in _leaks(str(path), path.read_bytes())] == []


def test_no_report_holds_a_secret(after: Stack, tmp_path: Path) -> None:
    for name in ("says", "raises"):
        path = tmp_path / f"{name}.html"
        run = after.job(name)["status"]["runId"]
        url = _sqlalchemy_url(after.cluster.database_url)
        arguments = ["report", run, "--output", str(path), "--db-url", url]
        assert tenyson.main(arguments) == 0
        assert _leaks(name, path.read_bytes()) == []


def _plant(stack: Stack) -> None:
    apply = stack.cluster.kubectl
    password, host = CANARIES["database"], stack.cluster.database_url.rpartition("@")[2]
    engine = sqlalchemy.create_engine(_sqlalchemy_url(stack.cluster.database_url))
    with engine.begin() as connection:
        connection.execute(
            sqlalchemy.text(f"CREATE ROLE canary LOGIN SUPERUSER PASSWORD '{password}'")
        )
    wanted = {
        "canary-db": {"url": f"postgresql://canary:{quote(password, safe='')}@{host}"},
        "wrong": {
            "url": f"postgresql://canary:{quote(CANARIES['wrong-password'], safe='')}@{host}"
        },
        "bad": {"url": f"postgresql+wrong://me:{CANARIES['bad-url']}@{host}"},
        "keys": {"judge": CANARIES["judge"], "aws": CANARIES["aws"], "hub": CANARIES["hub"]},
    }
    for name, data in wanted.items():
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name},
            "stringData": data,
        }
        apply("create", "-f", "-", stdin=json.dumps(body))
    auth = {"auths": {"registry.example": {"username": "me", "password": CANARIES["pull"]}}}
    pull = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pull"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": json.dumps(auth)},
    }  # fmt: skip
    runtime = {
        "apiVersion": names.API_VERSION, "kind": names.RUNTIME_KIND, "metadata": {"name": "canary"},
        "spec": {"imagePullSecrets": [{"name": "pull"}]},
    }  # fmt: skip
    text = f"telemetry: {{db_url: 'postgresql://me:{CANARIES['config-map']}@h/d'}}"
    config = {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "canary"},
        "data": {"k": text},
    }  # fmt: skip
    for body in (pull, runtime, config):
        apply("create", "-f", "-", stdin=json.dumps(body))


def _apply(stack: Stack, name: str) -> None:
    # One fails in training while its database refuses its password.
    secret = {"trains": "wrong", "bad-url": "bad"}.get(name, "canary-db")
    keys = {"JUDGE_KEY": "judge", "AWS_SECRET_ACCESS_KEY": "aws", "HF_TOKEN": "hub"}
    env = [
        {"name": variable, "valueFrom": {"secretKeyRef": {"name": "keys", "key": key}}}
        for variable, key in keys.items()
    ]
    more: Object = {}
    if name == "config-map":
        more["configFrom"] = {"configMapKeyRef": {"name": "canary", "key": "k"}}
    stack.apply(
        name,
        "SFT",
        {
            "training": {"max_steps": 2},
            "task": {"tells": name, "judge_api_key": CANARIES["config"]},
        },
        task=TASK,
        runtimeRef={"name": "canary", "kind": names.RUNTIME_KIND},
        telemetry={"databaseSecretRef": {"name": secret, "key": "url"}},
        env=[{"name": "OMP_NUM_THREADS", "value": "1"}, *env],
        retry={"maxRetries": 0, "maxInfraRetries": 0},
        **more,
    )


def _without_what_people_wrote(item: Object) -> Object:
    """Leaves out the places that a configuration has by design: it is no Secret."""
    if item["kind"] == "ConfigMap" and item["metadata"]["name"] == "canary":
        return {}
    copy: Object = json.loads(json.dumps(item))
    for meta in _metadata_of(copy):
        for annotation in (names.ANNOTATION_CONFIG, LAST_APPLIED):
            (meta.get("annotations") or {}).pop(annotation, None)
    if item["kind"] == names.KIND:
        del copy["spec"]["config"]
    return copy


def _metadata_of(item: Object) -> Iterator[Object]:
    yield item["metadata"]
    if template := (item.get("spec") or {}).get("template"):
        yield template["metadata"]


def _leaks(where: str, content: bytes) -> list[str]:
    """Returns which canaries a content holds, in any of their spellings."""
    found = []
    for name, value in CANARIES.items():
        forms = {value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1]}
        spelled = {form.encode() for form in forms} | {
            base64.b64encode(value.encode()).rstrip(b"=")
        }
        if any(form in content for form in spelled):
            found.append(f"{name} in {where}")
    return found


def _sqlalchemy_url(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)
