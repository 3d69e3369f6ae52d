"""From a file or a mapping to a checked configuration; all its problems are reported together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tenyson.config.aliases import ELSEWHERE, Reading, read_aliases
from tenyson.config.checks import cross_problems
from tenyson.config.models import JobConfig
from tenyson.config.overrides import override, parse_overrides
from tenyson.config.reading import read_mapping
from tenyson.config.wording import problems_of
from tenyson.contract import JobType
from tenyson.errors import ConfigError, Problem


def load_config(
    path: str | Path,
    job_type: JobType | None = None,
    *,
    ranks: int = 1,
    overrides: Sequence[str] = (),
) -> JobConfig:
    """Returns the configuration in a YAML or JSON file.

    Args:
        path: A file; the ending `.json` is read as JSON, any other as YAML.
        job_type: Adds the checks that only this kind of job needs; None leaves them out.
        ranks: Processes that train together.
        overrides: Single values over the file's, each `a.b=c`.

    Raises:
        ConfigError: The file is missing, does not parse, or holds wrong or unknown fields.
    """
    return parse_config(
        read_mapping(Path(path)), job_type, ranks=ranks, source=str(path), overrides=overrides
    )


def parse_config(
    config: JobConfig | Mapping[str, Any],
    job_type: JobType | None = None,
    *,
    ranks: int = 1,
    source: str = "",
    overrides: Sequence[str] = (),
) -> JobConfig:
    """Returns the checked configuration for a mapping; a checked one comes back as it is.

    Raises:
        ConfigError: Holds every problem, each with its path and, for a key, the nearest valid name.
    """
    if overrides and isinstance(config, JobConfig):
        config = config.model_dump()
    if not isinstance(config, JobConfig):
        if not isinstance(config, Mapping):
            message = f"expected a mapping, got {type(config).__name__}"
            raise ConfigError([Problem("", message)], source=source)
        reading = read_aliases(config, job_type)
        override(reading, parse_overrides(overrides), job_type)
        config = _validated(reading, source)
    if problems := cross_problems(config, job_type, ranks):
        raise ConfigError([_as_written(p, config.written_as) for p in problems], source=source)
    return config


def _validated(reading: Reading, source: str) -> JobConfig:
    problems = list(reading.problems)
    try:
        config = JobConfig.model_validate(reading.content)
    except ValidationError as error:
        found = [_as_written(problem, reading.written) for problem in problems_of(error)]
        # The cause would repeat what was given, and with it a password.
        raise ConfigError([*problems, *found], source=source) from None
    if problems:
        raise ConfigError(problems, source=source)
    return config.with_spellings(reading.written)


def _as_written(problem: Problem, written: Mapping[str, str]) -> Problem:
    """Adds how the file spells the field, or where a key that is gone has its place now."""
    if problem.path in ELSEWHERE:
        return Problem(problem.path, f"no key of this configuration; {ELSEWHERE[problem.path]}")
    if problem.path in written:
        return Problem(problem.path, f"{problem.message} (written as `{written[problem.path]}`)")
    return problem
