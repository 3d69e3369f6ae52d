"""The README is what helm-docs would write now; the rest is seen without Helm, in tests/repo."""

import shutil
from pathlib import Path

import pytest

from hack.chart.readme import write_readme
from hack.cluster.errors import ClusterError
from hack.cluster.progress import silent
from tests.chart.rendering import CHART

pytestmark = pytest.mark.chart


def test_the_readme_is_current(tmp_path: Path) -> None:
    copy = shutil.copytree(CHART, tmp_path / "tenyson")
    write_readme(copy, silent)
    there = (CHART / "README.md").read_text(encoding="utf-8")
    assert (copy / "README.md").read_text(encoding="utf-8") == there, "run `make chart`"


def test_a_chart_that_helm_docs_would_skip_is_refused(tmp_path: Path) -> None:
    copy = shutil.copytree(CHART, tmp_path / "tenyson")
    (copy / "values.yaml").write_text("a: [\n", encoding="utf-8")
    with pytest.raises(ClusterError, match="helm-docs refused"):
        write_readme(copy, silent)
