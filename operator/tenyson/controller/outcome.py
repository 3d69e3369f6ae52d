"""How an attempt ended, told from what its child and its pods left behind.

The pod's exit code and termination message are the best witness; where the pod is gone, the
child's own condition still names the exit code, because its podFailurePolicy makes it say so.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel

from tenyson.contract import ExitCode
from tenyson.controller.observed import Attempt, Child, Pod
from tenyson.controller.reasons import Reason
from tenyson.controller.resource.status import Cost, FailureStatus, ResultStatus
from tenyson.controller.times import seconds_between
from tenyson.controller.wording import harmless, last_lines, one_line, sentences


@dataclass(frozen=True, slots=True)
class Kind:
    """What an ending means for retries."""

    attempt_class: str
    """Completed, App, OOM, Hang, Infra, Preempted, Suspended or Stopped."""
    reason: Reason
    retried: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """An attempt that has ended."""

    number: int
    kind: Kind
    detail: str
    """What the runner or the kubelet said, in a line or two."""
    exit_code: int | None = None
    node: str = ""
    started_at: str = ""
    ended_at: str = ""
    result: dict[str, Any] | None = None
    """The JobResult in camelCase; None when the runner left none."""

    @property
    def running_seconds(self) -> float | None:
        """How long the container ran, by its node's clock; None when that is not known."""
        return seconds_between(self.started_at, self.ended_at)

    @property
    def message(self) -> str:
        """A sentence, and what was said."""
        return f"{self.kind.reason.sentence} {self.detail}".strip()


COMPLETED: Final = Kind("Completed", Reason.SUCCEEDED, retried=False)
_DISRUPTED: Final = Kind("Preempted", Reason.DISRUPTED)
_DELETED: Final = Kind("Infra", Reason.POD_DELETED)
_OOM: Final = Kind("OOM", Reason.OUT_OF_MEMORY)

BY_EXIT_CODE: Final[dict[int, Kind]] = {
    ExitCode.DONE: COMPLETED,
    ExitCode.BUDGET: Kind("Completed", Reason.BUDGET_REACHED, retried=False),
    ExitCode.CONFIG: Kind("App", Reason.CONFIG_REFUSED, retried=False),
    ExitCode.TASK: Kind("App", Reason.TASK_REFUSED, retried=False),
    ExitCode.DEPENDENCY: Kind("Infra", Reason.DEPENDENCY_UNAVAILABLE),
    ExitCode.INTERNAL: Kind("App", Reason.INTERNAL_ERROR),
    ExitCode.OUT_OF_MEMORY: _OOM,
    ExitCode.DIVERGED: Kind("App", Reason.DIVERGED, retried=False),
    ExitCode.STOPPED: Kind("Preempted", Reason.STOPPED),
    ExitCode.CREDENTIALS: Kind("App", Reason.CREDENTIALS_REFUSED, retried=False),
    # A SIGKILL that was not for memory comes from outside the run (a node going down, a person, a
    # grace period that ran out), so it does not use up the run's own retries. The same for SIGTERM.
    137: Kind("Infra", Reason.KILLED),
    143: Kind("Infra", Reason.TERMINATED),
}
_FINAL: Final = frozenset(code for code, kind in BY_EXIT_CODE.items() if not kind.retried)
_NOTHING: Final[tuple[Any, ...]] = (None, "", [], {})
_CODE_IN_MESSAGE: Final = re.compile(r"failed with exit code (\d+)")


def outcome_of(attempt: Attempt) -> Outcome:
    """Returns how the attempt ended; to be asked once its child and its pods are done."""
    number, child = attempt.number, attempt.child
    witness = _witness(attempt)
    if witness is None or (witness.exit_code is None and not witness.reason):
        return _without_pod(number, child, witness)
    result = read_result(witness.message)
    return Outcome(
        number=number,
        kind=_kind(witness),
        detail=_detail(witness, result, several=any(pod.index for pod in attempt.pods)),
        exit_code=witness.exit_code,
        node=witness.node,
        started_at=witness.started_at,
        ended_at=witness.ended_at or (child.ended_at if child else ""),
        result=result,
    )


def _witness(attempt: Attempt) -> Pod | None:
    """Returns the pod that tells best how the attempt ended; None when none can."""
    pods = attempt.pods
    if attempt.child is not None and attempt.child.ended_as == "Complete":
        # The Job controller has seen every pod succeed. A pod that failed is one of before: a
        # queue took it back, and the run went on.
        pods = tuple(pod for pod in pods if pod.exit_code == 0)
    return max(pods, key=_weight, default=None)


