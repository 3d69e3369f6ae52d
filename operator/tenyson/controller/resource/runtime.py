"""TenysonRuntime and ClusterTenysonRuntime: what a cluster's runner pods have in common."""

from typing import Annotated, Any

from pydantic import Field

from tenyson.controller.resource.placement import NodePreset, NodeSelector, Tolerations
from tenyson.controller.resource.run import Checkpoint, EnvVar, Output, Retry, Telemetry
from tenyson.controller.resource.types import ApiModel, LabelKey, NameRef, ObjectName


class Volume(ApiModel, extra="allow"):
    """A volume as in a pod's spec."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    """Its name; config, progress-token, tmp, output and shm are taken."""


class VolumeMount(ApiModel):
    """Where a volume appears in the runner's container."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    """The volume's name."""
    mount_path: Annotated[str, Field(min_length=1, max_length=1024)]
    """Path in the container."""
    sub_path: Annotated[str, Field(max_length=1024)] | None = None
    """Folder of the volume; null for its root."""
    read_only: bool | None = None
    """Whether it cannot be written to. Default: false."""


class PodDefaults(ApiModel):
    """What goes into the spec of every runner pod."""

    service_account_name: ObjectName | None = None
    """Service account, for IRSA or Pod Identity; its token is not mounted. Default: default."""
    security_context: dict[str, Any] | None = None
    """Pod security context; its fields replace those of the restricted default."""
    container_security_context: dict[str, Any] | None = None
    """Container security context; its fields replace those of the restricted default."""
    node_preset: NodePreset | None = None
    """Nodes of EKS, by node group or by Karpenter."""
    node_selector: NodeSelector | None = None
    """Labels that a node must have."""
    tolerations: Tolerations | None = None
    """Taints that the pods may stand on; `nvidia.com/gpu` is always among them for GPUs."""
    affinity: dict[str, Any] | None = None
    """Affinity as in a pod's spec."""
    runtime_class_name: ObjectName | None = None
    """RuntimeClass, `nvidia` where the GPU runtime is not the default."""
    scheduler_name: ObjectName | None = None
    """Scheduler; null for the cluster's default."""
    termination_grace_period_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = None
    """From SIGTERM to SIGKILL: the time to finish a step and save a checkpoint. Default: 120."""
    volumes: Annotated[list[Volume], Field(max_length=16)] | None = None
    """Further volumes."""
    volume_mounts: Annotated[list[VolumeMount], Field(max_length=16)] | None = None
    """Where they appear in the runner's container."""
    labels: (
        Annotated[dict[LabelKey, Annotated[str, Field(max_length=63)]], Field(max_length=32)] | None
    ) = None
    """Further labels of the pods."""
    annotations: (
        Annotated[dict[LabelKey, Annotated[str, Field(max_length=4096)]], Field(max_length=32)]
        | None
    ) = None
    """Further annotations of the pods."""


class TenysonRuntimeSpec(ApiModel):
    """Defaults of runs, pinned when a run starts: later edits touch no run that has."""

    image: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Runner image of jobs that name none."""
    image_pull_secrets: Annotated[list[NameRef], Field(max_length=8)] | None = None
    """Secrets of the job's namespace with which the image is pulled."""
    env: Annotated[list[EnvVar], Field(max_length=128)] | None = None
    """Environment variables of the runner; a job's variable of the same name wins."""
    telemetry: Telemetry | None = None
    """Where structured metrics go; the Secret is looked up in the job's namespace."""
    output: Output | None = None
    """Where the runs' files stay."""
    checkpoint: Checkpoint | None = None
    """When runs save their state."""
    retry: Retry | None = None
    """How often failed attempts are made again."""
    pod: PodDefaults | None = None
    """What goes into the spec of every runner pod."""
