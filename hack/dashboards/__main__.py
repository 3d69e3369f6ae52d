"""`python -m hack.dashboards [--check]`: writes the Grafana dashboards of the chart.

They are described in `fleet.py` and `run.py`, and in the files named after these two. With
`--check` it only says which file is not what the description gives.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from hack.dashboards.fleet import FLEET
from hack.dashboards.run import RUN

FOLDER = Path(__file__).resolve().parents[2] / "charts" / "tenyson" / "dashboards"
DASHBOARDS = {"fleet.json": FLEET, "run.json": RUN}


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the files, or with `--check` compares them; 1 where one does not fit."""
    parser = argparse.ArgumentParser(prog="python -m hack.dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if one differs")
    options = parser.parse_args(arguments)
    differing = [name for name, text in written().items() if text != _there(name)]
    if options.check:
        for name in differing:
            print(f"{FOLDER / name} is not what hack/dashboards gives: run `make dashboards`.")
        return int(bool(differing))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in differing:
        (FOLDER / name).write_text(written()[name], encoding="utf-8")
    return 0


def written() -> dict[str, str]:
    """Returns each file's name and text."""
    return {
        name: json.dumps(dashboard.json(), indent=2, ensure_ascii=False) + "\n"
        for name, dashboard in DASHBOARDS.items()
    }


def _there(name: str) -> str | None:
    path = FOLDER / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
