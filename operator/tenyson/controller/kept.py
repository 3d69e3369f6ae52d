"""TenysonJobs as the cache keeps them: their JSON, and the few facts that are asked for often.

As models and dicts a job takes 13 to 18 KB, as JSON 3 KB, and reading it takes 50 µs: every pass
can afford to read one job, and no controller can afford to hold ten thousand of them read.
"""

import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import orjson

from tenyson.controller import names
from tenyson.controller.nesting import cut
from tenyson.controller.observed import Job, Object, ended_as
from tenyson.controller.reading import job_of, read_spec, tracking_mark
from tenyson.controller.resource.spec import TenysonJobSpec

_METADATA: Final = (
    "namespace", "name", "uid", "generation", "resourceVersion", "creationTimestamp",
    "deletionTimestamp",
)  # fmt: skip
_NO_PARENTS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class KeptJob:
    """A TenysonJob at rest."""

    uid: str
    generation: int
    resource_version: int
    spec: bytes
    body: bytes
    """Metadata that a pass needs, and the status."""
    type: str
    """SFT, RL or Eval; empty where the spec cannot be read."""
    gpus: int
    """Of all its nodes, once it runs."""
    phase: str
    """Empty before the first pass."""
    parents: Mapping[str, str]
    """How each job that it waits for must end, by name."""
    runtimes: tuple[tuple[str, str], ...]
    """Namespace and name of the runtime that it names, or of the defaults; the first there is."""
    has_started: bool
    ended_as: str
    """Complete or Failed, or empty while the run goes on."""

    def read(self) -> Job:
        """Returns the job as a pass sees it."""
        return job_of(orjson.loads(self.body), *_read(self.spec))


def keep_job(body: Object, known: KeptJob | None = None) -> KeptJob:
    """Returns the TenysonJob in an API object; `known` spares reading an unchanged spec again."""
    meta, status = body["metadata"], body.get("status") or {}
    kept = {"metadata": {name: meta[name] for name in _METADATA if name in meta}}
    if mark := tracking_mark(meta):
        kept["metadata"]["labels"] = {mark: ""}
    uid, generation = meta["uid"], meta.get("generation", 0)
    if known is None or (known.uid, known.generation) != (uid, generation):
        spec = _written(body.get("spec") or {})
        job = job_of(body, *_read(spec))
        type_: str = job.spec.type if job.spec is not None else ""
        gpus = job.spec.resources.gpus * job.spec.nodes if job.spec is not None else 0
        parents, runtimes = job.parents() or _NO_PARENTS, _runtimes_of(job)
    else:
        spec, type_, gpus = known.spec, known.type, known.gpus
        parents, runtimes = known.parents, known.runtimes
    return KeptJob(
        uid=uid,
        generation=generation,
        resource_version=int(meta.get("resourceVersion") or 0),
        spec=spec,
        body=_written(kept | {"status": status}),
        type=type_,
        gpus=gpus,
        phase=sys.intern(status.get("phase") or ""),
        parents=parents,
        runtimes=runtimes,
        has_started="startTime" in status,
        ended_as=ended_as(status),
    )


@functools.lru_cache(maxsize=256)
def _read(spec: bytes) -> tuple[TenysonJobSpec | None, str]:
    """Returns the spec; a job is asked for its own several times within a second."""
    return read_spec(orjson.loads(spec))


def _written(body: Object) -> bytes:
    try:
        content = orjson.dumps(body)
    except TypeError:  # Nested deeper than it writes; the configuration is refused for that.
        content = orjson.dumps(cut(body))
    # orjson's own bytes keep the buffer that they were written to, up to four times as large.
    return bytes(memoryview(content))


def _runtimes_of(job: Job) -> tuple[tuple[str, str], ...]:
    ref = job.spec.runtime_ref if job.spec is not None else None
    if ref is None:
        return (job.namespace, names.DEFAULT_RUNTIME), ("", names.DEFAULT_RUNTIME)
    return (((job.namespace if ref.kind == names.RUNTIME_KIND else ""), ref.name),)
