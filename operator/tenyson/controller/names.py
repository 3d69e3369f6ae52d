"""Every name, label, annotation and path that the controller makes, so that each is made once."""

import functools
import hashlib
import uuid
from typing import Final

from tenyson.contract import File, PodPath

GROUP: Final = "tenyson.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "TenysonJob"
PLURAL: Final = "tenysonjobs"
RUNTIME_KIND: Final = "TenysonRuntime"
RUNTIME_PLURAL: Final = "tenysonruntimes"
CLUSTER_RUNTIME_KIND: Final = "ClusterTenysonRuntime"
CLUSTER_RUNTIME_PLURAL: Final = "clustertenysonruntimes"
DEFAULT_RUNTIME: Final = "default"
"""The ClusterTenysonRuntime of jobs that name none."""
FIELD_MANAGER: Final = "tenyson"

LABEL_JOB: Final = "tenyson.dev/job"
"""On child Jobs and their pods: the TenysonJob's name. The controller reads nothing else."""
LABEL_ATTEMPT: Final = "tenyson.dev/attempt"
"""On child Jobs and their pods: the attempt's number, from 0."""
LABEL_RUN: Final = "tenyson.dev/run-id"
"""On child Jobs and their pods: the run's id, which tells them from those of a deleted namesake."""
ANNOTATION_CONFIG: Final = "tenyson.dev/config"
"""On pods: the configuration as JSON; becomes a file in the pod by the downward API."""
ANNOTATION_PROGRESS_CA: Final = "tenyson.dev/progress-ca"
"""On pods: the certificate authority of the progress endpoint, PEM."""
ANNOTATION_PROGRESS_ADDRESS: Final = "tenyson.dev/progress-address"
"""On the leader's Lease: where other replicas hand on the reports of pods to it."""

ANNOTATION_PINNED: Final = "tenyson.dev/pinned"
"""On child Jobs: the runtime and the configuration from configFrom, as the run began with them."""
ANNOTATION_INDEX: Final = "batch.kubernetes.io/job-completion-index"
"""On pods of a run on several nodes, by the Job controller: the node's rank."""
TRACKING_MARKS: Final = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "argocd.argoproj.io/instance": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
    "app.kubernetes.io/instance": "Argo CD or Helm",
}
"""Labels and annotations by which tools know what they made, and would make again; the surest
first. The last is Argo CD's own before version 3, and what charts label theirs with."""

LABEL_QUEUE: Final = "kueue.x-k8s.io/queue-name"
LABEL_PRIORITY: Final = "kueue.x-k8s.io/priority-class"

CONTAINER: Final = "runner"
MAX_JOB_NAME: Final = 52
"""Longest TenysonJob name: with `-a<N>` and a pod's own suffix it must stay a DNS label."""
CACHE_FOLDER: Final = ".cache"

_RUNS: Final = uuid.UUID("7d4c5b0e-3f0a-5a39-9d0b-6c1f0f8a5e21")

Key = tuple[str, str]
"""Namespace and name of a TenysonJob."""


@functools.lru_cache(maxsize=10_000)
def run_id(uid: str) -> str:
    """Returns the run's id: the same for every attempt, and after a controller's restart."""
    return str(uuid.uuid5(_RUNS, uid))


def child_name(job: str, attempt: int) -> str:
    """Returns the name of the child Job of an attempt."""
    return f"{job}-a{attempt}"


def master_host(job: str, attempt: int) -> str:
    """Returns the host name of rank 0; the headless Service has the child's name."""
    child = child_name(job, attempt)
    return f"{child}-0.{child}"


def master_port(run: str) -> int:
    """Returns the port of rank 0, 20000 to 29999.

    Each run has its own, for pods that share their node's network.
    """
    return 20_000 + int(hashlib.sha256(run.encode()).hexdigest()[:8], 16) % 10_000


def run_folder(namespace: str, job: str, run: str) -> str:
    """Returns the run's folder, relative to the claim or the URI that outputs go to."""
    return f"{namespace}/{job}-{run[:8]}"


def output_dir(namespace: str, job: str, run: str) -> str:
    """Returns the run's output folder as the pod sees it."""
    return f"{PodPath.OUTPUT}/{run_folder(namespace, job, run)}"


def output_uri(base: str, namespace: str, job: str, run: str) -> str:
    """Returns where the run's outputs are uploaded to."""
    return f"{base.rstrip('/')}/{run_folder(namespace, job, run)}"


def claim_uri(claim: str, namespace: str, job: str, run: str) -> str:
    """Returns the address of a run's outputs on a PersistentVolumeClaim."""
    return f"pvc://{claim}/{run_folder(namespace, job, run)}"


def final_checkpoint(base: str) -> str:
    """Returns where a finished run under `base` (folder or URI) left its adapter."""
    return f"{base}/{File.FINAL_CHECKPOINT}"


def progress_path(namespace: str, job: str, attempt: int | str) -> str:
    """Returns the path of the progress endpoint for one attempt."""
    return f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}/{job}/attempts/{attempt}/status"


def event_name(job: str, *parts: str) -> str:
    """Returns an Event's name that is the same for the same happening, so that repeats add up."""
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return f"{job}.{digest}"
