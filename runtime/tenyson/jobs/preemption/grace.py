"""How long a process has between the request to stop and the kill."""

from collections.abc import Mapping

from tenyson.contract import Env
from tenyson.errors import ConfigError, Problem
from tenyson.jobs.stop import DEFAULT_GRACE_SECONDS


def grace_seconds(configured: float | None, env: Mapping[str, str]) -> float:
    """Returns the grace period: the configuration's, else the environment's, else 25 s.

    Raises:
        ConfigError: The environment's is no number of seconds.
    """
    return configured or platform_grace_seconds(env) or DEFAULT_GRACE_SECONDS


def platform_grace_seconds(env: Mapping[str, str]) -> float | None:
    """Returns the grace period that the environment tells of; None where it tells of none.

    Raises:
        ConfigError: It is no number of seconds.
    """
    given = env.get(Env.GRACE_SECONDS)
    if not given:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigError(
            [Problem(Env.GRACE_SECONDS, f"expected a number of seconds above 0, got {given!r}")]
        )
    return seconds


def beyond_platform(configured: float | None, env: Mapping[str, str]) -> str | None:
    """Returns what to say where the configuration counts on more time than the platform gives."""
    platform = platform_grace_seconds(env)
    if configured is None or platform is None or configured <= platform:
        return None
    return (
        f"checkpoint.grace_seconds is {configured:g}, but the process is killed {platform:g} s "
        f"after SIGTERM ({Env.GRACE_SECONDS}): a save may be cut short."
    )
