"""The cache: newest wins, and whom a change wakes."""

from typing import Any

import pytest

from tenyson.controller.cache import Cache
from tenyson.controller.dependents import Dependents
from tests.controller.builders import child_body, conditions, job_body, pod_body


class Woken(list[str]):
    """Names of the jobs that were woken."""

    def __call__(self, key: tuple[str, str], urgent: bool) -> None:
        self.append(key[1] + ("!" if urgent else ""))


def versioned(body: dict[str, Any], version: int, **changes: Any) -> dict[str, Any]:
    meta = {**body["metadata"], "resourceVersion": str(version)}
    return {**body, **changes, "metadata": meta}


def test_an_older_object_is_ignored() -> None:
    cache = Cache(Woken())
    cache.put_job(versioned(job_body("j"), 7, status={"phase": "Running"}))
    cache.put_job(versioned(job_body("j"), 5, status={"phase": "Pending"}))
    job = cache.job(("n", "j"))
    assert job is not None
    assert job.status == {"phase": "Running"}


def test_our_own_write_wakes_nobody_and_its_echo_neither() -> None:
    woken = Woken()
    cache = Cache(woken)
    cache.put_job(job_body("j"))
    woken.clear()
    written = versioned(job_body("j"), 2, status={"phase": "Starting"})
    cache.put_job(written, wake=False)
    cache.put_job(written)
    assert woken == []


def test_a_namesake_replaces_what_was_deleted() -> None:
    cache = Cache(Woken())
    cache.put_job(versioned(job_body("j", uid="old"), 9))
    cache.put_job(versioned(job_body("j", uid="new"), 3))
    cache.drop_job(("n", "j"), "old")
    job = cache.job(("n", "j"))
    assert job is not None
    assert job.uid == "new"


def test_only_what_concerns_them_wakes_dependents() -> None:
    woken = Woken()
    cache = Cache(woken)
    cache.put_job(job_body("child", dependsOn=[{"job": "parent"}]))
    cache.put_job(job_body("grandchild", dependsOn=[{"job": "child"}]))
    woken.clear()
    cache.put_job(job_body("parent"))
    assert set(woken) == {"parent!", "child!", "grandchild!"}
    woken.clear()
    running = {"phase": "Running", "startTime": "t"}
    cache.put_job(versioned(job_body("parent"), 2, status=running))
    assert woken == ["parent"]
    woken.clear()
    ended = {"conditions": conditions(Complete="True"), "startTime": "t"}
    cache.put_job(versioned(job_body("parent"), 3, status=ended))
    assert woken == ["parent", "child!"]


def test_a_gone_pod_is_kept_until_its_attempt_is_recorded() -> None:
    cache = Cache(Woken())
    cache.put_job(job_body("j"))
    cache.put_pod(pod_body(code=75))
    cache.drop_pod(("n", "j-a0-x"))
    (pod,) = cache.pods_of(("n", "j"))
    assert (pod.gone, pod.exit_code) == (True, 75)
    assert cache.known("pod") == {}
    cache.forget_ended_pods(("n", "j"), newest=0)
    assert list(cache.pods_of(("n", "j"))) == []


def test_nothing_is_left_of_a_deleted_job() -> None:
    cache = Cache(Woken())
    cache.put_job(job_body("j", dependsOn=[{"job": "p"}]))
    cache.put_child(child_body())
    cache.put_pod(pod_body())
    cache.drop_pod(("n", "j-a0-x"))
    cache.drop_job(("n", "j"))
    cache.drop_child(("n", "j-a0"))
    stores = [value for value in vars(cache).values() if isinstance(value, dict | Dependents)]
    assert [bool(store) for store in stores] == [False] * 6


def test_a_change_that_means_nothing_to_us_wakes_nobody() -> None:
    woken = Woken()
    cache = Cache(woken)
    cache.put_pod(pod_body())
    cache.put_child(child_body())
    woken.clear()
    cache.put_pod(versioned(pod_body(), 2))
    cache.put_child(versioned(child_body(), 2))
    assert woken == []


def test_a_pass_sees_ancestors_but_not_bystanders() -> None:
    cache = Cache(Woken())
    cache.put_job(job_body("c", dependsOn=[{"job": "b"}]))
    cache.put_job(job_body("b", adapterFrom={"job": "a"}))
    cache.put_job(job_body("a"))
    cache.put_job(job_body("x"))
    observed = cache.observed(("n", "c"))
    assert observed is not None
    assert set(observed.others) == {"a", "b"}


@pytest.mark.parametrize(("code", "kept"), [(75, []), (0, [0])])
@pytest.mark.parametrize("first", ["the Job's news", "the pod's end"])
def test_of_pods_that_a_queue_took_back_only_one_that_was_done_is_kept(
    first: str, code: int, kept: list[int]
) -> None:
    cache = Cache(Woken())
    cache.put_job(job_body("j"))
    cache.put_child(child_body())
    cache.put_pod(pod_body(code=code))
    taken = versioned(child_body(), 2, spec={"suspend": True})
    if first == "the Job's news":
        cache.put_child(taken)
    cache.drop_pod(("n", "j-a0-x"))
    cache.put_child(taken)
    assert [pod.exit_code for pod in cache.pods_of(("n", "j"))] == kept


def test_a_circle_of_jobs_is_woken_as_a_whole_and_once() -> None:
    woken = Woken()
    cache = Cache(woken)
    cache.put_job(job_body("a", dependsOn=[{"job": "c"}]))
    cache.put_job(job_body("b", dependsOn=[{"job": "a"}]))
    woken.clear()
    cache.put_job(job_body("c", dependsOn=[{"job": "b"}]))
    assert sorted(woken) == ["a!", "b!", "c!", "c!"]
    woken.clear()
    edited = job_body("c")
    edited["metadata"]["generation"] = 2
    cache.put_job(versioned(edited, 2))
    assert sorted(woken) == ["a!", "b!", "c!"], "the circle is broken, which concerns them all"
    woken.clear()
    cache.put_job(versioned(job_body("b"), 3, status={"conditions": conditions(Complete="True")}))
    assert woken == ["b!"], "nobody waits for it any more"
