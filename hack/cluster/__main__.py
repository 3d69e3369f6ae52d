"""`python -m hack.cluster up | down | status | build`: the local cluster from the shell."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from hack.cluster.binaries import find_binaries
from hack.cluster.errors import ClusterError
from hack.cluster.local import LocalCluster
from hack.cluster.node_process import NodeOptions
from hack.cluster.progress import to_terminal
from hack.cluster.teardown import running_processes, stop_cluster


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    options = _parser().parse_args(argv)
    try:
        return int(options.run(options))
    except (ClusterError, ValueError) as error:
        to_terminal(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        to_terminal("interrupted; what was started is ended by `down`")
        return 130


def up(options: argparse.Namespace) -> int:
    """Start the cluster and leave it running."""
    cluster = LocalCluster(
        options.state,
        node=options.node,
        postgres=options.postgres,
        node_options=NodeOptions(
            images={n: shlex.split(c) for n, c in _pairs(options.image).items()},
            env=_pairs(options.env),
            labels=_pairs(options.label),
            capacity=_pairs(options.capacity),
        ),
        report=to_terminal,
    )
    cluster.start()
    to_terminal(f"export KUBECONFIG={cluster.kubeconfig}")
    return 0


def down(options: argparse.Namespace) -> int:
    """Stop everything of the state folder."""
    if options.state.exists():
        stop_cluster(options.state.resolve())
    return 0


def status(options: argparse.Namespace) -> int:
    """Print each process of the state folder; 0 if there are some and all run."""
    processes = running_processes(options.state.resolve())
    for name, process in sorted(processes.items()):
        pid = process.identity.pid if process.identity else 0
        sys.stdout.write(f"{name:<28} {'running' if process.is_running() else 'dead':<8} {pid}\n")
    if not processes:
        sys.stdout.write("stopped\n")
    return 0 if processes and all(p.is_running() for p in processes.values()) else 1


def build(_: argparse.Namespace) -> int:
    """Find Kubernetes' programs, or build them."""
    to_terminal(f"Kubernetes comes from {find_binaries(to_terminal).source}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hack.cluster", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for command in (up, down, status, build):
        sub = commands.add_parser(command.__name__, help=command.__doc__)
        sub.set_defaults(run=command)
        if command is not build:
            sub.add_argument("--state", type=Path, required=True, help="the cluster's folder")
        if command is up:
            _add_up_options(sub)
    return parser


def _add_up_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--node", action="store_true", help="with a node that runs pods as processes")
    add("--postgres", action="store_true", help="with a PostgreSQL server")
    add("--image", action="append", default=[], metavar="NAME=COMMAND", help="an entrypoint")
    add("--env", action="append", default=[], metavar="NAME=VALUE", help="for every container")
    add("--label", action="append", default=[], metavar="KEY=VALUE", help="of the node")
    add("--capacity", action="append", default=[], metavar="NAME=N", help="a claimed resource")


def _pairs(options: Sequence[str]) -> dict[str, str]:
    for option in options:
        if not option.partition("=")[2]:
            raise ValueError(f"{option!r} is not of the form NAME=VALUE")
    return dict(option.split("=", 1) for option in options)


if __name__ == "__main__":
    sys.exit(main())
