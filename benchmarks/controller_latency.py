"""From `create TenysonJob` to `its child Job exists`, and the controller's memory.

    python benchmarks/controller_latency.py [--jobs 200] [--rate 5] [--kopf-run]

A real control plane, the controller and this load share the machine. The clock starts before the
request that creates a TenysonJob and stops when a watch shows its child.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from hack.cluster.errors import ClusterError  # noqa: E402
from hack.cluster.local import LocalCluster  # noqa: E402
from hack.cluster.progress import to_terminal  # noqa: E402
from tenyson.controller import names  # noqa: E402
from tenyson.controller.credentials import load  # noqa: E402

NAMESPACE = "default"
JOBS = f"/apis/{names.API_VERSION}/namespaces/{NAMESPACE}/{names.PLURAL}"
CHILDREN = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"


def job(name: str) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "type": "SFT",
            "task": "tenyson.examples.wordle.wordle_task:WordleTask",
            "config": {
                "model": {"name": "Qwen/Qwen3-0.6B"},
                "training": {"max_steps": 300, "learning_rate": 5e-4},
            },
            "output": {"uri": "s3://bucket/runs"},
        },
    }


class Load:
    """Creates jobs and sees their children appear."""

    def __init__(self, kubeconfig: Path) -> None:
        found = load({"KUBECONFIG": str(kubeconfig)})
        self._server = found.server
        connector = aiohttp.TCPConnector(ssl=found.tls(), limit=32)
        self._session = aiohttp.ClientSession(connector=connector)
        self._sent: dict[str, float] = {}
        self.seconds: dict[str, float] = {}

    async def run(self, prefix: str, jobs: int, rate: float) -> None:
        """Creates the jobs at the given rate, and returns once every child was seen."""
        watch = asyncio.create_task(self._watch())
        await asyncio.sleep(0.2)
        start = time.perf_counter()
        sending = []
        for number in range(jobs):
            await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
            sending.append(asyncio.create_task(self._create(f"{prefix}{number}")))
        await asyncio.gather(*sending)
        async with asyncio.timeout(60):
            while len(self.seconds) < jobs:
                await asyncio.sleep(0.05)
        watch.cancel()
        await self._session.close()

    async def _create(self, name: str) -> None:
        self._sent[names.child_name(name, 0)] = time.perf_counter()
        async with self._session.post(self._server + JOBS, json=job(name)) as response:
            response.raise_for_status()

    async def _watch(self) -> None:
        timeout = aiohttp.ClientTimeout(total=None)
        url = f"{self._server}{CHILDREN}?watch=1"
        async with self._session.get(url, timeout=timeout) as response:
            rest = b""
            async for chunk in response.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._note(orjson.loads(line))

    def _note(self, event: dict[str, Any]) -> None:
        name = event["object"]["metadata"]["name"]
        if event["type"] == "ADDED" and name in self._sent:
            self.seconds[name] = time.perf_counter() - self._sent[name]


def start_controller(kubeconfig: Path, log: Path, *, kopf_run: bool) -> subprocess.Popen[bytes]:
    """Returns the controller's process, once it has listed everything."""
    command = [sys.executable, "-m", "tenyson.controller"]
    if kopf_run:
        command = [str(Path(sys.executable).with_name("kopf")), "run", "-m", "tenyson.controller"]
    environment = {
        **os.environ, "KUBECONFIG": str(kubeconfig), "TENYSON_RUNNER_IMAGE": "runner",
        "TENYSON_PROGRESS_PORT": "0",
    }  # fmt: skip
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*command, "--all-namespaces", "--standalone"],
            env=environment, stdout=sink, stderr=sink,
        )  # fmt: skip
    while b"All kinds are listed" not in log.read_bytes():
        if process.poll() is not None:
            raise SystemExit(f"The controller ended:\n{log.read_text()}")
        time.sleep(0.1)
    return process


def wait_for(call: Callable[[], object]) -> None:
    """Calls until the cluster does not refuse any more; a new CRD is served a moment later."""
    for _ in range(100):
        try:
            call()
            return
        except ClusterError:
            time.sleep(0.1)
    call()


def resident_mb(pid: int, field: str) -> float:
    """Returns VmRSS (now) or VmHWM (at most) of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise ValueError(f"/proc/{pid}/status has no {field}")


def cpu_seconds(pid: int) -> float:
    """Returns the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--rate", type=float, default=5.0, help="jobs a second")
    parser.add_argument("--kopf-run", action="store_true", help="start by `kopf run`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options)


def measure(folder: Path, options: argparse.Namespace) -> None:
    with LocalCluster(folder / "cluster", report=to_terminal) as cluster:
        cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        wait_for(lambda: cluster.kubectl("get", "tenysonjobs"))
        controller = start_controller(cluster.kubeconfig, folder / "log", kopf_run=options.kopf_run)
        try:
            asyncio.run(loaded(cluster.kubeconfig, controller.pid, options))
        finally:
            controller.terminate()
            controller.wait()


async def loaded(kubeconfig: Path, pid: int, options: argparse.Namespace) -> None:
    await Load(kubeconfig).run("warm", 5, options.rate)
    before = cpu_seconds(pid)
    load = Load(kubeconfig)
    await load.run("bench", options.jobs, options.rate)
    await asyncio.sleep(2)
    figures(sorted(load.seconds.values()), options)
    each = (cpu_seconds(pid) - before) / options.jobs
    print(f"controller CPU per job: {each * 1000:.1f} ms")
    print(
        f"controller memory with {options.jobs} jobs: {resident_mb(pid, 'VmRSS'):.0f} MB, "
        f"at most {resident_mb(pid, 'VmHWM'):.0f} MB (target < 120)"
    )


def figures(seconds: list[float], options: argparse.Namespace) -> None:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    shown = {"P50": cuts[49], "P90": cuts[89], "P99": cuts[98], "max": seconds[-1]}
    text = "  ".join(f"{name} {value * 1000:.1f} ms" for name, value in shown.items())
    print(f"create -> child Job, {options.jobs} jobs at {options.rate:g}/s: {text}")
    print("targets at 5/s: P50 < 20 ms, P99 < 100 ms")


if __name__ == "__main__":
    main()
