"""docs/operator.md says what the code says; what kubectl prints is compared by `hack.states`."""

import json
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.states.document import DOCUMENT, blocks, filled, misfits, with_tables
from hack.states.printed import Printed, comparable
from hack.states.tables import tables
from tenyson.contract import ExitCode
from tenyson.controller.outcome import BY_EXIT_CODE
from tenyson.controller.plan import plan
from tenyson.controller.reasons import Reason
from tenyson.controller.resource.status import TenysonJobStatus
from tests.controller.builders import NOW, make_child, make_job, make_pod, observe

ROOT = Path(__file__).parents[2]
TEXT = DOCUMENT.read_text(encoding="utf-8")
CONTROLLER = ROOT / "operator/tenyson/controller"
PHASES = (
    "Pending", "Queued", "Starting", "Running", "Stopping", "Suspended", "Succeeded", "Failed",
    "Stopped",
)  # fmt: skip


def fences(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_tables_are_those_of_the_code() -> None:
    assert with_tables(TEXT, tables()) == TEXT, "run `make operator-doc`"
    assert set(re.findall(r"<!-- table: (\w+) -->", TEXT)) == set(tables())


def test_every_phase_has_a_section_and_a_row() -> None:
    described = TenysonJobStatus.model_fields["phase"].description or ""
    assert set(PHASES) <= set(re.findall(r"\w+", described))
    for phase in PHASES:
        assert f"\n## {phase}\n" in TEXT
        assert f"\n| {phase} | " in TEXT


def test_every_state_that_a_story_shows_has_a_block_and_none_is_empty() -> None:
    sources = (path.read_text() for path in (ROOT / "hack/states").glob("*.py"))
    shown = {name for text in sources for name in re.findall(r'stage\.show\(\s*"([\w-]+)"', text)}
    assert set(blocks(TEXT)) == shown
    assert all(text.startswith("$ kubectl get tj ") for text in blocks(TEXT).values())


def test_every_exit_code_says_what_it_counts_against() -> None:
    for code, kind in BY_EXIT_CODE.items():
        row = rf"\| {code}\b[^|]*\| {kind.attempt_class} \| `{kind.reason.word}` \| (.*) \|"
        found = re.search(row, TEXT)
        assert found, f"exit code {code}"
        if not kind.retried:
            assert found[1] == ("–" if kind.attempt_class == "Completed" else "never retried")
        else:
            infra = kind.attempt_class in ("Infra", "Preempted")
            assert ("maxInfraRetries" if infra else "maxRetries") in found[1]
    assert set(ExitCode) <= set(BY_EXIT_CODE)


def test_every_metric_is_named_and_no_other() -> None:
    sources = (CONTROLLER / name for name in ("metrics.py", "snapshot.py"))
    made = {name for path in sources for name in re.findall(r'"(tenyson_\w+)"', path.read_text())}
    said = set(re.findall(r"^\| `(tenyson_\w+)`", TEXT, re.MULTILINE))
    # The client adds these endings itself.
    assert {name.removesuffix("_total").removesuffix("_info") for name in said} == made
    rules = yaml.safe_load(next(text for text in fences("yaml") if "PrometheusRule" in text))
    asked = {
        name
        for group in rules["spec"]["groups"]
        for rule in group["rules"]
        for name in re.findall(r"tenyson_\w+", rule["expr"])
    }
    assert asked <= said


def test_every_snippet_can_be_read() -> None:
    for text in fences("yaml"):
        assert yaml.safe_load(text)["kind"] in ("Kustomization", "PrometheusRule")
    assert len(fences("yaml")) == 2


def test_every_link_leads_to_a_heading() -> None:
    headings = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for anchor in re.findall(r"\]\(#([^)]+)\)", TEXT):
        assert anchor in anchors


def test_every_reason_that_the_text_names_exists() -> None:
    words = {reason.word for reason in Reason}
    for word in re.findall(r"reason `(\w+)`", TEXT):
        assert word in words


# What kubectl prints


DESCRIBED = """Name: j
Status:
  Conditions:
    Last Transition Time:  2026-01-01T00:00:00Z
    Message:               Attempt 0 runs.
    Observed Generation:   1
    Reason:                Running
    Status:                True
    Type:                  Running
  Phase:  Running
Events:
  Type    Reason    Age   From     Message
  ----    ------    ----  ----     -------
  Normal  Starting  5s    tenyson  Job j-a0-x7k2p was made.
  Normal  Running   3s    tenyson  Attempt 0 runs.
"""


def printed(described: str = DESCRIBED) -> str:
    rows = "NAME   PHASE     AGE\nj      Running   5s\n"
    return Printed(rows, described, ("j",), ("Running",), "research-x").block()


def test_a_block_holds_the_chosen_parts_only() -> None:
    assert printed().splitlines()[3:] == [
        "$ kubectl describe tj j",
        "Status:",
        "  Conditions:",
        "    Message:               Attempt 0 runs.",
        "    Reason:                Running",
        "    Status:                True",
        "    Type:                  Running",
        "  ...",
        "Events:",
        "  Type    Reason    Age   From     Message",
        "  Normal  Starting  5s    tenyson  Job j-a0-x7k2p was made.",
        "  Normal  Running   3s    tenyson  Attempt 0 runs.",
    ]


def test_ages_names_and_the_order_of_events_do_not_count_but_words_do() -> None:
    lines = DESCRIBED.replace("x7k2p", "abcde").replace("5s ", "61s").splitlines()
    swapped = "\n".join([*lines[:-2], lines[-1], lines[-2]])
    assert comparable(printed(swapped)) == comparable(printed())
    assert comparable(printed(DESCRIBED.replace("runs.", "ran."))) != comparable(printed())


def test_a_block_that_still_fits_is_left_alone_and_another_is_told_and_filled() -> None:
    page = f"<!-- state: a -->\n```console\n{printed()}\n```\n"
    older = printed(DESCRIBED.replace("5s ", "9s "))
    newer = printed(DESCRIBED.replace("runs.", "ran."))
    assert filled(page, {"a": older}) == page
    assert misfits(page, {"a": older}) == []
    assert blocks(filled(page, {"a": newer}))["a"].strip() == newer
    assert len(misfits(page, {"a": newer})) == 1
    assert "no block" in misfits(page, {"a": older, "b": older})[0]
    assert "nothing brings" in misfits(page, {})[0]


# Argo CD's script


def lua(value: Any) -> str:
    """Returns a JSON value as Lua writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"[{json.dumps(k)}] = {lua(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ", ".join(map(lua, value)) + "}"
    return json.dumps(value)


def health(status: dict[str, Any], generation: int = 1) -> list[str]:
    """Returns what the document's script says of a job."""
    body = {"metadata": {"generation": generation}, "status": status}
    (script,) = fences("lua")
    program = f"local obj = {lua(body)}\nlocal function check()\n{script}\nend\n"
    program += "local found = check()\nprint(found.status)\nprint(found.message)\n"
    done = subprocess.run(["lua", "-"], input=program, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def status_of(*things: Any, **spec: Any) -> dict[str, Any]:
    done = plan(observe(make_job(**spec), *things), NOW + timedelta(seconds=60))
    assert done.status is not None
    return done.status


def ended(code: int) -> dict[str, Any]:
    return status_of(make_child(ended="Failed" if code else "Complete"), make_pod(code=code))


@pytest.mark.skipif(shutil.which("lua") is None, reason="lua is not installed")
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (status_of(make_child(), make_pod()), ["Progressing", "Attempt 0 runs."]),
        (status_of(suspend=True), ["Suspended", Reason.SUSPENDED.sentence]),
        (status_of(backend="Modal"), ["Degraded", Reason.BACKEND_NOT_SUPPORTED.sentence]),
        (ended(0), ["Healthy", Reason.SUCCEEDED.sentence]),
        (ended(64), ["Degraded", f"{Reason.CONFIG_REFUSED.sentence} Exit code 64."]),
        ({}, ["Progressing", "The controller has not seen this version yet."]),
    ],
)
def test_argo_cd_tells_the_states_apart(status: dict[str, Any], said: list[str]) -> None:
    assert health(status) == said


@pytest.mark.skipif(shutil.which("lua") is None, reason="lua is not installed")
def test_argo_cd_waits_for_an_edit_to_be_seen() -> None:
    assert health(ended(0), generation=2)[0] == "Progressing"
