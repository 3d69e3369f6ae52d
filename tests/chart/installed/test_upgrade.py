"""Upgrading and going back, with runs under way."""

from pathlib import Path

import pytest

from tests.chart.installed.helm import CHART, Release
from tests.chart.installed.jobs import Jobs, went_on_undisturbed

pytestmark = [pytest.mark.chart, pytest.mark.cluster, pytest.mark.train, pytest.mark.timeout(600)]


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
