"""A manifest, and others that differ from it in one place."""

import copy
from typing import Any

MANIFEST: dict[str, Any] = {
    "run_id": "one",
    "job_type": "sft",
    "recipe": "task:Task",
    "ranks": 1,
    "config": {
        "model": {"name": "m", "revision": "main"},
        "training": {"learning_rate": 0.01},
        "telemetry": {"db_url": "postgresql://u:***@h/d"},
        "checkpoint": {"resume": 4},
    },
    "datasets": {"train": {"rows": 64, "fingerprint": "aa"}},
    "model": {"name": "m", "source": "m", "revision": "c0ffee"},
    "tokenizer": {"sha256": "t", "chat_template_sha256": None},
    "adapter_parent": None,
    "task": {"spec": "task:Task", "files": {"task.py": "f"}},
    "git_sha": "g",
    "versions": {"torch": "2.13.0"},
    "hardware": {"gpus": []},
    "environment": {"OMP_NUM_THREADS": "1"},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    manifest = copy.deepcopy(MANIFEST)
    *parents, name = path.split("/")
    part = manifest
    for parent in parents:
        part = part[parent]
    part[name] = value
    return manifest
