"""`python -m hack.chart.package`: what a release attaches, in `dist/`.

The chart as `helm package` makes it, and all CRDs in one file, for those who install them apart
from the chart.
"""

import subprocess
import sys
from pathlib import Path

from hack.chart.__main__ import CHART, ROOT, found_problems
from hack.charttools.tools import tool
from hack.cluster.errors import ClusterError
from hack.cluster.progress import to_terminal
from hack.release import project_version


def main() -> int:
    """Makes the files and prints their names; 1 where the chart is not fit to be packaged."""
    problems = found_problems()
    for problem in problems:
        to_terminal(f"error: {problem}: run `make chart`.")
    if problems:
        return 1
    try:
        made = make_package(ROOT / "dist")
    except ClusterError as error:
        to_terminal(f"error: {error}")
        return 1
    for path in made:
        print(path.relative_to(ROOT))
    return 0


def make_package(folder: Path) -> list[Path]:
    """Returns the chart's archive and the bundle of the CRDs, both made in the folder.

    Raises:
        ClusterError: Helm cannot be had, or refuses the chart.
    """
    folder.mkdir(parents=True, exist_ok=True)
    version = project_version(ROOT)
    command = [str(tool("helm", to_terminal)), "package", str(CHART), "--destination", str(folder)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise ClusterError(f"helm package refused {CHART}: {answer.stderr.strip()}")
    bundle = folder / f"tenyson-crds-{version}.yaml"
    bundle.write_text(_crds(), encoding="utf-8")
    return [folder / f"tenyson-{version}.tgz", bundle]


def _crds() -> str:
    texts = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "crds").glob("*.yaml"))]
    return "---\n".join(text.removeprefix("---\n") for text in texts)


if __name__ == "__main__":
    sys.exit(main())
