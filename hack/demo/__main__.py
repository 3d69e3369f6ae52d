"""`python -m hack.demo up | down`: the main job from end to end, on a cluster of its own."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import orjson
from kubernetes.client.exceptions import ApiException
from rich.console import Console
from urllib3.exceptions import HTTPError

from hack.cluster.errors import ClusterError
from hack.cluster.progress import step, to_terminal
from hack.cluster.teardown import stop_cluster
from hack.demo import jobs as tenyson_jobs
from hack.demo.conclusions import load_stages, print_conclusions
from hack.demo.controller import DemoController
from hack.demo.summary import count_rows, print_results, print_rows
from hack.demo.target import Target, current_target, local_cluster, local_target
from hack.demo.watch import follow
from tenyson.contract import File
from tenyson.errors import TenysonError
from tenyson.examples.wordle.report import STAGES, build_report
from tenyson.jobs.result import JobResult

CHECKOUT = Path(__file__).resolve().parents[2]
STATE = CHECKOUT / ".demo"
CRDS = CHECKOUT / "crds"
EXPERIMENT = CHECKOUT / "tasks/tenyson/examples/wordle/experiment.yaml"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hack.demo", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up_parser = commands.add_parser("up", help="run the experiment and leave the cluster up")
    up_parser.add_argument("--cluster", choices=("local", "current"), default="local")
    commands.add_parser("down", help="stop everything; the state folder stays")
    parser.add_argument("--state", type=Path, default=STATE, help="folder of the demo's data")
    options = parser.parse_args(argv)
    state: Path = options.state.resolve()
    if options.command == "down":
        return down(state)
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        return up(options.cluster, state)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave half of it
        to_terminal("\nstopping everything …")
        return down(state, exit_code=130)
    except (ClusterError, TenysonError, ApiException, HTTPError) as error:
        to_terminal(f"demo: {error}\nWhat was started still runs; `make demo-down` stops it.")
        return 1


def up(kind: str, state: Path) -> int:
    """Runs the experiment; 0 when every job succeeded."""
    began = time.monotonic()
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    if kind == "current":
        target = current_target()
    else:
        cluster = local_cluster(state)
        cluster.start()
        target = local_target(cluster)
    controller = DemoController(state)
    _install(target, controller)
    to_terminal(f"set-up took {time.monotonic() - began:.0f} s")
    names = _apply(target)
    to_terminal("training and evaluating: about 4 minutes on 2 cores")
    list_jobs = tenyson_jobs.lister(target)
    applied = time.monotonic()
    follow(names, list_jobs, controller.check)
    minutes, seconds = divmod(round(time.monotonic() - applied), 60)
    to_terminal(f"the experiment took {minutes} min {seconds} s")
    found = {job["metadata"]["name"]: job for job in list_jobs()}
    return _conclude(target, [found[name] for name in names], state)


def down(state: Path, exit_code: int = 0) -> int:
    """Stops every process of the demo; runs, database and cluster state stay for the next time."""
    if state.exists():
        stop_cluster(state)
        to_terminal(f"everything is stopped; {state.name}/ keeps the data, remove it to start anew")
    return exit_code


def _install(target: Target, controller: DemoController) -> None:
    target.kubectl("apply", "-f", str(CRDS))
    target.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRDS))
    wanted = {"apiVersion": "v1", "kind": "List", "items": target.prerequisites}
    text = orjson.dumps(wanted).decode()
    target.kubectl("apply", f"--namespace={target.namespace}", "-f", "-", stdin=text)
    with step(to_terminal, "starting the operator (about 3 s)"):
        controller.start(target)


def _apply(target: Target) -> list[str]:
    """Applies the experiment, and returns the names of its jobs."""
    names = tenyson_jobs.names_in(EXPERIMENT)
    namespace = f"--namespace={target.namespace}"
    found = {job["metadata"]["name"]: job for job in tenyson_jobs.lister(target)()}
    for name in names:
        ended = tenyson_jobs.phase(found[name]) if name in found else ""
        if ended in ("Failed", "Stopped"):
            to_terminal(f"{name} is {ended}; deleting it, to run it again")
            target.kubectl("delete", "tenysonjob", name, namespace, "--cascade=foreground")
    to_terminal(f"kubectl apply -f {EXPERIMENT.relative_to(CHECKOUT)}")
    to_terminal(target.kubectl("apply", namespace, "-f", str(EXPERIMENT)).rstrip())
    return names


def _conclude(target: Target, jobs: list[dict[str, Any]], state: Path) -> int:
    console = Console(width=None if sys.stdout.isatty() else 120)
    print_results(console, jobs)
    console.print()
    if target.is_local and target.database_url:
        print_rows(console, count_rows(target.database_url))
    failed = [job["metadata"]["name"] for job in jobs if tenyson_jobs.phase(job) != "Succeeded"]
    folders = {job["metadata"]["name"]: tenyson_jobs.output_folder(target, job) for job in jobs}
    reachable = {name: folder for name, folder in folders.items() if folder is not None}
    if not failed and set(STAGES.values()) <= reachable.keys():
        print_conclusions(console, load_stages(reachable))
        console.print(f"Report: {_report(reachable, target, state)}", soft_wrap=True)
    _say_what_next(console, target, _shown(state))
    if failed:
        console.print(
            f"Not Succeeded: {', '.join(failed)}. Why is said above; `make demo` runs them again.",
            highlight=False,
        )
    return 1 if failed else 0


def _report(folders: dict[str, Path], target: Target, state: Path) -> Path:
    results = {name: JobResult.load(folder / File.JOB_RESULT) for name, folder in folders.items()}
    url = target.database_url if target.is_local else None
    return _shown(build_report(results, state, folders, db_url=url))


def _shown(path: Path) -> Path:
    return path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) else path


def _say_what_next(console: Console, target: Target, state: Path) -> None:
    if not target.is_local:
        console.print("The operator still runs on this machine; `make demo-down` stops it.")
        return
    for line in (
        "The cluster stays up. To look around:",
        f"  export KUBECONFIG={state}/kubeconfig; {state}/kubectl get tenysonjobs -o wide",
        f"  {state}/kubectl describe tj wordle-rl; {state}/kubectl logs job/wordle-rl-a0",
        f'  psql "$(cat {state}/database-url)"',
        f"  ls {state}/runs/{target.namespace}    what each run left",
        "  make demo-down    stops everything",
    ):
        console.print(line, markup=False, highlight=False)


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
