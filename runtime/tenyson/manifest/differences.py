"""Why two runs differ, told from their manifests; a pure comparison."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a difference is of, in the order in which it explains most."""

    JOB = "job"
    CONFIG = "configuration"
    DATA = "data"
    WEIGHTS = "weights"
    TOKENIZER = "tokenizer"
    TASK = "task code"
    GIT = "git"
    VERSIONS = "versions"
    HARDWARE = "hardware"
    ENVIRONMENT = "environment"


REFUSED: frozenset[Kind] = frozenset((Kind.DATA, Kind.WEIGHTS, Kind.TOKENIZER))
"""Differences with which a repetition is none: what it trains, or on what, is another."""


@dataclass(frozen=True)
class Difference:
    """One thing that two runs do not share."""

    kind: Kind
    path: str
    """Of the field, dotted: `training.learning_rate`."""
    left: Any
    """None where the first run has none."""
    right: Any


def differences(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[Difference]:
    """Returns what two manifests disagree on, what explains most first.

    Names, times, places and the attempt are no differences: every run has its own.

    Args:
        left: A manifest's content, of any version of its schema.
        right: The other's.
    """
    found: list[Difference] = []
    for kind, select in _PARTS:
        one, other = dict(select(left)), dict(select(right))
        for path in (*one, *(path for path in other if path not in one)):
            if _is_known(one, other, path) and one.get(path) != other.get(path):
                found.append(Difference(kind, path, one.get(path), other.get(path)))
    return found


def refused(found: list[Difference]) -> list[Difference]:
    """Returns those with which one run cannot pass for a repetition of the other."""
    return [difference for difference in found if difference.kind in REFUSED]


Facts = Iterator[tuple[str, Any]]


def _job(manifest: Mapping[str, Any]) -> Facts:
    for name in ("job_type", "recipe", "ranks"):
        yield name, manifest.get(name)


def _config(manifest: Mapping[str, Any]) -> Facts:
    for path, value in flat(manifest.get("config") or {}):
        if path not in _CONFIG_OF_A_PLACE and not path.startswith("telemetry."):
            yield path, value


_CONFIG_OF_A_PLACE = ("checkpoint.resume", "model.revision", "data.dataset_store")
"""Where data lie, and what an attempt starts from, say nothing of what it comes to, nor does the
section `telemetry`; what a branch was at the time does, and stands among the weights."""


def _data(manifest: Mapping[str, Any]) -> Facts:
    for role, facts in (manifest.get("datasets") or {}).items():
        yield f"{role}.rows", facts.get("rows")
        yield f"{role}.fingerprint", facts.get("fingerprint")


def _weights(manifest: Mapping[str, Any]) -> Facts:
    model = manifest.get("model") or {}
    yield "model.weights_sha256", model.get("weights_sha256")
    yield "model.revision", model.get("revision")
    yield "adapter.sha256", (manifest.get("adapter_parent") or {}).get("sha256", "none")
    for name, facts in (manifest.get("evaluated_adapters") or {}).items():
        yield f"evaluated_adapters.{name}.sha256", facts.get("sha256")


def _tokenizer(manifest: Mapping[str, Any]) -> Facts:
    yield from (manifest.get("tokenizer") or {}).items()


def _task(manifest: Mapping[str, Any]) -> Facts:
    task = manifest.get("task") or {}
    for name in ("version", "own_fingerprint"):
        yield name, task.get(name)
    yield from (task.get("files") or {}).items()


def _git(manifest: Mapping[str, Any]) -> Facts:
    for name in ("git_sha", "git_diff_sha256"):
        yield name, manifest.get(name)


def _versions(manifest: Mapping[str, Any]) -> Facts:
    yield from (manifest.get("versions") or {}).items()
    yield "image_digest", manifest.get("image_digest")


def _hardware(manifest: Mapping[str, Any]) -> Facts:
    yield from flat(manifest.get("hardware") or {})


def _environment(manifest: Mapping[str, Any]) -> Facts:
    for name, value in (manifest.get("environment") or {}).items():
        if not name.startswith("TENYSON_"):
            yield name, value


_PARTS = (
    (Kind.JOB, _job),
    (Kind.CONFIG, _config),
    (Kind.DATA, _data),
    (Kind.WEIGHTS, _weights),
    (Kind.TOKENIZER, _tokenizer),
    (Kind.TASK, _task),
    (Kind.GIT, _git),
    (Kind.VERSIONS, _versions),
    (Kind.HARDWARE, _hardware),
    (Kind.ENVIRONMENT, _environment),
)


def flat(values: Mapping[str, Any], prefix: str = "") -> Facts:
    """Yields every value of a nested mapping under its dotted path; a list counts as one value."""
    for name, value in values.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{path}.")
        else:
            yield path, value


def _is_known(one: Mapping[str, Any], other: Mapping[str, Any], path: str) -> bool:
    """Whether both have the part at all; an older schema tells nothing of what it lacks."""
    return bool(one and other) or (path in one and path in other)
