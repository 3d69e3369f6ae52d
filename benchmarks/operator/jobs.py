"""What the load creates: jobs as people write them, and what their runners leave behind."""

import json
import zlib
from typing import Any

Object = dict[str, Any]

API_VERSION = "tenyson.dev/v1alpha1"
JOBS = f"/apis/{API_VERSION}/tenysonjobs"
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "telemetry"},
    "stringData": {"url": "postgresql+psycopg://tenyson:secret@telemetry.data:5432/tenyson"},
}
CONFIG: Object = {
    "model": {"name": "Qwen/Qwen3-0.6B", "revision": "main", "dtype": "bfloat16"},
    "adapter": {"kind": "lora", "r": 32, "alpha": 64, "target_modules": ["all-linear"]},
    "training": {
        "max_steps": 200,
        "per_device_train_batch_size": 128,
        "learning_rate": 2e-5,
        "lr_scheduler_type": "constant_with_warmup",
        "warmup_steps": 5,
        "seed": 0,
        "logging_steps": 5,
    },
    "rl": {
        "num_generations": 8,
        "max_completion_length": 32,
        "temperature": 1.0,
        "epsilon": 0.2,
        "epsilon_high": 0.28,
        "entropy_coef": 0.001,
        "reward_weights": [0.2, 0.3, 1.0, 1.0],
    },
    "task": {"words": "default", "max_turns": 3, "format": "chat", "rl_rows": 3200},
}


RUNTIMES = f"/apis/{API_VERSION}/clustertenysonruntimes"
RUNTIME = {
    "apiVersion": API_VERSION,
    "kind": "ClusterTenysonRuntime",
    "metadata": {"name": "default"},
    "spec": {
        "image": "registry.example.com/tenyson/runner:1.0",
        "imagePullSecrets": [{"name": "registry"}],
        "env": [{"name": "HF_HUB_OFFLINE", "value": "1"}, {"name": "NCCL_DEBUG", "value": "WARN"}],
        "telemetry": {"databaseSecretRef": {"name": "telemetry", "key": "url"}},
        "output": {"uri": "s3://bucket/runs"},
        "pod": {
            "nodeSelector": {"node.kubernetes.io/instance-type": "p5.48xlarge"},
            "terminationGracePeriodSeconds": 180,
        },
    },
}


def manifest(name: str, namespace: str) -> Object:
    """Returns a TenysonJob as people write it: GRPO on a GPU, the rest from the runtime."""
    return {
        "apiVersion": API_VERSION,
        "kind": "TenysonJob",
        "metadata": {"name": name, "namespace": namespace, "labels": {"team": "research"}},
        "spec": {
            "type": "RL",
            "task": "tenyson.examples.wordle.wordle_task:WordleTask",
            "config": {**CONFIG, "training": {**CONFIG["training"], "seed": _seed(name)}},
            "runtimeRef": {"name": "default", "kind": "ClusterTenysonRuntime"},
            "resources": {"gpus": 1, "cpu": "8", "memory": "64Gi", "sharedMemory": "16Gi"},
            "env": [{"name": "WANDB_PROJECT", "value": "wordle"}],
            "retry": {"maxRetries": 3},
        },
    }


def _seed(name: str) -> int:
    """Returns a seed of the job's own: no two runs of a sweep have the same configuration."""
    return zlib.crc32(name.encode()) % 1_000_000


def result() -> str:
    """Returns the termination message of a run that went well, as long as a real one."""
    metrics = {f"eval_{name}": 0.125 for name in ("solved", "valid", "consistent", "turns")}
    metrics |= {f"train_{name}": 0.5 for name in ("loss", "reward", "kl", "entropy", "grad_norm")}
    return json.dumps(
        {
            "run_id": "from-the-environment",
            "job_type": "rl",
            "status": "success",
            "attempt": 0,
            "exit_code": 0,
            "total_time_seconds": 1234.5,
            "metrics": metrics,
            "wandb_url": "https://wandb.ai/research/wordle/runs/0b7c2d1e",
            "local_output_dir": "/output/research/wordle-rl-0b7c2d1e",
            "global_step": 200,
            "adapter_sha256": "ab" * 32,
            "telemetry": {"written": 48211, "spooled": 0},
            "artifacts": [
                {
                    "kind": kind,
                    "path": f"checkpoint-final/{kind}",
                    "bytes": 4096,
                    "sha256": "cd" * 32,
                }
                for kind in ("adapter", "results", "manifest")
            ],
        }
    )
