"""The CEL rules on fields of the specs: what the API server refuses, and the sentence it says.

Each message names the field and the fix. Those at a TenysonJob's root are in `root_rules`.
"""

import json
from typing import Final

from tenyson.contract import Env
from tenyson.controller.manifests.volumes import RESERVED

Rule = dict[str, str]

_OPEN: Final = {
    Env.HUB_TOKEN, Env.IMAGE_DIGEST, Env.GIT_SHA, Env.REPLAY_OF, Env.REPLAY_FORCE,
}  # fmt: skip
"""Variables of the contract that people may set themselves."""
_RANKS: Final = {
    "PET_NNODES", "PET_NPROC_PER_NODE", "PET_NODE_RANK", "PET_MASTER_ADDR", "PET_MASTER_PORT",
}  # fmt: skip
_RESERVED: Final = sorted(
    {value for name, value in vars(Env).items() if name.isupper()} - _OPEN | _RANKS
)
_TASK: Final = (
    r"^([A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z_][A-Za-z0-9_]*)*|[^ :]+\\.py)(:[A-Za-z_][A-Za-z0-9_]*)?$"
)
_PASSWORD: Final = "://[^/:]*:.*@"


_SHARED: Final[dict[str, list[Rule]]] = {
    "env[]": [
        {
            "rule": "has(self.value) != has(self.valueFrom)",
            "message": "env needs exactly one of value and valueFrom for each name.",
        },
        {
            "rule": f"!(self.name in {json.dumps(_RESERVED)})",
            "message": (
                "env may not set the variables that the controller sets itself (TENYSON_RUN_ID, "
                "TENYSON_OUTPUT_DIR, …); choose another name, or use the spec's own field for it."
            ),
        },
    ],
    "env[].valueFrom": [
        {
            "rule": "has(self.secretKeyRef) != has(self.configMapKeyRef)",
            "message": "valueFrom needs exactly one of secretKeyRef and configMapKeyRef.",
        }
    ],
    "output.uri": [
        {
            "rule": "self.matches('^[a-z][a-z0-9+.-]*://.+')",
            "message": (
                "output.uri must start with a scheme, such as s3://bucket/runs; for a "
                "PersistentVolumeClaim use output.volumeClaim."
            ),
        },
        {
            "rule": f"!self.matches('{_PASSWORD}')",
            "message": (
                "output.uri holds a password, which all who may read the job would see; give it to "
                "the runner by env from a Secret, such as AWS_SECRET_ACCESS_KEY."
            ),
        },
    ],
    "output.hub.repo": [
        {
            "rule": "self.matches('^[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*$')",
            "message": "output.hub.repo must be owner/name, such as team/wordle-rl.",
        }
    ],
    "retry": [
        {
            "rule": (
                "!has(self.backoffSeconds) || !has(self.backoffMaxSeconds) || "
                "self.backoffSeconds <= self.backoffMaxSeconds"
            ),
            "message": (
                "retry.backoffSeconds must not exceed retry.backoffMaxSeconds; "
                "lower the first or raise the second."
            ),
        }
    ],
}
"""Rules for what a job and a runtime may both say, by their place in either's spec."""

JOB: Final[dict[str, list[Rule]]] = {
    "spec": [
        {
            "rule": (
                "has(self.configFrom) || "
                "(has(self.config) && has(self.config.model) && has(self.config.model.name))"
            ),
            "message": (
                "spec.config.model.name must name the base model, such as Qwen/Qwen3-0.6B, "
                "unless configFrom brings the configuration."
            ),
        },
        {
            "rule": "self.type != 'Eval' || !has(self.nodes) || self.nodes == 1",
            "message": "spec.nodes must be 1 for an Eval, which runs on one node; remove it.",
        },
        {
            "rule": (
                "self.type != 'Eval' || !has(self.output) || !has(self.output.hub) || "
                "!has(self.output.hub.repo)"
            ),
            "message": "spec.output.hub is for SFT and RL: an Eval has no adapter; remove it.",
        },
        {
            "rule": "!(has(oldSelf.stop) && oldSelf.stop) || (has(self.stop) && self.stop)",
            "message": "spec.stop is not undone; to run again, make another TenysonJob.",
        },
    ],
    "spec.task": [
        {
            "rule": f"self.matches('{_TASK}')",
            "message": (
                "task must be module.path:ClassName, a module path, or a path ending in .py, "
                "such as tenyson.examples.wordle.wordle_task:WordleTask."
            ),
        }
    ],
    "spec.config.telemetry.db_url": [
        {
            "rule": f"!self.matches('{_PASSWORD}|[?&][A-Za-z_]*pass(word|file)=')",
            "message": (
                "config.telemetry.db_url holds a password, which all who may read the job or its "
                "pods would see; put the URL into a Secret and name that in "
                "spec.telemetry.databaseSecretRef."
            ),
        }
    ],
    "spec.config.data.dataset_store": [
        {
            "rule": f"!self.matches('{_PASSWORD}')",
            "message": (
                "config.data.dataset_store holds a password, which all who may read the job or its "
                "pods would see; give it to the runner by env from a Secret."
            ),
        }
    ],
    "spec.placement.priorityClassName": [
        {
            "rule": "!self.startsWith('system-')",
            "message": (
                "placement.priorityClassName may not be one of Kubernetes' own, whose pods drive "
                "all others off a node; name a class that was made for such runs."
            ),
        }
    ],
    "spec.budget": [
        {
            "rule": "!has(self.maxCost) || has(self.pricePerHour)",
            "message": (
                "budget.maxCost needs budget.pricePerHour, the price of one node for an hour."
            ),
        }
    ],
    **{f"spec.{path}": rules for path, rules in _SHARED.items()},
}
"""Rules inside a TenysonJob, by the place they stand at."""

RUNTIME: Final[dict[str, list[Rule]]] = {
    "spec.pod.volumes[]": [
        {
            "rule": f"!(self.name in {json.dumps(list(RESERVED))})",
            "message": f"pod.volumes may not use the names {', '.join(RESERVED)}; choose another.",
        }
    ],
    "spec.pod.nodePreset": [
        {
            "rule": "has(self.managedNodeGroup) != has(self.karpenter)",
            "message": "pod.nodePreset needs exactly one of managedNodeGroup and karpenter.",
        }
    ],
    **{f"spec.{path}": rules for path, rules in _SHARED.items()},
}
"""Rules inside a TenysonRuntime and a ClusterTenysonRuntime."""
