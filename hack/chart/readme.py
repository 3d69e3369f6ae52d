"""The chart's README, written by helm-docs."""

import subprocess
from pathlib import Path

from hack.charttools.tools import tool
from hack.cluster.errors import ClusterError
from hack.cluster.progress import Report


def write_readme(chart: Path, report: Report) -> None:
    """Writes README.md from README.md.gotmpl and the comments of values.yaml.

    Raises:
        ClusterError: the tool cannot be built, or refused the files.
    """
    flags = ["--chart-search-root", ".", "--sort-values-order", "file", "--log-level", "warning"]
    command = [str(tool("helm-docs", report)), *flags]
    answer = subprocess.run(command, cwd=chart, capture_output=True, text=True, check=False)
    said = (answer.stderr or answer.stdout).strip()
    if answer.returncode != 0 or said:  # it skips a chart that it cannot read, with a warning only
        raise ClusterError(f"helm-docs refused {chart / 'values.yaml'}: {said[-3000:]}")
