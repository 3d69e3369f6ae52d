"""What a run is carried out with: the job's own spec, and its runtime's word where it has none."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from tenyson.controller.resource.run import Checkpoint, EnvVar, Hub, Output, Retry, Telemetry
from tenyson.controller.resource.runtime import PodDefaults, TenysonRuntimeSpec
from tenyson.controller.resource.spec import TenysonJobSpec

DEFAULT_RETRY: Final = {
    "max_retries": 2, "max_infra_retries": 10, "backoff_seconds": 10, "backoff_max_seconds": 600,
}  # fmt: skip
_Part = TypeVar("_Part", bound=BaseModel)
_RESUME: Final = {"Auto": "auto", "Never": "never"}


@dataclass(frozen=True)
class Limits:
    """How often a run is retried, and after what wait."""

    max_retries: int
    max_infra_retries: int
    backoff_seconds: int
    backoff_max_seconds: int


@dataclass(frozen=True)
class RunSpec:
    """A job's spec, its runtime's, and the configuration that comes from a ConfigMap."""

    spec: TenysonJobSpec
    runtime: TenysonRuntimeSpec
    config_from: Mapping[str, Any]
    image: str
    """Runner image; empty when none is named anywhere."""

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration that the runner gets; `spec.config` wins over `configFrom`.

        Of `checkpoint`, spec.checkpoint wins over the configuration, and that over the runtime.
        """
        merged = _merged(self.config_from, self.spec.config)
        given = merged.get("checkpoint")
        if isinstance(given, dict) or given is None:
            checkpoint = {
                **_checkpoint(self.runtime.checkpoint), **(given or {}),
                **_checkpoint(self.spec.checkpoint),
            }  # fmt: skip
            if checkpoint:
                merged["checkpoint"] = checkpoint
        return merged

    @cached_property
    def env(self) -> list[EnvVar]:
        """The runner's own variables, the job's last."""
        named = {variable.name: variable for variable in self.runtime.env or ()}
        named |= {variable.name: variable for variable in self.spec.env}
        return list(named.values())

    @cached_property
    def telemetry(self) -> Telemetry:
        """Where metrics go."""
        return _overlaid(Telemetry(), self.runtime.telemetry, self.spec.telemetry)

    @cached_property
    def output(self) -> Output:
        """Where files stay."""
        return _overlaid(Output(), self.runtime.output, self.spec.output)

    @property
    def hub(self) -> Hub | None:
        """The repository that the adapter is pushed to; None for none."""
        hub = self.output.hub
        return hub if hub is not None and hub.repo else None

    @cached_property
    def retry(self) -> Limits:
        """How often attempts are made again."""
        found = _overlaid(Retry(), self.runtime.retry, self.spec.retry)
        given = {name: value for name, value in found if value is not None}
        return Limits(**{**DEFAULT_RETRY, **given})

    @property
    def pod(self) -> PodDefaults:
        """What the runtime says about pods."""
        return self.runtime.pod or PodDefaults()

    @property
    def ranks_per_node(self) -> int:
        """Training processes in one pod."""
        return max(1, self.spec.resources.gpus)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Returns two configurations as one; lists and values are replaced, mappings merged."""
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        both = isinstance(under, Mapping) and isinstance(value, Mapping)
        merged[name] = _merged(under, value) if both and under is not None else value
    return merged


def _checkpoint(given: Checkpoint | None) -> dict[str, Any]:
    """Returns the settings as the runner's configuration spells them."""
    if given is None:
        return {}
    values = given.model_dump(exclude_none=True)
    if "resume" in values:
        values["resume"] = _RESUME.get(values["resume"], values["resume"])
    return values


def _overlaid(empty: _Part, *layers: _Part | None) -> _Part:
    """Returns the layers as one, the last word winning; None says nothing."""
    values: dict[str, Any] = {}
    for layer in layers:
        if layer is not None:
            values |= {name: value for name, value in layer if value is not None}
    return type(empty)(**values)
