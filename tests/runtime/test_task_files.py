"""What identifies a task's code: its files, its package, its own fingerprint."""

from pathlib import Path
from typing import Any

import pytest

from tenyson.errors import TaskError
from tenyson.manifest.task_files import task_facts
from tenyson.task_loading import load_task

TASK = """
import helper_of_{name}
class Task:
    def get_sft_dataset(self, config, tokenizer): return []
"""


def task_of(folder: Path, name: str, helper: str = "a = 1\n") -> Any:
    folder.mkdir(exist_ok=True)
    (folder / f"helper_of_{name}.py").write_text(helper)
    (folder / f"{name}.py").write_text(TASK.format(name=name))
    (folder / "unrelated.py").write_text("")
    return load_task(f"{folder / name}.py:Task")


def test_a_tasks_file_is_hashed_with_what_it_imports_from_beside_it(tmp_path: Path) -> None:
    facts = task_facts(task_of(tmp_path, "lone"))

    assert set(facts["files"]) == {"lone.py", "helper_of_lone.py"}
    assert facts["spec"] == f"{tmp_path}/lone.py:Task"
    assert load_task(facts["spec"])
    (tmp_path / "helper_of_lone.py").write_text("a = 2\n")
    assert task_facts(load_task(facts["spec"]))["fingerprint"] != facts["fingerprint"]


def test_a_packages_task_is_hashed_with_all_of_its_package() -> None:
    facts = task_facts(load_task("tenyson.examples.wordle.wordle_task:WordleTask"))

    assert facts["spec"] == "tenyson.examples.wordle.wordle_task:WordleTask"
    assert {"wordle_task.py", "rewards.py", "configs/sft_config.yaml"} <= set(facts["files"])


def test_a_tasks_own_fingerprint_counts_and_its_error_is_the_tasks(tmp_path: Path) -> None:
    task = task_of(tmp_path, "own")
    plain = task_facts(task)["fingerprint"]
    task.fingerprint = lambda: "data of May"

    assert task_facts(task)["own_fingerprint"] == "data of May"
    assert task_facts(task)["fingerprint"] != plain

    task.fingerprint = lambda: 1 / 0
    with pytest.raises(TaskError, match="fingerprint raised ZeroDivisionError"):
        task_facts(task)


def test_a_class_of_a_notebook_is_known_by_its_source() -> None:
    task = type("Task", (), {"__module__": "a_notebook"})()

    facts = task_facts(task)

    assert facts["spec"] is None
    assert list(facts["files"]) == ["<source>"]
