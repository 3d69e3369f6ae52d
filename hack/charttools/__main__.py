"""`python -m hack.charttools build | path NAME`: the chart's tools from the shell."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from hack.charttools.tools import TOOLS, tool
from hack.cluster.errors import ClusterError
from hack.cluster.progress import to_terminal


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hack.charttools", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="find or build all of them, and print where they are")
    path = commands.add_parser("path", help="print where one is")
    path.add_argument("name", choices=sorted(TOOLS))
    options = parser.parse_args(argv)
    try:
        for name in sorted(TOOLS) if options.command == "build" else [options.name]:
            sys.stdout.write(f"{tool(name, to_terminal)}\n")
    except ClusterError as error:
        to_terminal(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
