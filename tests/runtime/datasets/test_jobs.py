"""A job reads the data set that its configuration names, and its manifest says which."""

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import ExitCode, File
from tenyson.datasets import build_dataset
from tenyson.datasets.manifest import DATA_FILE
from tenyson.manifest.repetition import repetition_of
from tests.runtime.datasets.conftest import sums

Write = Callable[..., str]
pytestmark = pytest.mark.train
NO_HOOKS = "tenyson.task:TaskPlugin"


def manifest_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / File.MANIFEST).read_text(encoding="utf-8"))
    return content


def two_steps(make_config: Any, dataset: str, **more: Any) -> dict[str, Any]:
    sections = {"training": {"max_steps": 2, "warmup_steps": 0}, "data": {"dataset": dataset}}
    config: dict[str, Any] = make_config(**sections, **more)
    return config


def test_a_run_trains_on_a_named_data_set_without_any_task_code(
    make_config: Any, run_runner: Any, write: Write, store: Path
) -> None:
    build = build_dataset("sums", "v1", [write(sums(20))])

    done = run_runner(two_steps(make_config, "sums-v1"), task=NO_HOOKS)

    assert done.code == ExitCode.DONE, done.said
    manifest = manifest_of(done.folder)
    assert manifest["dataset_key"] == "sums-v1"
    assert manifest["dataset"] == {
        "key": "sums-v1",
        "build_id": build.manifest.build_id,
        "sha256": build.manifest.sha256,
        "rows": 20,
        "store": str(store),
    }
    assert manifest["datasets"]["train"]["rows"] == 20
    assert manifest["datasets"]["train"]["fingerprint"]
    again = repetition_of(manifest, Path("again"))
    assert again.config["data"]["dataset_store"] == str(store)


def test_the_rows_named_go_before_those_of_the_tasks_hook(
    make_config: Any, run_runner: Any, write: Write
) -> None:
    build_dataset("sums", "v1", [write(sums(20))])

    done = run_runner(two_steps(make_config, "sums-v1"))

    assert done.code == ExitCode.DONE, done.said
    assert manifest_of(done.folder)["datasets"]["train"]["rows"] == 20  # the hook has 64


@pytest.fixture
def taking_task(tmp_path: Path) -> str:
    path = tmp_path / "taking_task.py"
    path.write_text(
        textwrap.dedent("""
            def get_sft_dataset(config, tokenizer, dataset=None):
                return dataset.select(range(9)) if dataset else [{"prompt": "a", "completion": "b"}]
        """),
        encoding="utf-8",
    )
    return str(path)


def test_a_hook_that_takes_the_data_set_returns_what_is_trained(
    make_config: Any, run_runner: Any, write: Write, taking_task: str
) -> None:
    build_dataset("sums", "v1", [write(sums(20))])

    done = run_runner(
        two_steps(make_config, "sums-v1"), task=taking_task, extra=("--dry-run", "--json")
    )

    assert done.code == ExitCode.DONE, done.said
    assert "train: 9 rows" in done.said


def test_rl_reads_its_prompts_from_a_named_data_set(
    make_config: Any, run_runner: Any, write: Write
) -> None:
    rows = [{"id": i, "prompt": f"{i}+2="} for i in range(7)]
    build_dataset("prompts", "v1", [write(rows)])

    done = run_runner(two_steps(make_config, "prompts-v1"), job_type="rl", extra=("--dry-run",))

    assert done.code == ExitCode.DONE, done.said
    assert "train: 7 rows" in done.said


def test_an_evaluation_reads_its_rows_from_a_named_data_set(
    make_config: Any, run_runner: Any, write: Write
) -> None:
    build_dataset("eval", "v1", [write(sums(5))])

    done = run_runner(two_steps(make_config, "eval-v1"), job_type="eval")

    assert done.code == ExitCode.DONE, done.said
    assert done.result.global_step == 5
    assert manifest_of(done.folder)["dataset_key"] == "eval-v1"


@pytest.mark.parametrize(
    ("dataset", "code", "said"),
    [
        ("sms-v1", ExitCode.CONFIG, "data.dataset: There is no data set 'sms-v1'"),
        ("sums", ExitCode.CONFIG, "data.dataset: 'sums' is no key of a data set"),
        ("sums-v1", ExitCode.TASK, f"sums-v1/{DATA_FILE} is not as it was built"),
        ("odd-v1", ExitCode.TASK, "data set odd-v1 returned rows without the columns it needs"),
        ("mixed-v1", ExitCode.TASK, "completion (number, text): several kinds"),
    ],
)
def test_a_data_set_that_cannot_be_read_ends_the_run_before_it_starts(
    make_config: Any,
    run_runner: Any,
    write: Write,
    store: Path,
    dataset: str,
    code: ExitCode,
    said: str,
) -> None:
    build_dataset("sums", "v1", [write(sums(20))])
    build_dataset("odd", "v1", [write([{"question": "a"}])])
    build_dataset(
        "mixed",
        "v1",
        [write([{"prompt": "a", "completion": 1}, {"prompt": "b", "completion": "c"}])],
    )
    changed = store / "sums-v1" / DATA_FILE
    changed.chmod(0o644)
    changed.write_bytes(
        changed.read_bytes() + b'{"id": "more", "prompt": "a", "completion": "b"}\n'
    )

    done = run_runner(two_steps(make_config, dataset), task=NO_HOOKS)

    assert done.code == code
    assert said in done.said
    assert not (done.folder / File.MANIFEST).exists()


def test_a_task_without_a_data_hook_needs_a_data_set(make_config: Any, run_runner: Any) -> None:
    done = run_runner(make_config(), task=NO_HOOKS)

    assert done.code == ExitCode.TASK
    assert "lacks get_sft_dataset" in done.said
