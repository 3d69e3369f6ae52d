import json
import os
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import File
from tenyson.errors import StoppedError
from tenyson.jobs.context import Reporter
from tenyson.jobs.eval import EvalJob
from tenyson.jobs.options import RunOptions
from tenyson.jobs.result import JobResult
from tenyson.jobs.stop import StopRequest
from tenyson.progress import Progress

pytestmark = pytest.mark.train

SAMPLES = {"temperature": 1.0, "num_samples": 2, "include_greedy": True, "batch_size": 12}
"""Four prompts a batch, ten in all."""


def stop_at(rows: int, config: Any, task: Any, folder: Path, uri: str | None = None) -> JobResult:
    """Evaluates until some rows are done, and is stopped there as by a signal."""
    stop = StopRequest()
    shown = Reporter.update

    def update(self: Reporter, progress: Progress) -> None:
        shown(self, progress)
        if progress.step >= rows:
            stop.make("SIGTERM")

    job = EvalJob(
        config,
        task,
        run_id="run",
        output_dir=folder,
        options=RunOptions(stop=stop, output_uri=uri),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reporter, "update", update)
        with pytest.raises(StoppedError):
            job.run()
    assert job.result is not None
    return job.result


def evaluate(config: Any, task: Any, folder: Path, uri: str | None = None) -> JobResult:
    options = RunOptions(output_uri=uri)
    return EvalJob(config, task, run_id="run", output_dir=folder, options=options).run()


def answers_of(folder: Path) -> list[Any]:
    return [
        json.loads((folder / name).read_text(encoding="utf-8"))["detailed_results"]
        for name in (File.RESULTS, "results-sampled.json")
    ]


def ids_of(folder: Path) -> list[str]:
    lines = (folder / File.EVAL_SAMPLES).read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["id"] for line in lines]


