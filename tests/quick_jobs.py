"""TenysonJobs that train a tiny model in seconds, for tests on clusters whose pods really run."""

from typing import Any

from tenyson.controller import names

Object = dict[str, Any]
MODEL = "/tenyson/output/model"  # on the claim, as a pod sees it
QUICK: Object = {
    "model": {"name": MODEL},
    "adapter": {"r": 4},
    "data": {"max_length": 32},
    "training": {"max_steps": 6, "learning_rate": 0.01},
    "rl": {"num_generations": 4, "max_completion_length": 6},
    "evaluation": {"max_new_tokens": 6},
}


def quick_job(name: str, kind: str, config: Object | None, **spec: Any) -> Object:
    """Returns a quick TenysonJob; `config` replaces sections' fields."""
    wanted = {section: dict(fields) for section, fields in QUICK.items()}
    for section, fields in (config or {}).items():
        wanted[section] = {**wanted.get(section, {}), **fields}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": name},
        "spec": {"type": kind, "config": wanted, "retry": {"backoffSeconds": 1}, **spec},
    }
