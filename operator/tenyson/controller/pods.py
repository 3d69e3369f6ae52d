"""The pod of an attempt: command line, environment, volumes, and as few rights as can be."""

from typing import Any, Final

from tenyson.contract import PROGRESS_AUDIENCE, Env, PodPath
from tenyson.controller import names
from tenyson.controller.observed import Defaults, Job
from tenyson.controller.policies.adapter import Adapter
from tenyson.controller.resource import EnvVar, KeyRef, Resources, TenysonJobSpec

GRACE_SECONDS: Final = 120
"""From SIGTERM to SIGKILL: the time to finish a step and save a checkpoint."""
TOKEN_SECONDS: Final = 3600
"""Life of a progress token; the kubelet renews it in time."""
_USER: Final = 65532
_CONFIG, _TOKEN, _TMP, _OUTPUT, _SHM = "config", "progress-token", "tmp", "output", "shm"


def pod_spec(
    job: Job, spec: TenysonJobSpec, attempt: int, adapter: Adapter | None, defaults: Defaults
) -> dict[str, Any]:
    """Returns the pod's spec; it satisfies the restricted Pod Security Standard."""
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            # Without this a kubelet walks the whole claim at every start to change its group.
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(job, spec, attempt, adapter, defaults)],
        "volumes": _volumes(spec),
    }
    if spec.resources.gpus:
        pod["tolerations"] = [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    return pod


def _container(
    job: Job, spec: TenysonJobSpec, attempt: int, adapter: Adapter | None, defaults: Defaults
) -> dict[str, Any]:
    return {
        "name": names.CONTAINER,
        "image": spec.image or defaults.image,
        "args": [
            "--job-type", spec.type.lower(),
            "--config", PodPath.CONFIG,
            "--task-module", spec.task,
        ],
        "env": _env(job, spec, attempt, adapter, defaults),
        "resources": _resources(spec.resources),
        "volumeMounts": _mounts(spec),
        "terminationMessagePath": PodPath.TERMINATION_LOG,
        # A runner that dies before it can write its result leaves its last lines instead.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }  # fmt: skip


def _env(
    job: Job, spec: TenysonJobSpec, attempt: int, adapter: Adapter | None, defaults: Defaults
) -> list[dict[str, Any]]:
    values = {
        Env.RUN_ID: job.run_id,
        Env.ATTEMPT: str(attempt),
        Env.OUTPUT_DIR: names.output_dir(job.namespace, job.name, job.run_id),
        Env.CACHE_DIR: f"{PodPath.OUTPUT}/{names.CACHE_FOLDER}",
    }
    if spec.output.uri:
        values[Env.OUTPUT_URI] = names.output_uri(
            spec.output.uri, job.namespace, job.name, job.run_id
        )
    if adapter is not None:
        values[Env.ADAPTER_PATH] = adapter.path
        if adapter.sha256:
            values[Env.ADAPTER_SHA256] = adapter.sha256
    if defaults.progress_url:
        path = names.progress_path(job.namespace, job.name, attempt)
        values[Env.PROGRESS_URL] = defaults.progress_url + path
        values[Env.PROGRESS_TOKEN_FILE] = PodPath.PROGRESS_TOKEN
        values[Env.PROGRESS_CA_FILE] = PodPath.PROGRESS_CA
    if all(variable.name != "HOME" for variable in spec.env):
        values["HOME"] = "/tmp"  # the image's own home is read-only
    env: list[dict[str, Any]] = [{"name": k, "value": v} for k, v in values.items()]
    if ref := spec.telemetry.database_secret_ref:
        env.append({"name": Env.TELEMETRY_DB_URL, "valueFrom": {"secretKeyRef": _ref(ref)}})
    return env + [_variable(variable) for variable in spec.env]


def _variable(variable: EnvVar) -> dict[str, Any]:
    source = variable.value_from
    if source is None:
        return {"name": variable.name, "value": variable.value or ""}
    if source.secret_key_ref:
        return {"name": variable.name, "valueFrom": {"secretKeyRef": _ref(source.secret_key_ref)}}
    ref = source.config_map_key_ref
    return {"name": variable.name, "valueFrom": {"configMapKeyRef": _ref(ref) if ref else {}}}


def _ref(ref: KeyRef) -> dict[str, str]:
    return {"name": ref.name, "key": ref.key}


def _resources(resources: Resources) -> dict[str, dict[str, str]]:
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    if resources.cpu is not None:
        requests["cpu"] = str(resources.cpu)
    bounded = {"memory": resources.memory, "ephemeral-storage": resources.ephemeral_storage}
    if resources.gpus:
        bounded["nvidia.com/gpu"] = resources.gpus
    for name, quantity in bounded.items():
        if quantity is not None:
            requests[name] = limits[name] = str(quantity)
    return {name: part for name, part in (("requests", requests), ("limits", limits)) if part}


def _volumes(spec: TenysonJobSpec) -> list[dict[str, Any]]:
    claim = spec.output.volume_claim
    output = {"persistentVolumeClaim": {"claimName": claim}} if claim else {"emptyDir": {}}
    token = {
        "path": PodPath.PROGRESS_TOKEN.rsplit("/", 1)[1],
        "audience": PROGRESS_AUDIENCE,
        "expirationSeconds": TOKEN_SECONDS,
    }
    volumes: list[dict[str, Any]] = [
        {
            "name": _CONFIG,
            "downwardAPI": {
                "items": [
                    _annotation_file(PodPath.CONFIG, names.ANNOTATION_CONFIG),
                    _annotation_file(PodPath.PROGRESS_CA, names.ANNOTATION_PROGRESS_CA),
                ]
            },
        },
        {"name": _TOKEN, "projected": {"sources": [{"serviceAccountToken": token}]}},
        {"name": _TMP, "emptyDir": {}},
        {"name": _OUTPUT, **output},
    ]
    if (size := spec.resources.shared_memory) is not None:
        volumes.append({"name": _SHM, "emptyDir": {"medium": "Memory", "sizeLimit": str(size)}})
    return volumes


def _annotation_file(path: str, annotation: str) -> dict[str, Any]:
    field = {"fieldPath": f"metadata.annotations['{annotation}']"}
    return {"path": path.rsplit("/", 1)[1], "fieldRef": field}


def _mounts(spec: TenysonJobSpec) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [
        {"name": _CONFIG, "mountPath": PodPath.CONFIG_DIR, "readOnly": True},
        {"name": _TOKEN, "mountPath": PodPath.PROGRESS_DIR, "readOnly": True},
        {"name": _TMP, "mountPath": "/tmp"},  # a mount of the pod's own
        {"name": _OUTPUT, "mountPath": PodPath.OUTPUT},
    ]
    if spec.resources.shared_memory is not None:
        mounts.append({"name": _SHM, "mountPath": "/dev/shm"})
    return mounts
