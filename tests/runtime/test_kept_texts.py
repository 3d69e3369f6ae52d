"""What a configuration and a task decide about the texts that telemetry keeps."""

import sqlite3
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from tenyson.contract import ExitCode
from tenyson.errors import TaskError
from tenyson.jobs.rl import RLJob
from tenyson.task_loading import load_task

pytestmark = pytest.mark.train


def test_a_runs_configuration_decides_what_is_kept(
    make_config: Any, task_file: Path, tmp_path: Path
) -> None:
    task = load_task(f"{task_file}:SumTask")
    task.redact = lambda text: f"[{len(text)} characters]"
    url = f"sqlite:///{tmp_path}/telemetry.db"
    config = make_config(
        telemetry={"db_url": url, "keep": "every_k", "keep_every": 2}, training={"max_steps": 2}
    )
    result = RLJob(config, task, output_dir=tmp_path / "out").run()
    assert result.status == "success"
    with sqlite3.connect(tmp_path / "telemetry.db") as database:
        prompts = database.execute("select prompt from rollouts").fetchall()
        texts = database.execute(
            "select g.step, r.group_index, count(completion) from generations g"
            " join rollouts r on r.id = rollout_id group by 1, 2 order by 1, 2"
        ).fetchall()
    assert all(prompt.endswith(" characters]") for (prompt,) in prompts)
    assert texts == [(0, 0, 4), (0, 1, 0), (1, 0, 0), (1, 1, 4)]


@pytest.mark.parametrize(
    ("answer", "said"), [(None, "returned NoneType"), (KeyError("x"), "raised")]
)
def test_a_redact_hook_that_is_wrong_ends_the_run_with_65(
    make_config: Any, task_file: Path, tmp_path: Path, answer: Any, said: str
) -> None:
    task = load_task(f"{task_file}:SumTask")
    task.redact = Mock(side_effect=answer) if isinstance(answer, Exception) else lambda text: answer
    url = f"sqlite:///{tmp_path}/telemetry.db"
    job = RLJob(make_config(telemetry={"db_url": url}), task, output_dir=tmp_path / "out")
    with pytest.raises(TaskError, match=f"redact {said}"):
        job.run()
    assert job.result.exit_code == ExitCode.TASK
