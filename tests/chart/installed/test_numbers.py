"""How soon a waiting TenysonJob begins, and what an idle controller weighs."""

import os
import time
from collections.abc import Callable

import pytest

from tests.chart.installed.helm import Release
from tests.chart.installed.jobs import ROOT, Jobs

pytestmark = [pytest.mark.chart, pytest.mark.cluster, pytest.mark.timeout(1200)]

FIRST_CHILD_SECONDS = 30.0
"""On an idle machine; where three processes wait for each core, three times as long."""
RESIDENT_BYTES = 150e6
_QUIET_SECONDS = 15.0


def test_a_job_that_waits_begins_within_30_seconds_and_the_controller_stays_small(
    release: Release, jobs: Jobs, say: Callable[[str], None]
) -> None:
    """The job was applied first, as from Git; the images are on the node."""
    jobs.cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    jobs.apply("waiting")
    load = os.getloadavg()[0] / len(os.sched_getaffinity(0))
    began = time.monotonic()
    with release.installing("--set", "crds.enabled=false"):
        seconds = jobs.seconds_to_first_child("waiting", began)
    say(f"helm install to the first child Job: {seconds:.1f} s (load {load:.1f} a core)")

    jobs.cluster.kubectl("delete", "tj", "waiting", "-n", jobs.namespace)
    time.sleep(_QUIET_SECONDS)
    sizes = release.resident_bytes()
    say("controllers, resident: " + ", ".join(f"{size / 1e6:.0f} MB" for size in sizes))
    assert seconds < FIRST_CHILD_SECONDS * max(1.0, load)
    assert len(sizes) == 2
    assert max(sizes) < RESIDENT_BYTES
