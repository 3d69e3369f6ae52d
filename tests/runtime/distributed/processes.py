"""Real rank processes for tests, forked from a server that has the training libraries loaded."""

import json
import multiprocessing
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenyson.contract import Env
from tenyson.jobs.result import JobResult

PRELOADED = [
    "tenyson.runner",
    "tenyson.jobs.training._sft",
    "tenyson.jobs.sampling._rl",
    "torch.distributed",
]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(PRELOADED)


def run_rank(
    arguments: list[str], env: dict[str, str], log: str, patience: float, sees_rank_0: bool
) -> None:
    """Does what `python -m tenyson.runner` does, in this process."""
    os.environ.clear()
    os.environ.update(env)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    import torch

    from tenyson import runner
    from tenyson.distributed import files, ranks

    torch.set_num_threads(1)
    ranks.PATIENCE_SECONDS = patience
    if not sees_rank_0:  # stands for a volume that this pod does not have
        files._seal_of = lambda folder: ""
    code = runner.main(arguments)
    sys.stderr.flush()
    os._exit(code)


class RankProcess:
    """One pod's runner that is itself a rank."""

    def __init__(
        self,
        folder: Path,
        rank: int,
        arguments: list[str],
        env: Mapping[str, str],
        *settings: Any,
    ) -> None:
        self._message = folder / f"{env[Env.RUN_ID]}-{env[Env.ATTEMPT]}-{rank}.message"
        self._log = folder / f"{env[Env.RUN_ID]}-{env[Env.ATTEMPT]}-{rank}.log"
        variables = {**os.environ, Env.RESULT_PATH: str(self._message), **env}
        self.process = FORKS.Process(
            target=run_rank, args=(arguments, variables, str(self._log), *settings)
        )
        self.process.start()

    def wait(self, timeout_seconds: float = 60) -> int | None:
        """The exit code; None while it runs."""
        self.process.join(timeout_seconds)
        return self.process.exitcode

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    @property
    def message(self) -> JobResult:
        return JobResult.from_dict(json.loads(self._message.read_text(encoding="utf-8")))


class Pods:
    """Starts the ranks of an attempt as the controller's pods would be."""

    def __init__(self, folder: Path, task_file: Path) -> None:
        self.folder = folder
        self._task_file = task_file
        self._started: list[RankProcess] = []

    def start(
        self,
        config: Mapping[str, Any],
        *,
        job_type: str = "sft",
        attempt: int = 0,
        run: str = "run",
        output_dirs: tuple[str, str] = ("out", "out"),
        extra: tuple[dict[str, str], dict[str, str]] = ({}, {}),
        is_shared: bool = True,
        patience: float = 10.0,
        nodes: int = 2,
        started: int = 2,
    ) -> list[RankProcess]:
        """Ranks of an attempt, all or some; `output_dirs` and `extra` are each rank's own."""
        path = self.folder / f"{run}-{attempt}.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        port = str(_free_port())
        pods = []
        for rank in range(min(nodes, started)):
            arguments = ["--job-type", job_type, "--config", str(path)]
            arguments += ["--task-module", f"{self._task_file}:SumTask"]
            arguments += ["--output-dir", str(self.folder / output_dirs[rank])]
            env = {
                "PET_NNODES": str(nodes),
                "PET_NPROC_PER_NODE": "1",
                "PET_NODE_RANK": str(rank),
                "PET_MASTER_ADDR": "127.0.0.1",
                "PET_MASTER_PORT": port,
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
                "OMP_NUM_THREADS": "1",
                Env.RUN_ID: run,
                Env.ATTEMPT: str(attempt),
                **extra[rank],
            }
            pods.append(
                RankProcess(self.folder, rank, arguments, env, patience, is_shared or rank == 0)
            )
        self._started += pods
        return pods

    def close(self) -> None:
        for pod in self._started:
            if pod.process.is_alive():
                pod.process.kill()
                pod.process.join()


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
