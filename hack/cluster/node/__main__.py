"""`python -m hack.cluster.node`: one node agent, run until SIGTERM; its containers go on."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

import structlog

from hack.cluster.node.agent import Agent, NodeIdentity
from hack.cluster.node.api import Api
from hack.cluster.node.context import NodeContext
from hack.cluster.node.downward import Allocatable
from hack.cluster.node.images import Images
from hack.cluster.node.logs import TlsFiles
from hack.cluster.node.registration import machine_capacity
from hack.cluster.system import BUBBLEWRAP, ensure_programs


def main(argv: Sequence[str] | None = None) -> None:
    """Run the agent that the options describe."""
    options = _parser().parse_args(argv)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ]
    )
    ensure_programs([BUBBLEWRAP])
    asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> None:
    options.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    capacity = machine_capacity(options.state, _pairs(options.capacity))
    identity = NodeIdentity(_pairs(options.label), capacity, options.lease_seconds)
    async with Api(options.kubeconfig) as api:
        context = NodeContext(
            api=api,
            name=options.name,
            state_dir=options.state,
            bwrap=str(shutil.which("bwrap")),
            images=Images.parse(options.image),
            env=_pairs(options.env),
            shared=options.share,
            allocatable=Allocatable(capacity),
        )
        tls = TlsFiles(options.tls_certificate, options.tls_key, options.client_ca)
        running = asyncio.create_task(Agent(context, identity, tls).run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, running.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await running


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hack.cluster.node", description=__doc__)
    add = parser.add_argument
    add("--kubeconfig", type=Path, required=True, help="with the node's own certificate inside")
    add("--name", required=True, help="the node's name")
    add("--state", type=Path, required=True, help="folder for the pods' files")
    add("--tls-certificate", type=Path, required=True, help="server certificate, for logs")
    add("--tls-key", type=Path, required=True, help="its key")
    add("--client-ca", type=Path, required=True, help="the authority of the apiserver's client")
    add("--image", action="append", default=[], metavar="NAME=COMMAND", help="an entrypoint")
    add("--env", action="append", default=[], metavar="NAME=VALUE", help="for every container")
    add("--label", action="append", default=[], metavar="KEY=VALUE", help="of the Node")
    add("--capacity", action="append", default=[], metavar="NAME=N", help="a claimed resource")
    add("--share", action="append", default=[], metavar="PATH", help="visible though in /tmp")
    add("--lease-seconds", type=int, default=40, help="how long one sign of life counts")
    return parser


def _pairs(options: Sequence[str]) -> dict[str, str]:
    return dict(option.split("=", 1) for option in options)


if __name__ == "__main__":
    main()
