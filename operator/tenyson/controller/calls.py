"""The kinds of calls to the API server: how often one is tried, how long it may take, its name."""

from dataclasses import dataclass
from typing import Final

RETRY_AFTER_MOST_SECONDS: Final = 30.0
"""What is honoured of a Retry-After at most."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How one kind of request is made."""

    tries: int
    """What still fails then goes back to the queue, which never gives up."""
    seconds: float
    """Time that one try may take."""
    patience: float
    """Longest wait between two tries; if more is asked for, the caller shall wait."""
    fenced: bool = False
    """Whether only the leader may make it."""
    limited: bool = True
    """Whether the client-side rate limit holds for it."""


READ: Final = Policy(tries=4, seconds=60.0, patience=RETRY_AFTER_MOST_SECONDS)
WRITE: Final = Policy(tries=3, seconds=5.0, patience=1.0, fenced=True)
"""Its 5 s are the least that a lease outlives its renewal by: a write that was let out in time
has ended before another replica can lead."""
EVENT: Final = Policy(tries=2, seconds=10.0, patience=1.0)
ELECTION: Final = Policy(tries=1, seconds=5.0, patience=0.0, limited=False)
"""A flood of other requests must not cost the lease, so they do not stand in one line."""


_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


def verb_and_resource(method: str, path: str) -> tuple[str, str]:
    """Returns the verb and the resource of a request in RBAC's words, for metrics and messages.

    Names and namespaces are left out, so that there are few.
    """
    parts = path.partition("?")[0].split("/")
    # /api/v1/… or /apis/<group>/<version>/…
    rest = parts[3:] if parts[1] == "api" else parts[4:] if parts[1] == "apis" else []
    if not rest:
        return _VERBS.get(method, "get"), "other"
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    resource = f"{rest[0]}/{rest[2]}" if len(rest) > 2 else rest[0]
    named = len(rest) > 1 and rest[1] != ""
    return _VERBS.get(method, "get" if named else "list"), resource
