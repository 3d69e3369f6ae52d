"""What tests of the library share: the tiny model, a task, and ways to run both."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tenyson import runner
from tenyson.contract import Env, File
from tenyson.jobs.result import JobResult
from tenyson.task_loading import load_task
from tests.tiny_model import make_tiny_model

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="session")
def task_file() -> Path:
    return Path(__file__).with_name("sum_task.py")


@pytest.fixture(scope="session")
def sum_task(task_file: Path) -> Any:
    return load_task(f"{task_file}:SumTask")


@pytest.fixture(scope="session")
def build_config(tiny_model: str) -> Any:
    """Builds a configuration of six quick steps; keyword arguments replace sections' fields."""

    def build(**sections: Any) -> dict[str, Any]:
        config: dict[str, Any] = {
            "model": {"name": tiny_model},
            "adapter": {"r": 4},
            "data": {"max_length": 32},
            "training": {
                "max_steps": 6,
                "per_device_train_batch_size": 8,
                "learning_rate": 0.01,
                "warmup_steps": 2,
            },
            "rl": {"num_generations": 4, "max_completion_length": 6},
            "evaluation": {"max_new_tokens": 6, "batch_size": 4},
            "checkpoint": {"every_seconds": None},
        }
        for name, fields in sections.items():
            config[name] = {**config.get(name, {}), **fields}
        return config

    return build


@pytest.fixture
def make_config(build_config: Any) -> Any:
    return build_config


@pytest.fixture
def weights_of() -> Any:
    """Reads the trained tensors of an output folder."""

    def read(folder: str | Path) -> dict[str, Any]:
        from safetensors.torch import load_file

        final = Path(folder) / "checkpoint-final"
        name = "adapter_model.safetensors"
        path = final / name if (final / name).is_file() else final / "model.safetensors"
        return dict(load_file(path))

    return read


@pytest.fixture
def largest_difference() -> Any:
    """Returns the largest difference of two sets of tensors with the same names."""

    def compare(left: dict[str, Any], right: dict[str, Any]) -> float:
        assert left.keys() == right.keys()
        return max((left[n] - right[n]).abs().max().item() for n in left)

    return compare


@pytest.fixture
def run_runner(
    tmp_path: Path, task_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> Iterator[Any]:
    """Calls the runner in this process; returns exit code, JobResult, message and what it said."""
    handlers = {s: signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)}

    def run(
        config: Any,
        *,
        job_type: str = "sft",
        task: str | None = None,
        output_dir: Path | None = None,
        extra: tuple[str, ...] = (),
        **env: str,
    ) -> SimpleNamespace:
        path = config
        if isinstance(config, dict):
            path = tmp_path / "config.json"
            path.write_text(json.dumps(config), encoding="utf-8")
        folder = output_dir or tmp_path / "out"
        message = tmp_path / "termination-log"
        for name, value in {Env.RESULT_PATH: str(message), **env}.items():
            monkeypatch.setenv(name, value)
        arguments = ["--job-type", job_type, "--config", str(path)]
        arguments += ["--task-module", task or f"{task_file}:SumTask"]
        code = runner.main([*arguments, "--output-dir", str(folder), *extra])
        saved = folder / File.JOB_RESULT
        captured = capsys.readouterr()
        return SimpleNamespace(
            code=code,
            folder=folder,
            result=JobResult.load(saved) if saved.is_file() else None,
            message=JobResult.from_dict(json.loads(message.read_text(encoding="utf-8"))),
            said=captured.err,
            printed=captured.out,
        )

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch, request: Any) -> str:
    """A new bucket, found by the variables that every AWS library reads."""
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    s3fs.S3FileSystem.clear_instance_cache()
    name = f"runs-{abs(hash(request.node.nodeid))}"
    s3fs.S3FileSystem().mkdir(name, region_name="eu-central-1")
    return f"s3://{name}"
