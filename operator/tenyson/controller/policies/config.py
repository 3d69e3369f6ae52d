"""Whether the configuration can run at all, asked before any pod starts."""

import functools
import json
from typing import Final

from tenyson.config import JobConfig, parse_config
from tenyson.contract import JobType
from tenyson.controller import nesting
from tenyson.controller.observed import Job, Observed
from tenyson.controller.policies.check import Finding, refuse
from tenyson.controller.reasons import Reason
from tenyson.controller.run_spec import RunSpec
from tenyson.controller.wording import sentences
from tenyson.errors import ConfigError
from tenyson.hiding import has_password

MAX_CONFIG_BYTES: Final = 128 * 1024
"""It rides in an annotation; all annotations of an object together hold 256 KiB."""
_MAX_MESSAGE: Final = 4000


def find_unreadable(job: Job) -> Finding | None:
    """Returns why the spec itself cannot be worked with, or None."""
    if job.spec is None:
        return refuse(Reason.INVALID_SPEC, problems=job.problem[:_MAX_MESSAGE])
    if job.spec.backend == "Modal":
        return refuse(Reason.BACKEND_NOT_SUPPORTED)
    return None


def find(observed: Observed, run: RunSpec) -> Finding | None:
    """Returns every problem of the configuration in one finding, or None."""
    if too_much := nesting.problem(run.config):
        return _invalid(f"spec.config cannot be handed over: {too_much}.", run)
    text = json.dumps(run.config)
    ranks = run.spec.nodes * run.ranks_per_node
    if problems := _problems(text, JobType(run.spec.type.lower()), ranks):
        return _invalid(problems, run)
    size = len(text.encode())
    if size > MAX_CONFIG_BYTES:
        return _invalid(
            f"It has {size} bytes, {MAX_CONFIG_BYTES} at most fit into a pod's annotation", run
        )
    if not run.image:
        return refuse(Reason.IMAGE_MISSING)
    return None


@functools.lru_cache(maxsize=64)
def _problems(text: str, job_type: JobType, ranks: int) -> str:
    """Returns what is wrong with a configuration; a pass asks twice, with a look-up in between."""
    try:
        return _passwords(parse_config(json.loads(text), job_type, ranks=ranks))
    except ConfigError as error:
        problems = "; ".join(f"config.{problem}" for problem in error.problems)
        return sentences(problems, error.hint)


def _passwords(config: JobConfig) -> str:
    """Returns a refusal of passwords that all who may read the job's pods would see.

    The CRD refuses them in spec.config already; those of a ConfigMap come this far.
    """
    if has_password(config.telemetry.db_url or ""):
        return (
            "config.telemetry.db_url holds a password, which all who may read pods would see; put "
            "the URL into a Secret and name that in spec.telemetry.databaseSecretRef"
        )
    if has_password(config.data.dataset_store or ""):
        return (
            "config.data.dataset_store holds a password, which all who may read pods would see; "
            "give it to the runner by env from a Secret"
        )
    return ""


def _invalid(problems: str, run: RunSpec) -> Finding:
    if len(problems) > _MAX_MESSAGE:
        problems = problems[:_MAX_MESSAGE] + "…"
    if (source := run.spec.config_from) is None:
        return refuse(Reason.INVALID_CONFIG, problems=problems)
    name = source.config_map_key_ref.name
    problems = f"(Some of it may come from ConfigMap {name}.) {problems}"
    return refuse(Reason.INVALID_CONFIG, polled=True, problems=problems)
