"""A thousand TenysonJobs that went wrong: refused with a sentence or handled, and harmless."""

import functools
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tenyson.controller.nesting import cut_text
from tests.controller.api import Namespace, eventually
from tests.controller.faults.life import lives
from tests.controller.faults.mutants import specs, written

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("unharmed")]

MUTANTS = 1000
NAMES = [f"m{number}" for number in range(MUTANTS)]


def _thousand() -> list[str]:
    """Returns the same thousand specs every time, as JSON."""
    found: list[str] = []

    @seed(20260101)
    @settings(
        max_examples=MUTANTS, database=None, phases=[Phase.generate], deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(specs())
    def keep(spec: dict[str, Any]) -> None:
        found.append(written(spec, len(found)))

    keep()
    return found[:MUTANTS]


def _sent(ns: Namespace, name: str, spec: str) -> tuple[int, str]:
    """Sends a job, and returns the code and the text of the answer."""
    whole = json.dumps({**ns.manifest(name), "spec": "@spec"}).replace('"@spec"', spec)
    # Every second one as kubectl sends it; from the others unknown fields are silently cut away.
    how = "Strict" if NAMES.index(name) % 2 else "Ignore"
    status, answer = ns.api.raw("POST", f"{ns.jobs_path}?fieldValidation={how}", whole.encode())
    return status, "" if status < 400 else str(json.loads(answer)["message"])


def _unhandled(ns: Namespace) -> list[str]:
    """Returns the jobs without a word in their status."""
    status, answer = ns.api.raw("GET", ns.jobs_path)
    assert status == 200
    jobs = orjson.loads(cut_text(answer))["items"]
    return [job["metadata"]["name"] for job in jobs if not job.get("status", {}).get("conditions")]


def test_a_thousand_mutants_are_refused_or_handled_and_none_is_in_anothers_way(
    ns: Namespace,
) -> None:
    mutants = _thousand()
    assert len(mutants) == MUTANTS
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(functools.partial(_sent, ns), NAMES, mutants))
    codes = Counter(code for code, _ in answers)
    assert set(codes) <= {201, 400, 422}, codes
    # Neither all nor none: they must reach the API server's rules, and the controller.
    assert min(codes[201], codes[422]) > MUTANTS / 4, codes
    for name, (code, message) in zip(NAMES, answers, strict=True):
        assert code == 201 or _names_a_field(message), (name, message[:1000])
    eventually(lambda: not _unhandled(ns))
    lives(ns, "good")


def _names_a_field(message: str) -> bool:
    return "spec" in message or "unknown field" in message
