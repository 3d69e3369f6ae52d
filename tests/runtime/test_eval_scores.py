"""What an evaluation leaves about its scores, for those who compare two: which way is better."""

import json
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import File
from tenyson.errors import TaskError
from tenyson.evaluation.evalset_task import EvalSetTask
from tenyson.jobs.eval import EvalJob
from tenyson.reporting import queries
from tenyson.telemetry.reading import open_database

pytestmark = pytest.mark.train


def test_what_should_be_low_is_told_in_the_lines_and_in_the_database(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/telemetry.db"
    config = make_config(
        task={"lower_is_better": ["correct"]},
        telemetry={"db_url": url},
        evaluation={"max_prompts": 3},
    )

    result = EvalJob(config, sum_task, output_dir=tmp_path / "out").run()

    first = (tmp_path / "out" / File.EVAL_OUTPUTS).read_text(encoding="utf-8").splitlines()[0]
    line = json.loads(first)
    assert line["settings"]["lower_is_better"] == ["correct"]
    manifest = json.loads((tmp_path / "out" / File.MANIFEST).read_text(encoding="utf-8"))
    assert line["fingerprints"]["scoring"] == manifest["task"]["fingerprint"]
    engine = open_database(url)
    with engine.connect() as connection:
        [scores] = queries.model_scores(connection, result.run_id)
    engine.dispose()
    assert scores.lower_is_better == {"correct"}


def test_something_else_than_names_is_refused(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(task={"lower_is_better": "correct"})

    with pytest.raises(TaskError, match="get_lower_is_better returned 'correct'; expected a list"):
        EvalJob(config, sum_task, output_dir=tmp_path).run()


def test_an_evaluation_set_takes_the_word_of_the_task_that_scores(tmp_path: Path) -> None:
    tasks = tmp_path / "tasks.py"
    tasks.write_text(
        "class Errors:\n"
        "    def compute_metrics(self, *given): ...\n"
        "    def get_lower_is_better(self, config): return config['task']['names']\n"
    )
    section = {"eval_set": "x.jsonl", "task_module": f"{tasks}:Errors", "task": {"names": ["e"]}}

    def told(*scorers: str) -> Any:
        return EvalSetTask().get_lower_is_better({"task": {**section, "scorer": list(scorers)}})

    assert list(told("exact", "task")) == ["e"]
    assert list(told("exact")) == []
