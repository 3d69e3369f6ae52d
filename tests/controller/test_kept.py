"""Jobs at rest: small, and the same when they are read again."""

import gc
import tracemalloc
from typing import Any

import orjson

from tenyson.controller.cache import Cache
from tenyson.controller.kept import keep_job
from tests.controller.builders import conditions, job_body, read_job

CONFIG = {
    "model": {"name": "Qwen/Qwen3-0.6B", "revision": "main"},
    "training": {"max_steps": 300, "learning_rate": 5e-4, "lr_scheduler_type": "cosine"},
    "task": {f"option_{number}": f"value {number}" for number in range(20)},
}


def finished(name: str) -> dict[str, Any]:
    metrics = {f"eval_metric_{number}": 0.5 for number in range(30)}
    status = {
        "phase": "Succeeded",
        "startTime": "2030-01-01T12:00:00Z",
        "conditions": conditions(Accepted="True", Running="False", Complete="True"),
        "result": {"runId": "r", "status": "success", "metrics": metrics},
    }
    return job_body(name, status=status, config=CONFIG, dependsOn=[{"job": "before"}])


def test_a_kept_job_is_read_as_it_was_written() -> None:
    body = finished("j")
    body["metadata"] |= {"deletionTimestamp": "2030-01-01T12:00:00Z", "managedFields": [{}]}
    body["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "argocd.argoproj.io/tracking-id": "training:tenyson.dev/TenysonJob:n/j",
    }
    assert keep_job(body).read() == read_job(body)


def test_a_kept_job_tells_what_others_ask_without_being_read() -> None:
    kept = keep_job(finished("j"))
    job = kept.read()
    assert (kept.type, kept.phase, kept.ended_as) == ("SFT", "Succeeded", job.ended_as())
    assert (kept.parents, kept.has_started) == (job.parents(), job.has_started)


def test_a_new_spec_changes_what_a_kept_job_tells() -> None:
    before = keep_job(finished("j"))
    body = job_body("j", runtimeRef={"name": "large", "kind": "TenysonRuntime"}, type="RL")
    body["metadata"]["generation"] = 2
    after = keep_job(body, before)
    assert (after.type, after.runtimes, dict(after.parents)) == ("RL", (("n", "large"),), {})


def test_a_finished_job_takes_at_most_6_kb_of_the_cache() -> None:
    count = 200
    raw = [orjson.dumps(finished(f"j{number}")) for number in range(count)]
    cache = Cache(lambda key, urgent: None)
    gc.collect()
    tracemalloc.start()
    try:
        for text in raw:
            cache.put_job(orjson.loads(text))
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used / count < 6 * 1024
