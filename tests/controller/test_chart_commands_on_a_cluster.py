"""What the chart's own Jobs run: applying the default runtime, and a trial."""

import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from tenyson.controller import apply, names, trial
from tests.controller.api import Api, Namespace, OperatorProcess, eventually, result
from tests.controller.builders import job_spec

pytestmark = pytest.mark.cluster


@pytest.fixture(autouse=True)
def _reached(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))


def runtime(namespace: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.RUNTIME_KIND,
        "metadata": {"name": "default", "namespace": namespace},
        "spec": spec,
    }


def written(tmp_path: Path, *objects: dict[str, Any]) -> str:
    file = tmp_path / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(objects))
    return str(file)


def found_runtime(ns: Namespace) -> dict[str, Any]:
    path = f"/apis/{names.API_VERSION}/namespaces/{ns.name}/{names.RUNTIME_PLURAL}/default"
    body: dict[str, Any] = ns.api.call("GET", path)
    return body


def test_a_runtime_is_made_and_then_changed(ns: Namespace, tmp_path: Path, capsys: Any) -> None:
    first = runtime(ns.name, image="a:1", retry={"maxRetries": 3})
    assert apply.main([written(tmp_path, first)]) == 0
    assert apply.main([written(tmp_path, runtime(ns.name, image="a:2"))]) == 0
    # What the values do not say any more is gone.
    assert found_runtime(ns)["spec"] == {"image": "a:2"}
    assert f"TenysonRuntime {ns.name}/default is applied." in capsys.readouterr().out


def test_what_somebody_else_added_stays(ns: Namespace, tmp_path: Path) -> None:
    assert apply.main([written(tmp_path, runtime(ns.name, image="a:1"))]) == 0
    path = f"/apis/{names.API_VERSION}/namespaces/{ns.name}/{names.RUNTIME_PLURAL}/default"
    ns.api.merge(path, {"spec": {"retry": {"maxRetries": 7}}})
    assert apply.main([written(tmp_path, runtime(ns.name, image="a:2"))]) == 0
    assert found_runtime(ns)["spec"] == {"image": "a:2", "retry": {"maxRetries": 7}}


def test_a_kind_or_namespace_that_comes_later_is_waited_for(api: Api, tmp_path: Path) -> None:
    file = written(tmp_path, runtime("comes-later", image="a:1"))
    outcome: list[int] = []
    thread = threading.Thread(target=lambda: outcome.append(apply.main([file])))
    thread.start()
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": "comes-later"}})
    thread.join(timeout=30)
    assert outcome == [0]


def test_what_the_api_server_refuses_is_said_and_not_tried_again(
    ns: Namespace, tmp_path: Path, capsys: Any
) -> None:
    assert apply.main([written(tmp_path, runtime(ns.name, image=7))]) == 1
    said = capsys.readouterr().out
    assert f"TenysonRuntime {ns.name}/default cannot be applied" in said
    assert "spec.image" in said


def trial_job(ns: Namespace) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"generateName": "trial-", "namespace": ns.name},
        "spec": job_spec(retry={"maxRetries": 0}),
    }


def tried(ns: Namespace, tmp_path: Path, exit_code: int, message: str = "") -> int:
    """Plays the kubelet to a trial, and returns how that ended."""
    file = written(tmp_path, trial_job(ns))
    outcome: list[int] = []
    thread = threading.Thread(target=lambda: outcome.append(trial.main([file])))
    thread.start()
    jobs = eventually(lambda: ns.api.call("GET", ns.jobs_path)["items"])
    ns.run_to_end(f"{jobs[0]['metadata']['name']}-a0", exit_code, message)
    thread.join(timeout=30)
    return outcome[0]


def test_a_trial_follows_its_job_to_the_end_and_deletes_it(
    ns: Namespace, operator: OperatorProcess, tmp_path: Path, capsys: Any
) -> None:
    assert tried(ns, tmp_path, 0, result()) == 0
    said = capsys.readouterr().out
    assert "was made" in said
    assert "Complete=True Succeeded" in said
    assert "train_loss 0.25" in said
    eventually(lambda: ns.api.call("GET", ns.jobs_path)["items"] == [])


def test_a_trial_that_fails_says_why(
    ns: Namespace, operator: OperatorProcess, tmp_path: Path, capsys: Any
) -> None:
    assert tried(ns, tmp_path, 65) == 1
    assert "Failed=True TaskRefused" in capsys.readouterr().out


def test_a_trial_that_nobody_serves_is_given_up(ns: Namespace, tmp_path: Path, capsys: Any) -> None:
    body = trial_job(ns)
    body["spec"]["dependsOn"] = [{"job": "never"}]
    assert trial.main([written(tmp_path, body), "--timeout-seconds", "1"]) == 1
    assert "given up" in capsys.readouterr().out
    eventually(lambda: ns.api.call("GET", ns.jobs_path)["items"] == [])
