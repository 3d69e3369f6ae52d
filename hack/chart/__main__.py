"""`python -m hack.chart [--check]`: writes what is generated in the chart.

Its version, the copies of the CRDs, the schema of the values and the README. With `--check` it
writes nothing and needs no tools: it compares the version, the CRDs and the schema, and looks
whether the README knows every value; `make verify` compares the README to the letter.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hack.chart.copies import stale_crds, write_crds
from hack.chart.documented import undocumented_values
from hack.chart.readme import write_readme
from hack.chart.schema import write_schema
from hack.chart.version import stale_versions, write_versions
from hack.cluster.errors import ClusterError
from hack.cluster.progress import to_terminal
from hack.release import project_version

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "tenyson"


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the files, or with `--check` compares them; 1 where one does not fit."""
    parser = argparse.ArgumentParser(prog="python -m hack.chart", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if one differs")
    if parser.parse_args(arguments).check:
        problems = found_problems()
        for problem in problems:
            print(f"{problem}: run `make chart`.")
        return int(bool(problems))
    try:
        write_versions(CHART, project_version(ROOT))
        write_crds(ROOT / "crds", CHART)
        write_schema(CHART)
        write_readme(CHART, to_terminal)
    except (ClusterError, ValueError) as error:
        to_terminal(f"error: {error}")
        return 1
    return 0


def found_problems() -> list[str]:
    """Returns a sentence for each generated file that is not what it should be."""
    return [
        *stale_versions(CHART, project_version(ROOT)),
        *stale_crds(ROOT / "crds", CHART),
        *undocumented_values(CHART),
    ]


if __name__ == "__main__":
    sys.exit(main())
