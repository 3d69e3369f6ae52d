"""Watches a simulation for what must never happen, at every write.

What holds with two leaders. A status is written only over the one that was read, so of two leaders
one writes, and attempts are recorded once each, in order. A create is checked by its name alone. As
long as the child of an attempt is there, whoever makes it again finds it and takes it up: there is
one. Where it was deleted (a suspension, a hang, a lost pod, a person's hand), a leader that comes
late may make it once more, though its attempt is recorded or the run is over. Such a stray may live
beside the current attempt for a moment. It is never recorded, its result is never taken, the first
leader that hears of it deletes it, and its number, older than the newest, keeps it off the files of
the attempts after it. Strays apart, no two attempts of a run are ever live.
"""

import json
from typing import Any

from tenyson.controller import names
from tenyson.controller.resource.status import TenysonJobStatus
from tenyson.controller.status_size import MAX_BYTES
from tests.controller.simulation.api_server import ApiServer, Body
from tests.controller.simulation.machinery import ENDED

_INDEX = names.ANNOTATION_INDEX
_BUDGET = {"App": "app", "OOM": "app", "Hang": "app", "Infra": "infra", "Preempted": "infra"}

_NOBODYS = ("Suspending", "Stopping", "BudgetSpent", "ActiveTooLong", "PendingTooLong")
"""Endings by the controller that use no retry."""