def test_a_stopped_evaluation_generates_only_what_is_missing_and_ends_the_same(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(evaluation=SAMPLES)
    at_once = evaluate(config, sum_task, tmp_path / "at-once")
    folder = tmp_path / "stopped"

    stopped = stop_at(4, config, sum_task, folder)
    kept = (folder / File.EVAL_SAMPLES).read_bytes()
    resumed = evaluate(config, sum_task, folder)

    assert (stopped.exit_code, stopped.global_step) == (75, 4)
    assert (resumed.resumed_from_step, resumed.global_step) == (4, 10)
    assert (folder / File.EVAL_SAMPLES).read_bytes().startswith(kept)
    assert sorted(ids_of(folder)) == sorted(f"r{i}" for i in range(10))
    assert resumed.metrics == at_once.metrics
    assert answers_of(folder) == answers_of(tmp_path / "at-once")


def test_an_evaluation_ended_by_its_budget_tells_of_its_part_and_goes_on_with_more(
    make_config: Any, sum_task: Any, tmp_path: Path, run_runner: Any
) -> None:
    at_once = evaluate(make_config(evaluation=SAMPLES), sum_task, tmp_path / "at-once")
    limited = make_config(evaluation=SAMPLES, budget={"max_tokens": 60})

    ended = run_runner(limited, job_type="eval", TENYSON_RUN_ID="r", TENYSON_ATTEMPT="0")
    of_part = json.loads((ended.folder / File.RESULTS).read_text(encoding="utf-8"))
    again = run_runner(limited, job_type="eval", TENYSON_RUN_ID="r", TENYSON_ATTEMPT="1")
    more = run_runner(
        make_config(evaluation=SAMPLES), job_type="eval", TENYSON_RUN_ID="r", TENYSON_ATTEMPT="2"
    )

    assert (ended.code, ended.result.status, ended.result.global_step) == (73, "budget", 4)
    assert "after 4 answered rows" in ended.result.failure.message
    assert "of budget.max_tokens 60" in ended.result.failure.message
    assert ended.result.metrics["answered_share"] == again.result.metrics["answered_share"] == 0.4
    assert "are of 4 of 10 rows" in " ".join(ended.result.warnings)
    assert of_part["partial"] == {"answered": 4, "asked": 10}
    whole = {row["id"]: row for row in answers_of(tmp_path / "at-once")[0]}
    assert [whole[row["id"]] for row in of_part["detailed_results"]] == of_part["detailed_results"]
    assert len(of_part["detailed_results"]) == 4
    assert (again.code, again.result.global_step) == (73, 4)
    assert (more.code, more.result.resumed_from_step) == (0, 4)
    assert more.result.metrics == at_once.metrics


def test_samples_come_back_from_the_mirror_when_the_folder_is_lost(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(evaluation=SAMPLES)
    uri = f"file://{tmp_path / 'mirror'}"
    stop_at(4, config, sum_task, tmp_path / "pod-0", uri)
    shutil.rmtree(tmp_path / "pod-0")

    resumed = evaluate(config, sum_task, tmp_path / "pod-1", uri)

    assert resumed.resumed_from_step == 4
    assert len(ids_of(tmp_path / "mirror")) == 10
    assert (tmp_path / "mirror" / "results-sampled.json").is_file()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"evaluation": {**SAMPLES, "temperature": 0.9}}, "another model, adapter or other"),
        ({"checkpoint": {"every_seconds": None, "resume": "never"}}, ""),
    ],
    ids=["other settings", "resume: never"],
)
def test_answers_that_do_not_count_are_generated_anew(
    change: dict[str, Any], says: str, make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    stop_at(4, make_config(evaluation=SAMPLES), sum_task, tmp_path)

    resumed = evaluate(make_config(**{"evaluation": SAMPLES, **change}), sum_task, tmp_path)

    assert resumed.resumed_from_step == 0
    assert len(ids_of(tmp_path)) == 14
    assert any(says in warning for warning in resumed.warnings) or not says


def test_a_damaged_line_is_generated_again_and_told_of(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(evaluation=SAMPLES)
    whole = evaluate(config, sum_task, tmp_path)
    before = answers_of(tmp_path)
    path = tmp_path / File.EVAL_SAMPLES
    content = bytearray(path.read_bytes())
    content[content.index(b'"text": "') + 9] ^= 1
    path.write_bytes(content)

    again = evaluate(config, sum_task, tmp_path)

    assert again.resumed_from_step == 9
    assert any("1 lines of eval_samples.jsonl were damaged" in w for w in again.warnings)
    assert again.metrics == whole.metrics
    assert answers_of(tmp_path) == before


def test_a_stop_is_seen_between_two_tokens(make_config: Any, sum_task: Any, tmp_path: Path) -> None:
    config = make_config(evaluation={**SAMPLES, "batch_size": 999, "max_new_tokens": 100})

    stopped = stop_at(0, config, sum_task, tmp_path)

    assert (stopped.exit_code, stopped.global_step) == (75, 0)
    assert not (tmp_path / File.EVAL_SAMPLES).exists()


def killed_or_done(seconds: float, evaluate_in_child: Any) -> int:
    """Runs in a child that the system kills after some time; returns how it ended."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # its default is to end the process
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            evaluate_in_child()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.long
def test_an_evaluation_killed_at_random_moments_ends_as_if_it_had_not_been(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    rng = random.Random(5)
    asked = [{"id": f"q{i}", "prompt": f"{i}+1=", "completion": "5"} for i in range(60)]
    config = make_config(
        task={"eval_rows": asked}, evaluation={**SAMPLES, "batch_size": 6, "max_new_tokens": 24}
    )
    evaluate(config, sum_task, tmp_path / "at-once")
    folder, ends, kept = tmp_path / "killed", [], 0

    for attempt in range(60):
        seconds = rng.uniform(0.1, 1.0 + 0.1 * attempt)  # however slow the machine, one gets there
        ends.append(killed_or_done(seconds, lambda: evaluate(config, sum_task, folder)))
        path = folder / File.EVAL_SAMPLES
        lines = path.read_bytes().count(b"\n") if path.exists() else 0
        assert lines >= kept
        kept = lines
        if ends[-1] == 0:
            break

    assert ends[-1] == 0
    assert set(ends[:-1]) == {-signal.SIGALRM}
    assert len(ends) > 2
    assert answers_of(folder) == answers_of(tmp_path / "at-once")
    assert JobResult.load(folder / File.JOB_RESULT).metrics == (
        JobResult.load(tmp_path / "at-once" / File.JOB_RESULT).metrics
    )
