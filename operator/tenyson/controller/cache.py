"""What the controller knows of the cluster: jobs, children and pods, each cut down to what counts.

Watches and our own writes feed it; a pass reads it. Versions decide between the two: an object
older than the one that is known is ignored, in whichever order they arrive.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from tenyson.controller.dependents import Dependents
from tenyson.controller.kept import KeptJob, keep_job
from tenyson.controller.names import Key, run_id
from tenyson.controller.observed import Child, Job, Object, Observed, Pod
from tenyson.controller.reading import read_child, read_pod
from tenyson.controller.runtimes import Runtimes
from tenyson.controller.versions import Id, is_older

Wake = Callable[[Key, bool], None]
"""Asks for a pass over a job; True when a child may have to be made."""


class Cache:
    """All objects, by the job that they belong to."""

    def __init__(self, wake: Wake, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._wake = wake
        self._now = now
        self._runtimes = Runtimes()
        self._jobs: dict[Key, KeptJob] = {}
        self._children: dict[Id, Child] = {}
        self._pods: dict[Id, Pod] = {}
        self._children_of: dict[Key, set[Id]] = {}
        self._pods_of: dict[Key, set[Id]] = {}
        self._dependents = Dependents()

    # Jobs

    def job(self, key: Key) -> Job | None:
        """Returns a job, if it exists, read anew."""
        kept = self._jobs.get(key)
        return kept.read() if kept is not None else None

    def put_job(self, body: Object, *, wake: bool = True) -> None:
        """Takes up a TenysonJob.

        Args:
            body: The API object.
            wake: Whether to ask for a pass; not after our own write.
        """
        meta = body["metadata"]
        key = meta["namespace"], meta["name"]
        known = self._jobs.get(key)
        if known is not None and is_older(meta, known):
            return
        job = keep_job(body, known)
        self._jobs[key] = job
        self._dependents.note(key, known.parents if known else (), job.parents)
        if wake:
            self._wake(key, not job.has_started)
        if known is None or (known.uid, known.parents) != (job.uid, job.parents):
            self._wake_all(self._dependents.below(key))
        elif known.ended_as != job.ended_as:
            self._wake_all(self._dependents.of(key))

    def drop_job(self, key: Key, uid: str = "") -> None:
        """Forgets a TenysonJob that was deleted; a new one of the same name stays."""
        known = self._jobs.get(key)
        if known is None or (uid and known.uid != uid):
            return
        del self._jobs[key]
        self._dependents.note(key, known.parents, ())
        for pod in [i for i in self._pods_of.get(key, ()) if self._pods[i].gone]:
            self._forget_pod(pod)
        self._wake(key, False)
        self._wake_all(self._dependents.below(key))

    def _wake_all(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._wake(key, True)

    # Children

    def put_child(self, body: Object, *, wake: bool = True) -> None:
        """Takes up a batch/v1 Job of ours.

        Args:
            body: The API object.
            wake: Whether to ask for a pass; not after our own write.
        """
        child = read_child(body)
        at = child.namespace, child.name
        known = self._children.get(at)
        if known is not None and is_older(body["metadata"], known):
            return
        if child.ended_as:
            is_old = known is None or known.uid != child.uid
            seen = known.seen_ended if known is not None and not is_old else None
            child = replace(child, seen_ended=seen or self._now())
        self._children[at] = child
        if child.suspended:
            self._forget_pods_taken_back(child)
        self._children_of.setdefault((child.namespace, child.job), set()).add(at)
        if wake and (known is None or _without_version(known) != _without_version(child)):
            self._wake((child.namespace, child.job), False)

    def _forget_pods_taken_back(self, child: Child) -> None:
        """Forgets pods that a queue took back: they are no part of the attempt's end.

        One that was done before it could be taken is, and holds the result.
        """
        for at in list(self._pods_of.get((child.namespace, child.job), ())):
            pod = self._pods[at]
            if pod.gone and pod.attempt == child.attempt and pod.exit_code != 0:
                self._forget_pod(at)

    def drop_child(self, at: Id, uid: str = "") -> None:
        """Forgets a Job that was deleted."""
        known = self._children.get(at)
        if known is None or (uid and known.uid != uid):
            return
        del self._children[at]
        key = known.namespace, known.job
        _discard(self._children_of, key, at)
        self._wake(key, False)

    # Pods

    def put_pod(self, body: Object) -> None:
        """Takes up a pod of a child."""
        pod = read_pod(body)
        at = pod.namespace, pod.name
        known = self._pods.get(at)
        if known is not None and is_older(body["metadata"], known):
            return
        self._pods[at] = pod
        self._pods_of.setdefault((pod.namespace, pod.job), set()).add(at)
        if known is None or _without_version(known) != _without_version(pod):
            self._wake((pod.namespace, pod.job), False)

    def drop_pod(self, at: Id, uid: str = "") -> None:
        """Notes that a pod is gone.

        One of a job that goes on is kept as gone: its exit code tells why the attempt ended, and
        its Job's own end may be seen later than the pod's. One that a queue took back is not.
        """
        known = self._pods.get(at)
        if known is None or known.gone or (uid and known.uid != uid):
            return
        key = known.namespace, known.job
        job = self._jobs.get(key)
        if job is None or run_id(job.uid) != known.run_id or self._is_taken_back(known):
            self._forget_pod(at)
        else:
            self._pods[at] = _as_gone(known)
        self._wake(key, False)

    def _is_taken_back(self, pod: Pod) -> bool:
        children = (
            self._children[at] for at in self._children_of.get((pod.namespace, pod.job), ())
        )
        return pod.exit_code != 0 and any(
            child.suspended and child.attempt == pod.attempt for child in children
        )

    def forget_ended_pods(self, key: Key, newest: int) -> None:
        """Forgets gone pods of attempts that are recorded."""
        for at in list(self._pods_of.get(key, ())):
            pod = self._pods[at]
            if pod.gone and pod.attempt <= newest:
                self._forget_pod(at)

    def _forget_pod(self, at: Id) -> None:
        pod = self._pods.pop(at)
        _discard(self._pods_of, (pod.namespace, pod.job), at)

    def pods_of(self, key: Key) -> Iterator[Pod]:
        """Yields the pods of a job."""
        return (self._pods[at] for at in self._pods_of.get(key, ()))

    # Runtimes

    def put_runtime(self, body: Object) -> None:
        """Takes up a TenysonRuntime or a ClusterTenysonRuntime."""
        if changed := self._runtimes.put(body):
            self._wake_users(changed)

    def drop_runtime(self, at: Id, uid: str = "") -> None:
        """Forgets a runtime that was deleted; the namespace is empty for a cluster's."""
        if self._runtimes.drop(at, uid):
            self._wake_users(at)

    def hide_cluster_runtimes(self, hidden: bool) -> None:
        """Notes whether the controller has no right to read ClusterTenysonRuntimes."""
        if hidden == self._runtimes.hidden:
            return
        self._runtimes.hidden = hidden
        for key, job in self._jobs.items():
            if not job.has_started and not job.ended_as and job.runtimes[-1][0] == "":
                self._wake(key, True)

    def _wake_users(self, at: Id) -> None:
        """Wakes the jobs that have not started and might start with this runtime."""
        for key, job in self._jobs.items():
            if not job.has_started and not job.ended_as and at in job.runtimes:
                self._wake(key, True)

    # Views

    def jobs(self) -> Iterator[tuple[Key, KeptJob]]:
        """Yields every job, as it is kept."""
        return iter(self._jobs.items())

    def known(self, kind: str) -> dict[Id, tuple[str, int]]:
        """Returns uid and version of every present object of a kind.

        Args:
            kind: job, child, pod, runtime or cluster runtime.
        """
        if kind in ("runtime", "cluster runtime"):
            return self._runtimes.known(of_cluster=kind == "cluster runtime")
        objects: Mapping[Id, KeptJob | Child | Pod] = {
            "job": self._jobs, "child": self._children, "pod": self._pods,
        }[kind]  # type: ignore[assignment]  # fmt: skip
        return {
            at: (found.uid, found.resource_version)
            for at, found in objects.items()
            if not (isinstance(found, Pod) and found.gone)
        }

    def observed(self, key: Key) -> Observed | None:
        """Returns all that is cached about a job; None when the job does not exist."""
        kept = self._jobs.get(key)
        if kept is None:
            return None
        return Observed(
            job=kept.read(),
            children=tuple(self._children[at] for at in self._children_of.get(key, ())),
            pods=tuple(self.pods_of(key)),
            others=self._ancestors(key),
            runtime=self._runtimes.first(kept.runtimes),
            cluster_runtimes_hidden=self._runtimes.hidden,
        )

    def _ancestors(self, key: Key) -> dict[str, Job]:
        found: dict[str, Job] = {}
        to_visit = list(self._jobs[key].parents)
        while to_visit:
            name = to_visit.pop()
            parent = self._jobs.get((key[0], name))
            if parent is not None and name not in found:
                found[name] = parent.read()
                to_visit.extend(parent.parents)
        return found


def _without_version(found: Child | Pod) -> tuple[object, ...]:
    kept = (name for name in found.__slots__ if name not in ("resource_version", "seen_ended"))
    return tuple(getattr(found, name) for name in kept)


def _as_gone(pod: Pod) -> Pod:
    return replace(pod, gone=True)


def _discard(index: dict[Key, set[Id]], key: Key, at: Id) -> None:
    members = index.get(key, set())
    members.discard(at)
    if not members:
        index.pop(key, None)
