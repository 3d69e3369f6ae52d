"""`tenyson eval generate`: real answers of a tiny model, before and after a training."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tenyson.cli.main import main
from tenyson.contract import RUNS_FOLDER, Env, ExitCode, File
from tenyson.errors import ConfigError
from tenyson.jobs.eval import EvalJob
from tenyson.jobs.evaluating._eval_outputs import _scoring_task
from tenyson.jobs.evaluating.generation import generate_answers, plan_generation
from tenyson.jobs.sft import SFTJob
from tenyson.reporting import delta_report

pytestmark = pytest.mark.train
DRAWN = ("run_manifest.json", "metrics.jsonl", "checkpoint-final", "eval_before.jsonl",
         "eval_after.jsonl", "delta_report.md")  # fmt: skip
SETTINGS = ("--max-new-tokens", "4", "--scorer", "exact", "--scorer", "numeric")


def sums(count: int = 60) -> list[dict[str, Any]]:
    return [
        {"id": f"s{i}", "prompt": f"{a}+{b}=", "expected_answer": str(a + b)}
        for i, (a, b) in enumerate((i % 5, i // 5 % 5) for i in range(count))
    ]


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: Any, sum_task: Any, build_config: Any) -> Path:
    """A place with an evaluation set and a run that has learned most of the sums."""
    place: Path = tmp_path_factory.mktemp("place")
    lines = [json.dumps(row) + "\n" for row in sums()]
    (place / "evalset.jsonl").write_text("".join(lines))
    config = build_config(training={"max_steps": 200, "learning_rate": 0.01})
    there = Path.cwd()
    os.chdir(place)
    try:
        SFTJob(config, sum_task, run_id="my_run").run()  # into the folder of runs without one
    finally:
        os.chdir(there)
    return place


@pytest.fixture
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the current folder."""
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    monkeypatch.chdir(copy)
    monkeypatch.setenv(Env.RESULT_PATH, str(tmp_path / "termination"))
    return copy


def generate(model: str, output: Path, *more: str) -> int:
    arguments = ["--model", model, "--eval-set", "evalset.jsonl", "--output", str(output)]
    return main(["eval", "generate", *arguments, *SETTINGS, *more])


def test_a_runs_folder_ends_up_as_the_document_draws_it(place: Path, capsys: Any) -> None:
    run = Path(RUNS_FOLDER, "my_run")
    before, after = run / "eval_before.jsonl", run / "eval_after.jsonl"

    assert generate("base", before) == 0
    assert generate(str(run / "checkpoint-final"), after) == 0
    report = ["--before", str(before), "--after", str(after)]
    assert main(["eval", "report", *report, "--output", str(run / "delta_report.md")]) == 0

    assert {name for name in DRAWN if (run / name).exists()} == set(DRAWN)
    said = capsys.readouterr().out
    assert "exact: improved." in said
    first = rows_of(after)[0]
    assert {"id", "prompt", "expected_answer", "completion", "score", "seed"} <= first.keys()
    assert first["scores"].keys() == {"exact", "numeric"}
    assert first["model"]["base"] == rows_of(before)[0]["model"]["base"]
    assert first["model"]["adapter_sha256"]
    manifest = json.loads((place / RUNS_FOLDER / "my_run-eval_after" / File.MANIFEST).read_text())
    assert [parent["run_id"] for parent in manifest["parent_runs"]] == ["my_run"]
    again = json.loads((run / File.MANIFEST).read_text())
    assert (again["run_id"], again["job_type"]) == ("my_run", "sft")  # not an evaluation's


