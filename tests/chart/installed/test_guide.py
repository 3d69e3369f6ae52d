"""docs/install.md, run as it stands: from `helm install` to a finished run and to nothing."""

import time
from collections.abc import Callable

import pytest

from tests.chart.installed import guide
from tests.chart.installed.helm import CRDS, Release
from tests.chart.installed.jobs import volume

pytestmark = [pytest.mark.chart, pytest.mark.cluster, pytest.mark.train, pytest.mark.timeout(1200)]


def test_every_command_of_the_page_belongs_to_a_test() -> None:
    assert guide.blocks(None) == []


def test_the_page_leads_from_install_to_a_finished_run_and_to_nothing(
    system: Release, say: Callable[[str], None]
) -> None:
    helm = system.helm
    volume(helm.cluster, "default")
    install, chart_test, first_run, rights, upgrade, remove, purge = guide.blocks("guide")

    began = time.monotonic()
    guide.run(install, helm)
    say(f"helm install --wait: {time.monotonic() - began:.0f} s")
    assert system.leader()
    assert len(system.pods()) == 2

    began = time.monotonic()
    assert "Succeeded" in guide.run(chart_test, helm)
    say(f"helm test: {time.monotonic() - began:.0f} s")
    shown = guide.run(first_run, helm)
    assert "condition met" in shown
    assert "eval_loss" in shown

    may = guide.run(rights, helm)
    assert "tenysonjobs.tenyson.dev" in may
    assert "nodes" not in may

    assert "superseded" in guide.run(upgrade, helm)
    guide.run(remove, helm)
    assert "my-first-run" in helm.cluster.kubectl("get", "tj")
    guide.run(purge, helm)
    left = helm.cluster.kubectl("get", "crd", "-o", "name")
    assert not [crd for crd in CRDS if crd in left]
