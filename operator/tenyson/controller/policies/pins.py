"""The runtime and the configuration from `configFrom`: read once, when a run starts.

They are written into the first child's annotations and into the status; every later attempt takes
them from there, so that editing a runtime or a ConfigMap touches no run that has started.
"""

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from tenyson.controller import names, nesting
from tenyson.controller.observed import Child, Observed, Reference, Runtime
from tenyson.controller.policies import references
from tenyson.controller.policies.check import Answer, Finding, refuse
from tenyson.controller.reasons import Reason
from tenyson.controller.resource.runtime import TenysonRuntimeSpec
from tenyson.controller.resource.spec import TenysonJobSpec
from tenyson.controller.run_spec import RunSpec

MAX_BYTES: Final = 16 * 1024
"""The status holds 32 KiB, and the rest of it must fit, too."""
NOTHING: Final = "{}"
_SOURCE_BYTES: Final = 4 * MAX_BYTES
"""Of YAML, with its comments; reading it holds up everything else."""
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's is ten times as fast."""


@dataclass(frozen=True, slots=True)
class Pins:
    """What a run began with."""

    text: str
    """JSON; an empty object when there is neither a runtime nor a ConfigMap."""

    @property
    def runtime_hash(self) -> str:
        """A hash of the runtime's spec; empty without a runtime."""
        return _parsed(self.text).runtime_hash


@dataclass(frozen=True, slots=True)
class _Parsed:
    """What the text of pins says; shared, so nobody may change it."""

    runtime: TenysonRuntimeSpec
    runtime_hash: str
    config: Mapping[str, Any]


@functools.lru_cache(maxsize=256)
def _parsed(text: str) -> _Parsed:
    """Returns what pins say: thousands of runs have the same, and each pass asks."""
    values = json.loads(text or NOTHING)
    raw = (values.get("runtime") or {}).get("spec")
    digest = ""
    if raw is not None:
        canonical = json.dumps(raw, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(canonical.encode()).hexdigest()[:16]
    runtime = TenysonRuntimeSpec.model_validate(raw or {})
    return _Parsed(runtime, digest, values.get("config") or {})


def resolve(observed: Observed, child: Child | None) -> Pins | Finding:
    """Returns what the run begins with, or began with; else why that cannot be told yet.

    Args:
        observed: What the pass sees.
        child: The current attempt's child, if there is one.
    """
    status = observed.job.status
    if "pinned" in status:
        return Pins(status["pinned"])
    if child is not None:
        return Pins(child.pinned or NOTHING)
    if observed.job.has_started or observed.job.spec is None:
        return Pins(NOTHING)
    return _read(observed, observed.job.spec)


def run_spec(observed: Observed, pins: Pins) -> RunSpec | None:
    """Returns what the run is carried out with; None when the job's spec cannot be read."""
    spec = observed.job.spec
    if spec is None:
        return None
    begun_with = _parsed(pins.text)
    image = spec.image or begun_with.runtime.image or observed.defaults.image
    return RunSpec(spec, begun_with.runtime, begun_with.config, image)


def _read(observed: Observed, spec: TenysonJobSpec) -> Pins | Finding:
    values: dict[str, Any] = {}
    runtime = observed.runtime
    if finding := _unusable(observed, spec):
        return finding
    if runtime is not None:
        values["runtime"] = {"kind": runtime.kind, "name": runtime.name, "spec": runtime.raw}
    if spec.config_from is not None:
        config = _config(observed, spec)
        if isinstance(config, Finding):
            return config
        values["config"] = config
    text = json.dumps(values, separators=(",", ":"))
    if (size := len(json.dumps(text))) > MAX_BYTES:  # as a string of the status, quotes escaped
        return _too_large(spec, runtime, size)
    return Pins(text)


def _unusable(observed: Observed, spec: TenysonJobSpec) -> Finding | None:
    runtime = observed.runtime
    if runtime is None and (ref := spec.runtime_ref) is not None:
        if ref.kind == names.CLUSTER_RUNTIME_KIND and observed.cluster_runtimes_hidden:
            return refuse(Reason.RUNTIME_FORBIDDEN, name=ref.name)
        return refuse(Reason.RUNTIME_NOT_FOUND, kind=ref.kind, name=ref.name)
    if runtime is not None and runtime.spec is None:
        problems = runtime.problem[:2000]
        return refuse(
            Reason.INVALID_RUNTIME, kind=runtime.kind, name=runtime.name, problems=problems
        )
    return None


def _config(observed: Observed, spec: TenysonJobSpec) -> dict[str, Any] | Finding:
    assert spec.config_from is not None
    ref = spec.config_from.config_map_key_ref
    reference = Reference("ConfigMap", ref.name, ref.key)
    if reference not in observed.references:
        return Finding(Answer.LOOK_UP, Reason.CONFIG_MAP_NOT_FOUND, "", references=(reference,))
    if (state := observed.references[reference]) != "found":
        return references.missing(reference, state, observed.job.namespace)
    content = observed.contents[reference]
    if len(content) > _SOURCE_BYTES:
        problem = f"has {len(content)} bytes; {_SOURCE_BYTES} are the most"
        return _bad_source(ref.name, ref.key, problem)
    try:
        found = yaml.load(content, _LOADER)
    except RecursionError:
        return _bad_source(ref.name, ref.key, "is nested too deep")
    except yaml.YAMLError as error:
        return _bad_source(ref.name, ref.key, f"is no YAML or JSON ({_line(error)})")
    if not isinstance(found, dict):
        return _bad_source(ref.name, ref.key, f"must hold a mapping, not {type(found).__name__}")
    if too_much := nesting.problem(found):
        return _bad_source(ref.name, ref.key, f"is no configuration: {too_much}")
    try:
        json.dumps(found, allow_nan=False)
    except (TypeError, ValueError) as error:
        return _bad_source(ref.name, ref.key, f"holds what JSON cannot ({error})")
    return found


def _bad_source(name: str, key: str, problem: str) -> Finding:
    return refuse(Reason.INVALID_CONFIG_SOURCE, polled=True, name=name, key=key, problem=problem)


def _line(error: yaml.YAMLError) -> str:
    return " ".join(str(error).split())[:300]


def _too_large(spec: TenysonJobSpec, runtime: Runtime | None, size: int) -> Finding:
    problem = (
        f"With the runtime and the configuration from configFrom, {size} bytes would have to be "
        f"kept with the run; {MAX_BYTES} at most fit"
    )
    if runtime is not None and (
        spec.config_from is None or len(json.dumps(runtime.raw)) > MAX_BYTES // 2
    ):
        return refuse(
            Reason.INVALID_RUNTIME, kind=runtime.kind, name=runtime.name, problems=f"{problem}."
        )
    assert spec.config_from is not None
    ref = spec.config_from.config_map_key_ref
    return _bad_source(ref.name, ref.key, f"is too large: {problem[0].lower()}{problem[1:]}")