def test_a_second_call_generates_nothing_again_and_writes_the_same(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = Path("eval_after.jsonl")
    model = f"{RUNS_FOLDER}/my_run/checkpoint-final"
    settings = {"evaluation": {"max_new_tokens": 4}, "scorers": ["exact"]}
    generate_answers(model, "evalset.jsonl", output, **settings)
    first = output.read_bytes()
    folder = plan_generation(model, "evalset.jsonl", output, **settings).folder
    kept = (folder / File.EVAL_SAMPLES).read_text().splitlines(keepends=True)
    (folder / File.EVAL_SAMPLES).write_text("".join(kept[:41]))
    asked: list[int] = []
    from tenyson.evaluation.engines.hf import HFEngine

    complete = HFEngine._complete
    monkeypatch.setattr(
        HFEngine,
        "_complete",
        lambda self, rows, *more: asked.append(len(rows)) or complete(self, rows, *more),
    )

    generate_answers(model, "evalset.jsonl", output, **settings)

    assert output.read_bytes() == first
    # Batches follow from all prompts; those that were answered whole are not generated again.
    assert 0 < sum(asked) < 60


def test_samples_are_written_one_by_one_with_their_own_scores(place: Path) -> None:
    output = Path("samples.jsonl")
    more = ("--base-model", rows_of_manifest(place), "--temperature", "1.0", "--num-samples", "3")

    assert generate("base", output, *more, "--max-prompts", "7") == 0

    rows = rows_of(output)
    assert [(r["id"], r["sample"]) for r in rows[:4]] == [
        ("s0", 0),
        ("s0", 1),
        ("s0", 2),
        ("s1", 0),
    ]
    assert len(rows) == 21
    assert len({r["completion"] for r in rows}) > 3
    assert rows[0]["settings"]["num_samples"] == 3
    assert delta_report(output, output).prompts == 7


def rows_of_manifest(place: Path) -> str:
    manifest = json.loads((place / RUNS_FOLDER / "my_run" / File.MANIFEST).read_text())
    return str(manifest["model"]["source"])


def test_every_eval_job_leaves_such_a_file(
    place: Path, sum_task: Any, make_config: Any, tmp_path: Path
) -> None:
    adapter = str(place / RUNS_FOLDER / "my_run")
    config = make_config(adapter={"path": adapter}, evaluation={"include_base": True})
    result = EvalJob(config, sum_task, output_dir=tmp_path / "eval").run()

    settings = rows_of(tmp_path / "eval" / File.EVAL_OUTPUTS)[0]["settings"]
    assert settings["loader"] == "transformers"
    assert settings["dtype"] in ("auto", "float32")
    report = delta_report(
        tmp_path / "eval" / "eval_outputs-base.jsonl", tmp_path / "eval" / File.EVAL_OUTPUTS
    )

    assert list(report.changes) == ["correct"]
    assert report.changes["correct"].after.value == result.metrics["accuracy"]
    kinds = [artifact["kind"] for artifact in result.artifacts]
    assert kinds.count("eval_outputs") == 2


def refusal(place: Path, model: str, output: str | Path, **settings: Any) -> str:
    with pytest.raises(ConfigError) as raised:
        plan_generation(model, "evalset.jsonl", output, **settings)
    return str(raised.value)


def test_what_cannot_be_meant_is_refused_before_anything_is_loaded(place: Path) -> None:
    run = f"{RUNS_FOLDER}/my_run"
    (place / "notes.txt").write_text("mine\n")

    assert "model: there is no folder nowhere" in refusal(place, "nowhere", "a.jsonl")
    assert "holds neither an adapter" in refusal(place, f"{run}/attempt-0", "a.jsonl")
    assert "base_model: is needed" in refusal(place, "base", "a.jsonl")
    assert "is the evaluation set itself" in refusal(place, run, "evalset.jsonl")
    assert "was not written by an evaluation" in refusal(place, run, "notes.txt")
    assert "is a folder" in refusal(place, run, run)
    assert "behind a URI" in refusal(place, "s3://bucket/checkpoint-final", "a.jsonl")


def test_answers_of_another_model_are_not_written_over(place: Path, capsys: Any) -> None:
    run = Path(RUNS_FOLDER, "my_run")
    before = run / "eval_before.jsonl"
    assert generate("base", before) == 0
    kept = before.read_bytes()

    assert generate(str(run), before) == ExitCode.CONFIG
    assert "holds answers of a base model, not of the adapter" in capsys.readouterr().err
    assert generate("base", before, "--max-new-tokens", "3") == ExitCode.CONFIG
    assert "holds answers that differ in settings, and stays as it is" in capsys.readouterr().err
    assert before.read_bytes() == kept
    assert generate("base", before, "--max-new-tokens", "3", "--overwrite") == 0
    assert before.read_bytes() != kept


def test_a_bad_evaluation_set_ends_the_command_with_file_and_line(place: Path, capsys: Any) -> None:
    with open("evalset.jsonl", "a", encoding="utf-8") as file:
        file.write('{"id": "s0", "prompt": "1+1=", "expected_answer": "2"}\n')

    assert generate("base", Path(RUNS_FOLDER, "my_run", "eval_before.jsonl")) == ExitCode.TASK
    assert "evalset.jsonl:61: the id 's0' is that of line 1, too" in capsys.readouterr().err
    assert not Path(RUNS_FOLDER, "my_run-eval_before").exists()


def test_another_task_that_scores_is_named_with_a_digest_of_its_section() -> None:
    by_task = {"scorer": ["exact", "task"], "task_module": "mine:Task", "task": {"strict": True}}

    told = _scoring_task(by_task)

    assert told["task_module"] == "mine:Task"
    assert told["task"] != _scoring_task({**by_task, "task": {"strict": False}})["task"]
    assert set(_scoring_task({**by_task, "scorer": ["exact"]}).values()) == {None}
