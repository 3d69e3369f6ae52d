"""Whether the configuration can run at all, asked before any pod starts."""

import json
from typing import Final

from tenyson.config import parse_config
from tenyson.contract import JobType
from tenyson.controller.observed import Observed
from tenyson.controller.policies.check import Finding, refuse
from tenyson.controller.reasons import Reason
from tenyson.errors import ConfigError

MAX_CONFIG_BYTES: Final = 128 * 1024
"""It rides in an annotation; all annotations of an object together hold 256 KiB."""
_MAX_MESSAGE: Final = 4000


def find(observed: Observed) -> Finding | None:
    """Returns every problem of the spec and its configuration in one finding, or None."""
    spec = observed.job.spec
    if spec is None:
        return refuse(Reason.INVALID_SPEC, problems=observed.job.problem[:_MAX_MESSAGE])
    try:
        parse_config(spec.config, JobType(spec.type.lower()))
    except ConfigError as error:
        problems = "; ".join(f"config.{problem}" for problem in error.problems)
        return _invalid(f"{problems}. {error.hint}".strip())
    size = len(json.dumps(spec.config).encode())
    if size > MAX_CONFIG_BYTES:
        return _invalid(
            f"It has {size} bytes, {MAX_CONFIG_BYTES} at most fit into a pod's annotation"
        )
    if not (spec.image or observed.defaults.image):
        return refuse(Reason.IMAGE_MISSING)
    return None


def _invalid(problems: str) -> Finding:
    if len(problems) > _MAX_MESSAGE:
        problems = problems[:_MAX_MESSAGE] + "…"
    return refuse(Reason.INVALID_CONFIG, problems=problems)
