"""Whether and when a container is started again, as a kubelet decides it."""

from __future__ import annotations

from dataclasses import dataclass

from hack.cluster.node.attempts import Outcome

_FIRST_DELAY_SECONDS = 10.0
_LONGEST_DELAY_SECONDS = 300.0
_RESET_SECONDS = 600.0


@dataclass(frozen=True)
class Start:
    """Start the container, after a delay."""

    delay_seconds: float = 0.0


@dataclass(frozen=True)
class Finished:
    """The container will not run again."""

    succeeded: bool


def next_step(
    policy: str, restarts: int, outcome: Outcome, ran_seconds: float, now: float
) -> Start | Finished:
    """What follows an attempt that has ended.

    The first restart comes at once, the next after 10 s, then doubling up to 5 minutes; a
    container that ran for 10 minutes begins anew. `restarts` counts those before this attempt.
    """
    if not should_restart(policy, outcome.exit_code):
        return Finished(succeeded=outcome.exit_code == 0)
    if restarts == 0 or ran_seconds >= _RESET_SECONDS:
        return Start()
    delay = min(_FIRST_DELAY_SECONDS * 2 ** min(restarts - 1, 10), _LONGEST_DELAY_SECONDS)
    return Start(max(0.0, outcome.finished_at + delay - now))


def should_restart(policy: str, exit_code: int) -> bool:
    """Whether the pod's `restartPolicy` (Always, OnFailure, Never) wants another attempt."""
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)
