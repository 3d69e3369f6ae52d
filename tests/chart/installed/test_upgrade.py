"""Upgrading and going back, with runs under way."""

from pathlib import Path

import pytest

from tests.chart.installed.helm import CHART, Release
from tests.chart.installed.jobs import Jobs, now, went_on_undisturbed

pytestmark = [pytest.mark.chart, pytest.mark.cluster, pytest.mark.train, pytest.mark.timeout(1200)]


@pytest.fixture
def previous(release: Release, tmp_path: Path) -> Path:
    """The chart as an earlier version: other labels and another tag of the images."""
    version = ("--version=0.0.1", "--app-version=0.0.1")
    release.helm.run("package", str(CHART), "--destination", str(tmp_path), *version)
    (archive,) = tmp_path.glob("*.tgz")
    return archive


def test_runs_go_on_over_an_upgrade_and_a_rollback(
    release: Release, jobs: Jobs, previous: Path
) -> None:
    release.install(chart=previous)
    jobs.apply("one")
    pod = jobs.running_pod("one")
    before = release.names()

    release.upgrade()
    after = release.names()
    assert not before & after
    jobs.apply("two")  # the new controller leads
    jobs.running_pod("two")

    release.rollback(1)
    assert not after & release.names()
    for name in ("one", "two"):
        assert went_on_undisturbed(jobs.finish(name))
    assert jobs.pods("one") == [pod]


def test_the_endpoint_of_progress_is_the_same_after_an_upgrade(
    release: Release, jobs: Jobs, previous: Path
) -> None:
    """A pod knows its address and its authority from its start, and reports to whoever is there."""
    release.install("--set", "settings.progressInterval=1", chart=previous)
    jobs.apply("one")
    jobs.running_pod("one")
    release.upgrade("--reset-then-reuse-values")
    upgraded_at = now()
    jobs.release("one")
    reported = jobs.wait(
        "one",
        lambda status: (status.get("progress") or {}).get("updatedAt", "") > upgraded_at,
        "reporting to the new controller",
    )
    assert reported["attempt"] == 0
