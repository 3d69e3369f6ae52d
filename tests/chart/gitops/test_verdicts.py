"""What Argo CD, kstatus and Flux make of every state that docs/operator.md shows.

The states are brought about on a real control plane; the verdicts are those of the tools' own code.
"""

from typing import Any, Final

import pytest
import yaml

from hack.gitops.embedded import DOCUMENT, ROOT, SCRIPT
from hack.gitops.verdicts import Verdict, judge
from hack.states import stories
from hack.states.__main__ import tell
from hack.states.document import blocks
from tests.repo.test_operator_doc import PHASES

pytestmark = [pytest.mark.chart, pytest.mark.timeout(1200)]

Verdicts = dict[str, dict[str, Verdict]]

GOES_ON: Final = {"argocd": "Progressing", "kstatus": "InProgress", "flux": "InProgress"}
NEEDS_A_PERSON: Final = {"argocd": "Degraded", "kstatus": "Failed", "flux": "Failed"}
SUSPENDED: Final = {"argocd": "Suspended", "kstatus": "Current", "flux": "InProgress"}
COMPLETE: Final = {"argocd": "Healthy", "kstatus": "Current", "flux": "Current"}
FAILED: Final = {"argocd": "Degraded", "kstatus": "Current", "flux": "Failed"}

EXPECTED: Final = {
    "running": GOES_ON, "dependency-not-found": GOES_ON, "waiting-for-dependency": GOES_ON,
    "backing-off": GOES_ON, "child-refused": GOES_ON, "queued": GOES_ON, "admitted": GOES_ON,
    "image-not-pulled": GOES_ON, "unschedulable": GOES_ON, "quota": GOES_ON,
    "pod-security": GOES_ON, "running-partly": GOES_ON, "suspending": GOES_ON,
    "stopping": GOES_ON, "budget-spent": GOES_ON, "hanging": GOES_ON, "pod-leaving": GOES_ON,
    "pod-lost": GOES_ON, "resumed": GOES_ON, "preempted": GOES_ON, "hang-retried": GOES_ON,
    "pinned": GOES_ON,
    "invalid-config-map": NEEDS_A_PERSON, "invalid-config": NEEDS_A_PERSON,
    "dependency-cycle": NEEDS_A_PERSON, "backend-not-supported": NEEDS_A_PERSON,
    "secret-not-found": NEEDS_A_PERSON, "runtime-not-found": NEEDS_A_PERSON,
    "adapter-unavailable": NEEDS_A_PERSON, "name-taken": NEEDS_A_PERSON,
    "suspended": SUSPENDED,
    "succeeded": COMPLETE, "budget-reached": COMPLETE, "expired": COMPLETE,
    "config-refused": FAILED, "task-refused": FAILED, "diverged": FAILED,
    "retries-exhausted": FAILED, "deadline-exceeded": FAILED,
    "pending-deadline-exceeded": FAILED, "dependency-failed": FAILED, "stopped": FAILED,
}  # fmt: skip
STATES: Final = sorted(blocks(DOCUMENT.read_text(encoding="utf-8")))


def expressions() -> dict[str, str]:
    """Returns the healthCheckExprs of the example."""
    example = (ROOT / "examples/gitops/flux/jobs.yaml").read_text(encoding="utf-8")
    (kustomization,) = (
        body for body in yaml.safe_load_all(example) if body["kind"] == "Kustomization"
    )
    (found,) = kustomization["spec"]["healthCheckExprs"]
    return {name: found[name] for name in ("inProgress", "failed", "current") if name in found}


def judged(objects: dict[str, dict[str, Any]]) -> Verdicts:
    return judge(objects, SCRIPT.read_text(encoding="utf-8"), expressions())


@pytest.fixture(scope="module")
def objects() -> dict[str, dict[str, Any]]:
    """The TenysonJob of each state, as the API server had it."""
    shown, problems = tell(list(stories.ALL))
    if problems:  # Eight at once were too many for a busy machine; the states are what counts here.
        again, problems = tell([problem.partition(":")[0] for problem in problems])
        shown |= again
    assert not problems
    return {name: printed.manifest for name, printed in shown.items()}


@pytest.fixture(scope="module")
def verdicts(objects: dict[str, dict[str, Any]]) -> Verdicts:
    return judged(objects)


@pytest.mark.parametrize("state", STATES)
def test_every_state_is_judged_as_it_should_be(verdicts: Verdicts, state: str) -> None:
    said = {tool: verdict.status for tool, verdict in verdicts[state].items()}
    assert said == EXPECTED[state]


def test_argo_cd_shows_the_sentence_that_tells_what_to_do(
    objects: dict[str, dict[str, Any]], verdicts: Verdicts
) -> None:
    for state, verdict in verdicts.items():
        told = [c["message"] for c in objects[state]["status"]["conditions"]]
        assert verdict["argocd"].message in told


def test_the_states_are_of_every_phase(objects: dict[str, dict[str, Any]]) -> None:
    assert {body["status"]["phase"] for body in objects.values()} == set(PHASES)


@pytest.mark.parametrize("phase", PHASES)
def test_a_job_of_any_phase_that_was_just_edited_is_judged_anew(
    objects: dict[str, dict[str, Any]], phase: str
) -> None:
    body = next(body for body in objects.values() if body["status"]["phase"] == phase)
    meta = {**body["metadata"], "generation": body["metadata"]["generation"] + 1}
    (verdict,) = judged({"edited": {**body, "metadata": meta}}).values()
    assert {tool: said.status for tool, said in verdict.items()} == GOES_ON


def test_a_job_that_no_controller_has_seen_is_not_taken_for_one_that_is_done(
    cluster: Any, ns: Any
) -> None:
    unseen = ns.create("j")
    (verdict,) = judged({"unseen": unseen}).values()
    assert {tool: said.status for tool, said in verdict.items()} == GOES_ON
