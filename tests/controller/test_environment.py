"""The environment of a runner: what it is told, in which order, and what stays secret."""

from typing import Any

import pytest

from tenyson.contract import Env
from tenyson.controller import names, rules
from tenyson.controller.manifests.environment import environment
from tenyson.controller.manifests.pod import pod_spec
from tenyson.controller.policies.adapter import Adapter
from tests.controller.starts import RUN, env, start


def test_a_runner_is_told_of_its_run() -> None:
    found = env(output={"uri": "s3://bucket/runs/"})
    folder = f"n/j-{RUN[:8]}"
    assert found[Env.RUN_ID] == RUN
    assert found[Env.ATTEMPT] == "1"
    assert found[Env.OUTPUT_DIR] == f"/tenyson/output/{folder}"
    assert found[Env.OUTPUT_URI] == f"s3://bucket/runs/{folder}"
    assert found["HOME"] == "/tmp"
    assert Env.OUTPUT_URI not in env()


@pytest.mark.parametrize(
    ("pod", "seconds"), [({}, 120), ({"terminationGracePeriodSeconds": 300}, 300)]
)
def test_a_runner_knows_how_long_it_has_after_sigterm(pod: dict[str, Any], seconds: int) -> None:
    started = start({"pod": pod})
    found = {v["name"]: v.get("value") for v in environment(started)}
    assert found[Env.GRACE_SECONDS] == str(seconds)
    assert pod_spec(started)["terminationGracePeriodSeconds"] == seconds


def test_a_runner_reports_to_the_controller_in_our_words_and_in_kubeflows() -> None:
    found = env()
    url = "https://10.0.0.1:8443/apis/tenyson.dev/v1alpha1/namespaces/n/tenysonjobs/j"
    assert found[Env.PROGRESS_URL] == f"{url}/attempts/1/status"
    assert found["KUBEFLOW_TRAINER_SERVER_URL"] == found[Env.PROGRESS_URL]
    assert found["KUBEFLOW_TRAINER_SERVER_TOKEN"] == found[Env.PROGRESS_TOKEN_FILE]


def test_secrets_are_named_and_never_copied() -> None:
    ref = {"name": "s", "key": "k"}
    hub = {"repo": "a/b", "tokenSecretRef": ref}
    found = env(telemetry={"databaseSecretRef": ref}, output={"hub": hub})
    assert found[Env.TELEMETRY_DB_URL] == {"secretKeyRef": ref}
    assert found[Env.HUB_TOKEN] == {"secretKeyRef": ref}
    assert (found[Env.HUB_REPO], found[Env.HUB_PRIVATE]) == ("a/b", "true")
    public = env(output={"hub": {"repo": "a/b", "private": False}})
    assert public[Env.HUB_PRIVATE] == "false"
    assert Env.HUB_TOKEN not in public


def test_an_adapter_comes_with_its_hash_where_that_is_known() -> None:
    known = {v["name"]: v["value"] for v in environment(start(adapter=Adapter("/a", "f00")))
             if v["name"].startswith("TENYSON_ADAPTER")}  # fmt: skip
    assert known == {Env.ADAPTER_PATH: "/a", Env.ADAPTER_SHA256: "f00"}
    unknown = {v["name"] for v in environment(start(adapter=Adapter("/a", "")))}
    assert Env.ADAPTER_PATH in unknown
    assert Env.ADAPTER_SHA256 not in unknown


@pytest.mark.parametrize(
    ("spec", "ranks"),
    [
        ({}, {}),
        (
            {"resources": {"gpus": 4}},
            {"PET_NNODES": "1", "PET_NPROC_PER_NODE": "4", "PET_NODE_RANK": "0",
             "MASTER_ADDR": "127.0.0.1"},
        ),
        (
            {"nodes": 2},
            {"PET_NNODES": "2", "PET_NPROC_PER_NODE": "1", "MASTER_ADDR": "j-a1-0.j-a1",
             "PET_MASTER_ADDR": "j-a1-0.j-a1"},
        ),
    ],
)  # fmt: skip
def test_ranks_find_each_other_by_torchruns_names(spec: Any, ranks: Any) -> None:
    found = env(**spec)
    assert {name: found.get(name) for name in ranks} == ranks
    given = {name for name in found if name.startswith(("PET_", "MASTER_"))}
    assert bool(given) is bool(ranks)
    assert not given or 20_000 <= int(found["MASTER_PORT"]) < 30_000
    if spec.get("nodes", 1) > 1:
        path = f"metadata.annotations['{names.ANNOTATION_INDEX}']"
        assert found["PET_NODE_RANK"] == {"fieldRef": {"fieldPath": path}}


def test_the_jobs_own_variables_come_last_and_once() -> None:
    """A variable may use those before it, as in `$(TENYSON_OUTPUT_DIR)/x`."""
    own = [
        {"name": "HOME", "value": "/home"},
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "EMPTY", "value": ""},
    ]
    found = environment(start({"env": [{"name": "R", "value": "1"}]}, env=own))
    listed = [variable["name"] for variable in found]
    assert listed[-5:] == ["R", "HOME", "A", "B", "EMPTY"]
    assert len(listed) == len(set(listed))
    assert found[-4:] == own
    assert found[-1] == {"name": "EMPTY", "value": ""}


def test_every_variable_that_the_controller_sets_is_refused_in_a_spec() -> None:
    """All but HOME, the Hub's token, MASTER_* and Kubeflow's, which people may want to set."""
    hub = {"repo": "a/b", "tokenSecretRef": {"name": "s", "key": "k"}}
    given = set(
        env(
            nodes=2, output={"uri": "s3://b", "hub": hub},
            telemetry={"databaseSecretRef": {"name": "s", "key": "k"}},
        )
    )  # fmt: skip
    open_ = {"HOME", Env.HUB_TOKEN}
    rest = {name for name in given if not name.startswith(("MASTER_", "KUBEFLOW_"))} - open_
    rule = next(rule["rule"] for rule in rules.JOB["spec.env[]"] if "in [" in rule["rule"])
    assert rest
    assert {name for name in rest if f'"{name}"' not in rule} == set()
