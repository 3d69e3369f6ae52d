"""Where pods go: the parts of a pod's spec that a job or a runtime may set."""

from typing import Annotated, Any, Literal

from pydantic import Field

from tenyson.controller.resource.types import ApiModel, LabelKey, LabelValue, Text

NodeSelector = Annotated[dict[LabelKey, LabelValue], Field(max_length=32)]


class Toleration(ApiModel):
    """A taint that the pods may stand on, as in a pod's spec."""

    key: Annotated[str, Field(max_length=317)] | None = None
    """The taint's key; null with operator Exists matches every taint."""
    operator: Literal["Exists", "Equal"] | None = None
    """Exists or Equal. Default: Equal."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """The taint's value, for Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The taint's effect; null matches all."""
    toleration_seconds: Annotated[int, Field(ge=0, le=2_147_483_647)] | None = None
    """How long NoExecute is endured; null for ever."""


Tolerations = Annotated[list[Toleration], Field(max_length=32)]


class Placement(ApiModel):
    """Where the pods go."""

    node_selector: NodeSelector = Field(default_factory=dict)
    """Labels that a node must have; a runtime's are added, the job's win."""
    tolerations: Tolerations = Field(default_factory=list)
    """Taints that the pods may stand on; a runtime's are added."""
    affinity: dict[str, Any] = Field(default_factory=dict)
    """Affinity as in a pod's spec; replaces the runtime's where it is not empty."""
    priority_class_name: Text = ""
    """PriorityClass of the pods; with queueName, the WorkloadPriorityClass of the queue."""
    topology_key: Annotated[str, Field(max_length=317)] = ""
    """Node label, `topology.kubernetes.io/zone`: all pods of the run go where it has one value."""


class ManagedNodeGroup(ApiModel):
    """A managed node group of EKS."""

    name: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Its name; null takes any managed group."""
    capacity_type: Literal["SPOT", "ON_DEMAND"] | None = None
    """Kind of capacity; null takes either."""
    instance_type: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Instance type, `g5.12xlarge`; null takes any."""


class Karpenter(ApiModel):
    """Nodes that Karpenter makes."""

    node_pool: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """NodePool; null takes any."""
    capacity_type: Literal["spot", "on-demand", "reserved"] | None = None
    """Kind of capacity; null takes any."""
    instance_gpu_name: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Name of the GPU, `h100`; null takes any."""
    instance_gpu_count: Annotated[int, Field(ge=1, le=64)] | None = None
    """GPUs of an instance; null takes any number."""
    instance_type: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Instance type, `p5.48xlarge`; null takes any."""


class NodePreset(ApiModel):
    """The node labels of a provider, by the names that people know them by; one of them."""

    managed_node_group: ManagedNodeGroup | None = None
    """A managed node group of EKS."""
    karpenter: Karpenter | None = None
    """Nodes that Karpenter makes."""
