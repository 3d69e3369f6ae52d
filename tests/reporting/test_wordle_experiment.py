"""The Wordle experiment's chain and report, with jobs that only pretend to train."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tenyson.errors import TaskError
from tenyson.examples.wordle import experiment
from tenyson.examples.wordle.report import build_report
from tenyson.jobs.job import Job
from tenyson.jobs.result import JobResult

RIGHT = {"wordle-base-eval": 8, "wordle-sft-eval": 30, "wordle-eval": 45}
"""Of 64 prompts."""


class Pretender:
    """Leaves what a job would leave, and keeps the jobs."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def __call__(self, job: Job) -> JobResult:
        self.jobs.append(job)
        job.output_dir.mkdir(parents=True)
        metrics = {"loss": 0.5}
        if job.run_id in RIGHT:
            metrics = {"accuracy": RIGHT[job.run_id] / 64, "chance": 0.125}
            rows = [
                {"id": f"h{i}", "prompt": f"p{i}", "correct": int(i < RIGHT[job.run_id])}
                for i in range(64)
            ]
            results = {"detailed_results": rows}
            (job.output_dir / "results.json").write_text(json.dumps(results))
        else:
            lines = [{"step": s, "loss": 1 / (1 + s), "reward": s / 10} for s in range(9)]
            text = "".join(f"{json.dumps(line)}\n" for line in lines)
            (job.output_dir / "metrics.jsonl").write_text(text)
        config: Any = job.config
        seed = config.get("training", {}).get("seed")
        manifest = {"seed": seed, "training_config": {"model": config["model"]["name"]}}
        (job.output_dir / "run_manifest.json").write_text(json.dumps(manifest))
        return JobResult(
            job.run_id, "success", 1.5, metrics, local_output_dir=str(job.output_dir),
            job_type=job.job_type.value, telemetry={"written": 7, "spooled": 0},
        )  # fmt: skip


def test_the_chain_hands_each_adapter_on(tmp_path: Path) -> None:
    run = Pretender()
    experiment.run_experiment(tmp_path, seed=3, run=run)
    configs: Any = {job.run_id: job.config for job in run.jobs}
    assert list(configs) == [
        "wordle-base-eval", "wordle-sft", "wordle-sft-eval", "wordle-rl", "wordle-eval",
    ]  # fmt: skip
    adapters = {name: config.get("adapter", {}).get("path") for name, config in configs.items()}
    sft, rl = (f"{tmp_path}/{name}/checkpoint-final" for name in ("wordle-sft", "wordle-rl"))
    assert adapters == {
        "wordle-base-eval": None,
        "wordle-sft": None,
        "wordle-sft-eval": sft,
        "wordle-rl": sft,
        "wordle-eval": rl,
    }
    assert {configs[name]["training"]["seed"] for name in ("wordle-sft", "wordle-rl")} == {3}
    urls = {config["telemetry"]["db_url"] for config in configs.values()}
    assert urls == {f"sqlite:///{tmp_path}/telemetry.db"}


def test_the_report_states_the_comparison_and_fills_every_placeholder(tmp_path: Path) -> None:
    path = experiment.run_experiment(tmp_path, seed=3, run=Pretender())
    report = path.read_text()
    assert path == tmp_path / "final_report.md"
    assert "- SFT against base: **improved**, +34.4 points" in report
    assert "| RL | 64 | 70.3 % | 58.2 to 80.1 |" in report
    assert "Model `task:tiny`, seed 3." in report
    assert "random word of the list would get 12.5 %" in report
    assert "| wordle-rl | rl | success |" in report
    assert "Placeholders without a value" not in report
    assert "`tenyson report wordle-rl --db-url URL` tells the rest" in report
    assert not re.search(r"\{[a-z_]+\}", report)
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", report)
    assert pictures == ["curves/wordle-sft-loss.svg", "curves/wordle-rl-reward.svg"]
    assert all((tmp_path / picture).is_file() for picture in pictures)


def test_the_report_is_made_from_folders_that_jobs_saw_under_other_names(tmp_path: Path) -> None:
    run = Pretender()
    experiment.run_experiment(tmp_path / "here", run=run)
    results = {}
    for job in run.jobs:
        result = JobResult(job.run_id, "success", 1.0, local_output_dir="/tenyson/output")
        results[job.run_id] = result
    folders = {job.run_id: job.output_dir for job in run.jobs}
    report = build_report(results, tmp_path / "report", folders).read_text()
    assert "| base → RL | +57.8 points |" in report


def test_a_stage_that_is_missing_is_left_out(tmp_path: Path) -> None:
    run = Pretender()
    experiment.run_experiment(tmp_path, run=run)
    report = build_report({}, tmp_path).read_text()
    assert "nothing to compare" in report
    assert "No metrics were logged." in report


def test_quick_changes_steps_and_prompts_only(tmp_path: Path) -> None:
    run = Pretender()
    experiment.run_experiment(tmp_path, quick=True, run=run)
    configs: Any = {job.run_id: job.config for job in run.jobs}
    assert configs["wordle-sft"]["training"]["max_steps"] == 10
    assert configs["wordle-sft"]["training"]["learning_rate"] == 0.003
    assert configs["wordle-eval"]["task"] == {
        "words": "default", "max_turns": 2, "format": "compact", "eval_rows": 64,
    }  # fmt: skip


def test_a_job_that_fails_ends_the_command_with_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: Any, **options: Any) -> Path:
        raise TaskError("The task is wrong.", hint="Mend it.")

    monkeypatch.setattr(experiment, "run_experiment", fail)
    assert experiment.main(["--output", str(tmp_path)]) == 65
    assert capsys.readouterr().err == "The task is wrong. Mend it.\n"


def test_without_matplotlib_the_report_says_so_and_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    report = experiment.run_experiment(tmp_path, run=Pretender()).read_text()
    assert "pip install 'tenyson[report]'" in report
    assert "**improved**" in report


def test_where_the_telemetry_can_be_read_the_whole_report_lies_beside(
    tmp_path: Path, sqlite_chain: str
) -> None:
    results = {name: JobResult(name, "success", 1.0) for name in ("wordle-sft", "wordle-rl")}
    report = build_report(results, tmp_path, db_url=sqlite_chain).read_text()
    assert "[The whole report](report.md)" in report
    assert "RL against base: **improved**" in (tmp_path / "report.md").read_text()


def test_a_database_without_the_runs_leaves_a_sentence(tmp_path: Path, sqlite_chain: str) -> None:
    results = {"wordle-rl": JobResult("unknown", "success", 1.0)}
    report = build_report(results, tmp_path, db_url=sqlite_chain).read_text()
    assert "The whole report could not be made: The database knows no run" in report
