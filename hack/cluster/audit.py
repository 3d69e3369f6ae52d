"""The apiserver's audit log: every write that is not Kubernetes' own, exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson

from hack.cluster.files import write_json

_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {"level": "None", "users": ["system:kube-controller-manager", "system:kube-scheduler"]},
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system", "system:nodes"]},
        {"level": "None", "users": ["system:apiserver"]},
        {"level": "Metadata"},
    ],
}


@dataclass(frozen=True, slots=True)
class Write:
    """One request that was to change something, whether it did or not."""

    agent: str
    """The client's User-Agent."""
    verb: str
    """create, update, patch, delete or deletecollection."""
    resource: str
    """Plural, with the subresource: `jobs`, `tenysonjobs/status`."""
    namespace: str
    name: str
    code: int
    """HTTP status of the answer; 0 where none was sent."""
    received_at: float
    """When the apiserver had the request, in seconds since 1970."""
    answered_at: float
    """When it had sent the answer."""


class AuditLog:
    """The log of one state folder; it grows, so a reader remembers where it began."""

    def __init__(self, state_dir: Path) -> None:
        self._policy = state_dir / "audit-policy.json"
        self.path = state_dir / "logs" / "audit.jsonl"

    def apiserver_flags(self) -> list[str]:
        """Flags of the apiserver that make it write the log; they need the policy's file."""
        write_json(self._policy, _POLICY)
        return [
            f"--audit-policy-file={self._policy}",
            f"--audit-log-path={self.path}",
            "--audit-log-maxsize=1000",  # MB; never rotated, so that an offset stays good
        ]

    def end(self) -> int:
        """Where the log ends now: an offset for `writes`."""
        return self.path.stat().st_size if self.path.exists() else 0

    def writes(self, since: int = 0) -> Iterator[Write]:
        """The writes that were answered after the offset, in the order of their answers."""
        if not self.path.exists():
            return
        with self.path.open("rb") as log:
            log.seek(since)
            for line in log:
                if line.endswith(b"\n"):  # the last one may be half written
                    yield _write(orjson.loads(line))


def _write(event: dict[str, object]) -> Write:
    target, answer = event.get("objectRef"), event.get("responseStatus")
    at = target if isinstance(target, dict) else {}
    parts = [at.get("resource", ""), at.get("subresource")]
    return Write(
        agent=str(event.get("userAgent", "")),
        verb=str(event["verb"]),
        resource="/".join(part for part in parts if part),
        namespace=at.get("namespace", ""),
        name=at.get("name", ""),
        code=answer.get("code", 0) if isinstance(answer, dict) else 0,
        received_at=_seconds(event["requestReceivedTimestamp"]),
        answered_at=_seconds(event["stageTimestamp"]),
    )


def _seconds(time: object) -> float:
    return datetime.fromisoformat(str(time)).timestamp()