def _weight(pod: Pod) -> tuple[bool, int, int, int]:
    """Ranks pods: what ended first drags the others down, so causes come before effects."""
    known = pod.exit_code is not None or bool(pod.reason)
    return known, _severity(pod), -pod.index, pod.resource_version


def _severity(pod: Pod) -> int:
    """Ranks endings: done, a refusal, the cluster's doing, the run's own failure, a stop.

    Rank 0 is done when all is saved: what becomes of the others then takes nothing back. When one
    of several pods goes away, the others fail for want of it, so the cluster's doing is asked
    before the run's failures.
    """
    kind = _kind(pod)
    if kind.attempt_class == "Completed":
        return 7 if pod.index == 0 else 0
    if pod.exit_code in _FINAL:
        return 6
    if pod.reason == "Evicted" or pod.disruption:
        return 5
    return {"OOM": 4, "App": 3, "Infra": 2, "Preempted": 1}[kind.attempt_class]


def _kind(pod: Pod) -> Kind:
    """Decides in this order: an ending that no retry would change, then the cluster's doing."""
    code = pod.exit_code
    if code in _FINAL:
        return BY_EXIT_CODE[code]
    if pod.reason == "OOMKilled":
        return _OOM
    if pod.reason == "Evicted":
        return Kind("Infra", Reason.EVICTED)
    if pod.disruption:
        return _DISRUPTED
    if code is None:
        return Kind("Infra", Reason.POD_FAILED)
    return BY_EXIT_CODE.get(code, Kind("App", Reason.CRASHED))


def _without_pod(number: int, child: Child | None, pod: Pod | None) -> Outcome:
    node, ended_at = (pod.node if pod else ""), (child.ended_at if child else "")
    if child is None or not child.ended_as:
        return Outcome(number, _DELETED, "", node=node, ended_at=ended_at)
    if child.ended_as == "Complete":
        return Outcome(number, COMPLETED, "", exit_code=0, node=node, ended_at=ended_at)
    if found := _CODE_IN_MESSAGE.search(child.message):
        code = int(found[1])
        kind = BY_EXIT_CODE.get(code, Kind("App", Reason.CRASHED))
        return Outcome(number, kind, child.message, code, node, "", ended_at)
    kind = _DISRUPTED if "DisruptionTarget" in child.message else _DELETED
    return Outcome(number, kind, child.message, node=node, ended_at=ended_at)


def _detail(pod: Pod, result: dict[str, Any] | None, *, several: bool) -> str:
    if result and (failure := result.get("failure")):
        text = f"{failure['type']}: {sentences(failure['message'], failure.get('hint'))}"
    elif result:
        text = ""
    else:
        text = last_lines(pod.message, 600)
    if pod.disruption:
        text = f"{pod.disruption}. {text}"
    if several:
        text = f"Pod {pod.name}: {text}" if text else f"Pod {pod.name}."
    code = "" if pod.exit_code in (None, 0) else f"Exit code {pod.exit_code}. "
    return one_line(f"{code}{text}", 1500)


def read_result(message: str) -> dict[str, Any] | None:
    """Returns the JobResult in a termination message in camelCase; None when there is none.

    Fields that the CRD would refuse are left out, so that no runner can block its own status.
    """
    try:
        values = harmless(json.loads(message))
    except (ValueError, RecursionError):  # thousands of brackets fit into a message
        return None
    if not isinstance(values, dict) or "run_id" not in values or "status" not in values:
        return None
    known = set(ResultStatus.model_fields)
    values["metrics"] = _finite(values.get("metrics"))
    for name, model in (("failure", FailureStatus), ("cost", Cost)):
        if isinstance(part := values.get(name), dict):
            values[name] = _known(part, model)
    camel = {to_camel(k): v for k, v in values.items() if k in known and v not in _NOTHING}
    return _fitting(camel)


def _known(part: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Returns what of a result's part the resource has fields for; a newer runner may say more."""
    return {
        to_camel(name): part[name]
        for name, field in model.model_fields.items()
        if name in part and (field.is_required() or part[name] not in _NOTHING)
    }


def _finite(metrics: Any) -> dict[str, float]:
    if not isinstance(metrics, dict):
        return {}
    return {
        str(name): value
        for name, value in list(metrics.items())[:256]
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _fitting(camel: dict[str, Any]) -> dict[str, Any] | None:
    try:
        return ResultStatus.model_validate(camel).model_dump(
            by_alias=True, exclude_none=True, mode="json"
        )
    except ValidationError as error:
        wrong = {str(item["loc"][0]) for item in error.errors()}
    if wrong & {"runId", "status"}:
        return None
    return _fitting({name: value for name, value in camel.items() if name not in wrong})
