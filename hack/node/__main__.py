"""`python -m hack.node up | down`: a real cluster from the shell, as root."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hack.cluster.errors import ClusterError
from hack.cluster.progress import to_terminal
from hack.node.real import RealCluster
from hack.node.teardown import stop_real_cluster


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(argv)
    try:
        options.run(options)
    except ClusterError as error:
        to_terminal(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        to_terminal("interrupted; what was started is ended by `down`")
        return 130
    return 0


def up(options: argparse.Namespace) -> None:
    """Start a cluster and leave it running."""
    options.state.mkdir(parents=True, exist_ok=True, mode=0o711)
    cluster = RealCluster(options.state, nodes=options.nodes, report=to_terminal)
    cluster.start()
    for archive in options.image:
        cluster.import_image(archive)
    to_terminal(f"export KUBECONFIG={cluster.kubeconfig}")


def down(options: argparse.Namespace) -> None:
    """End everything of the state folder; only files are left."""
    if options.state.exists():
        stop_real_cluster(options.state.resolve())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hack.node", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for command in (up, down):
        sub = commands.add_parser(command.__name__, help=command.__doc__)
        sub.set_defaults(run=command)
        sub.add_argument("--state", type=Path, required=True, help="the cluster's folder")
        if command is up:
            sub.add_argument("--nodes", type=int, default=1, help="how many nodes")
            text = "a docker archive to import"
            sub.add_argument("--image", type=Path, action="append", default=[], help=text)
    return parser


if __name__ == "__main__":
    sys.exit(main())
