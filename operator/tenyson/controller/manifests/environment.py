"""The environment of a runner: what `tenyson.contract` promises it, and the job's own variables."""

from typing import Any, Final

from tenyson.contract import Env, PodPath
from tenyson.controller import names
from tenyson.controller.manifests.literal import literal
from tenyson.controller.manifests.start import Start
from tenyson.controller.resource.run import EnvVar
from tenyson.controller.resource.types import KeyRef

Variable = dict[str, Any]

GRACE_SECONDS: Final = 120
"""From SIGTERM to SIGKILL, where a runtime says nothing: to finish a step and save a checkpoint."""
KUBEFLOW_URL = "KUBEFLOW_TRAINER_SERVER_URL"
KUBEFLOW_CA = "KUBEFLOW_TRAINER_SERVER_CA_CERT"
KUBEFLOW_TOKEN = "KUBEFLOW_TRAINER_SERVER_TOKEN"
"""With these three, any program that reports to Kubeflow Trainer reports to the controller."""


def environment(start: Start) -> list[Variable]:
    """Returns the container's variables; the job's own come last."""
    own = [_variable(variable) for variable in start.run.env]
    taken = {variable["name"] for variable in own}
    values = {**_run(start), **_adapter(start), **_progress(start), **_ranks(start)}
    given: list[Variable] = [
        {"name": name, "value": literal(value)} for name, value in values.items()
    ]
    if ref := start.run.telemetry.database_secret_ref:
        given.append(_from_secret(Env.TELEMETRY_DB_URL, ref))
    given += [*_rank(start), *_hub(start)]
    given.append({"name": "HOME", "value": "/tmp"})  # the image's own home is read-only
    found = [variable for variable in given if variable["name"] not in taken] + own
    return _secrets(found) + found


def _secrets(variables: list[Variable]) -> list[Variable]:
    """Returns what tells the runner which values to hide; nothing where none is secret."""
    secret = [v["name"] for v in variables if "secretKeyRef" in v.get("valueFrom", {})]
    return [{"name": Env.SECRETS, "value": ",".join(secret)}] if secret else []


def grace_seconds(start: Start) -> int:
    """Returns the time between a pod's SIGTERM and its SIGKILL."""
    return start.run.pod.termination_grace_period_seconds or GRACE_SECONDS


def _run(start: Start) -> dict[str, str]:
    job, output = start.job, start.run.output
    values = {
        Env.RUN_ID: job.run_id,
        Env.JOB_NAME: job.name,
        Env.JOB_NAMESPACE: job.namespace,
        Env.ATTEMPT: str(start.attempt),
        Env.OUTPUT_DIR: names.output_dir(job.namespace, job.name, job.run_id),
        Env.CACHE_DIR: f"{PodPath.OUTPUT}/{names.CACHE_FOLDER}",
        Env.GRACE_SECONDS: str(grace_seconds(start)),
    }
    if output.uri:
        values[Env.OUTPUT_URI] = names.output_uri(output.uri, job.namespace, job.name, job.run_id)
    return values


def _adapter(start: Start) -> dict[str, str]:
    if start.adapter is None:
        return {}
    values = {Env.ADAPTER_PATH: start.adapter.path}
    return {**values, Env.ADAPTER_SHA256: start.adapter.sha256} if start.adapter.sha256 else values


def _progress(start: Start) -> dict[str, str]:
    if not start.defaults.progress_url:
        return {}
    path = names.progress_path(start.job.namespace, start.job.name, start.attempt)
    url = start.defaults.progress_url + path
    return {
        Env.PROGRESS_URL: url,
        Env.PROGRESS_TOKEN_FILE: PodPath.PROGRESS_TOKEN,
        Env.PROGRESS_CA_FILE: PodPath.PROGRESS_CA,
        KUBEFLOW_URL: url,
        KUBEFLOW_TOKEN: PodPath.PROGRESS_TOKEN,
        KUBEFLOW_CA: PodPath.PROGRESS_CA,
    }


def _ranks(start: Start) -> dict[str, str]:
    """Returns what tells the ranks of a run about each other, in torchrun's names."""
    nodes, per_node = start.run.spec.nodes, start.run.ranks_per_node
    if nodes * per_node == 1:
        return {}
    host, port = "127.0.0.1", str(names.master_port(start.job.run_id))
    if nodes > 1:
        host = names.master_host(start.job.name, start.attempt)
    return {
        "PET_NNODES": str(nodes),
        "PET_NPROC_PER_NODE": str(per_node),
        "PET_MASTER_ADDR": host,
        "PET_MASTER_PORT": port,
        "MASTER_ADDR": host,
        "MASTER_PORT": port,
    }


def _rank(start: Start) -> list[Variable]:
    """Returns the node's rank: the index that the Job controller gives the pod."""
    if start.run.spec.nodes > 1:
        field = {"fieldPath": f"metadata.annotations['{names.ANNOTATION_INDEX}']"}
        return [{"name": "PET_NODE_RANK", "valueFrom": {"fieldRef": field}}]
    return [{"name": "PET_NODE_RANK", "value": "0"}] if start.run.ranks_per_node > 1 else []


def _hub(start: Start) -> list[Variable]:
    hub = start.run.hub
    if hub is None:
        return []
    given: list[Variable] = [
        {"name": Env.HUB_REPO, "value": hub.repo},
        {"name": Env.HUB_PRIVATE, "value": "false" if hub.private is False else "true"},
    ]
    if ref := hub.token_secret_ref:
        given.append(_from_secret(Env.HUB_TOKEN, ref))
    return given


def _variable(variable: EnvVar) -> Variable:
    source = variable.value_from
    if source is None:
        return {"name": variable.name, "value": variable.value or ""}
    if source.secret_key_ref:
        return _from_secret(variable.name, source.secret_key_ref)
    ref = source.config_map_key_ref
    return {"name": variable.name, "valueFrom": {"configMapKeyRef": _ref(ref) if ref else {}}}


def _from_secret(name: str, ref: KeyRef) -> Variable:
    return {"name": name, "valueFrom": {"secretKeyRef": _ref(ref)}}


def _ref(ref: KeyRef) -> dict[str, str]:
    return {"name": ref.name, "key": ref.key}