class Witness:
    """What it has seen so far, and what it holds against that."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._read = {"job": 0, "child": 0, "pod": 0}
        self._last: dict[str, Body] = {}
        self.recorded: dict[str, list[Body]] = {}
        """Every attempt that a job's status ever recorded, by the job's name."""
        self.strays: set[str] = set()
        """Uids of children that were made of an attempt that was over, or of a run that was."""
        self.made: list[str] = []
        """Names of children, in the order of their making."""
        self._known: set[str] = set()
        self._succeeded: dict[str, int] = {}
        """The pod that did it all, by its child's uid."""
        self._results: dict[str, int] = {}
        """The pod whose result is to be its job's, by the job's name."""
        self.by_hand: set[str] = set()
        """Uids of children that a person deleted: their results may be lost."""

    def look(self) -> None:
        """Judges what happened since the last look.

        Raises:
            AssertionError: It must not have.
        """
        log = self._server.log
        news = [
            (int(body["metadata"]["resourceVersion"]), kind, verb, body)
            for kind in self._read
            for verb, body in log[kind][self._read[kind] :]
        ]
        for _, kind, verb, body in sorted(news, key=lambda entry: entry[0]):
            if verb == "put":
                see = {"job": self._see_job, "child": self._see_child, "pod": self._see_pod}
                see[kind](body)
        self._read = {kind: len(log[kind]) for kind in self._read}
        self._see_who_lives()

    # Statuses

    def _see_job(self, body: Body) -> None:
        name, status = body["metadata"]["name"], body.get("status")
        before = self._last.get(name, {})
        if not status or status == before:
            return
        TenysonJobStatus.model_validate(status)
        assert len(json.dumps(status)) <= MAX_BYTES
        _see_conditions(status)
        if ended(before):
            seen = {**before, "observedGeneration": status["observedGeneration"]}
            assert status == seen, f"{name} was over and more than an edit's sight is written"
        self._see_attempts(name, before, status)
        limits = body["spec"].get("retry", {})
        used = status.get("retries", {"app": 0, "infra": 0})
        assert used["app"] <= limits.get("maxRetries", 2)
        assert used["infra"] <= limits.get("maxInfraRetries", 10)
        self._last[name] = status

    def _see_attempts(self, name: str, before: Body, status: Body) -> None:
        old, new = before.get("attempts", []), status.get("attempts", [])
        recorded = self.recorded.setdefault(name, [])
        if new == old:
            return
        assert new[:-1] == old[-9:], "only the newest attempt is added, and none is rewritten"
        assert new[-1]["number"] == len(recorded), "attempts are numbered without a gap"
        recorded.append(new[-1])
        counted = {"app": 0, "infra": 0}
        for entry in recorded:
            if entry["class"] in _BUDGET:
                counted[_BUDGET[entry["class"]]] += 1
        used = status["retries"]
        ending = (before.get("child", {}).get("ending") or {}).get("reason")
        if ending in _NOBODYS:
            assert used == before["retries"], f"{ending} is no failure"
        assert sum(counted.values()) - sum(used.values()) in (0, 1), "retries are what was retried"
        assert sum(counted.values()) == sum(used.values()) or ended(status)

    # Children

    def _see_child(self, body: Body) -> None:
        meta, name = body["metadata"], body["metadata"]["labels"][names.LABEL_JOB]
        number = int(meta["labels"][names.LABEL_ATTEMPT])
        if not body["status"] and meta["uid"] not in self._known:
            self._known.add(meta["uid"])
            self.made.append(meta["name"])
            status = self._last.get(name, {})
            if number < len(self.recorded.get(name, ())) or ended(status):
                self.strays.add(meta["uid"])
        if meta["uid"] in self.strays or meta["uid"] in self.by_hand:
            return
        conditions = (body["status"] or {}).get("conditions") or ()
        if any(condition["type"] == "Complete" for condition in conditions):
            self._results[name] = self._succeeded[meta["uid"]]

    def _see_pod(self, body: Body) -> None:
        meta = body["metadata"]
        if body["status"]["phase"] == "Succeeded" and meta["annotations"][_INDEX] == "0":
            self._succeeded[meta["ownerReferences"][0]["uid"]] = int(meta["uid"].split("-")[1])

    def _see_who_lives(self) -> None:
        live: dict[str, set[str]] = {}
        children = self._server.objects["child"]
        for pod in self._server.objects["pod"].values():
            owner = pod["metadata"]["ownerReferences"][0]["uid"]
            if pod["status"]["phase"] not in ENDED and owner not in self.strays:
                _note(live, pod)
        for child in children.values():
            leaving = "deletionTimestamp" in child["metadata"]
            ended_ = (child["status"] or {}).get("conditions")
            if not leaving and not ended_ and child["metadata"]["uid"] not in self.strays:
                _note(live, child)
        for name, attempts in live.items():
            assert len(attempts) == 1, f"attempts {attempts} of {name} live at the same time"

    # The end

    def see_end(self) -> None:
        """Judges what is there once everything stands still.

        Raises:
            AssertionError: It must not be so.
        """
        for name, job in self._server.objects["job"].items():
            status = job.get("status", {})
            if (pod := self._results.get(name)) is not None:
                assert ended(status) == "Complete", f"{name} did it all, and is {status['phase']}"
                assert status["result"]["metrics"] == {"pod": pod}, "another's result"

    def see_strays_leave(self) -> None:
        """Judges whether a controller that knows all has deleted what should not be.

        Raises:
            AssertionError: An attempt goes on that is over.
        """
        jobs = self._server.objects["job"].values()
        staying = {j["metadata"]["uid"] for j in jobs if "deletionTimestamp" not in j["metadata"]}
        for child in self._server.objects["child"].values():
            owned = child["metadata"]["ownerReferences"][0]["uid"] in staying
            if owned and child["metadata"]["uid"] in self.strays:
                ended_ = (child["status"] or {}).get("conditions")
                leaves = "deletionTimestamp" in child["metadata"]
                assert ended_ or leaves, f"stray {child['metadata']['name']} goes on"


def ended(status: Body) -> str:
    """Returns Complete or Failed, or an empty string."""
    for condition in status.get("conditions", ()):
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return str(condition["type"])
    return ""


def _see_conditions(status: Body) -> None:
    holds: dict[str, Any] = {c["type"]: c["status"] == "True" for c in status["conditions"]}
    assert not (holds.get("Complete") and holds.get("Failed"))
    assert not (holds.get("Stalled") and holds.get("Reconciling"))
    assert not (holds.get("Suspended") and holds.get("Running"))
    over = holds.get("Complete") or holds.get("Failed")
    if over:
        assert not {kind for kind in ("Running", "Reconciling", "Stalled") if holds.get(kind)}
        assert status["completionTime"]
        assert status["phase"] in ("Succeeded", "Failed", "Stopped")
    else:
        going = holds.get("Reconciling") or holds.get("Stalled") or holds.get("Suspended")
        assert going, "nobody is told what happens next"
        assert "completionTime" not in status


def _note(live: dict[str, set[str]], body: Body) -> None:
    labels = body["metadata"]["labels"]
    live.setdefault(labels[names.LABEL_JOB], set()).add(labels[names.LABEL_ATTEMPT])
