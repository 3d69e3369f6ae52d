"""`tenyson replay` and `tenyson diff` on real runs."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tenyson.cli.main import main
from tenyson.contract import ExitCode, File, JobType
from tenyson.jobs.options import RunOptions
from tenyson.jobs.result import JobResult
from tenyson.jobs.rl import RLJob
from tenyson.jobs.sft import SFTJob

pytestmark = pytest.mark.train


@pytest.fixture(autouse=True)
def surroundings() -> Iterator[None]:
    """Undoes what a command does to its process."""
    env = dict(os.environ)
    handlers = {s: signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGINT)}
    yield
    os.environ.clear()
    os.environ.update(env)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def sft(build_config: Any, sum_task: Any, tmp_path_factory: pytest.TempPathFactory) -> JobResult:
    folder = tmp_path_factory.mktemp("sft")
    return SFTJob(build_config(), sum_task, output_dir=folder, run_id="the-sft-run").run()


@pytest.fixture(scope="module")
def rl(
    build_config: Any, sum_task: Any, sft: JobResult, tmp_path_factory: pytest.TempPathFactory
) -> JobResult:
    """Goes on from the SFT run's adapter, by one of those that the environment may name."""
    config = build_config(training={"max_steps": 3}, rl={"num_iterations": 2})
    options = RunOptions(adapter_path=sft.local_output_dir, adapter_sha256=sft.adapter_sha256)
    folder = tmp_path_factory.mktemp("rl")
    return RLJob(config, sum_task, output_dir=folder, options=options, run_id="the-rl-run").run()


def manifest_of(folder: str | Path | None) -> dict[str, Any]:
    return json.loads((Path(str(folder)) / File.MANIFEST).read_text(encoding="utf-8"))


@pytest.mark.parametrize("job_type", [JobType.SFT, JobType.RL])
def test_a_replay_has_the_same_weights_to_the_last_bit(
    job_type: JobType, sft: JobResult, rl: JobResult, tmp_path: Path, capsys: Any
) -> None:
    original = sft if job_type is JobType.SFT else rl
    manifest = f"{original.local_output_dir}/{File.MANIFEST}"

    code = main(["replay", manifest, "--output", str(tmp_path)])

    said = capsys.readouterr().err
    assert code == ExitCode.DONE, said
    again = JobResult.load(tmp_path / File.JOB_RESULT)
    assert again.adapter_sha256 == original.adapter_sha256
    assert again.run_id != original.run_id
    assert manifest_of(tmp_path)["replay_of"] == original.run_id
    assert "Code, versions and weights are those of the original" in said
    assert again.warnings == []
    assert main(["diff", str(original.local_output_dir), str(tmp_path)]) == 0


def test_an_rl_run_knows_the_sft_run_that_its_adapter_comes_from(
    sft: JobResult, rl: JobResult
) -> None:
    manifest = manifest_of(rl.local_output_dir)

    assert [run["run_id"] for run in manifest["parent_runs"]] == ["the-sft-run"]
    assert manifest["parent_runs"][0]["step"] == 6
    assert manifest["adapter_parent"]["sha256"] == sft.adapter_sha256
    kept = json.loads(
        Path(str(rl.local_output_dir), "checkpoint-final", File.CHECKPOINT_MANIFEST).read_text()
    )
    assert [run["run_id"] for run in kept["parent_runs"]] == ["the-sft-run"]


def test_every_attempt_keeps_a_manifest_of_its_own(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    checkpoint = {"every_steps": 1}
    for steps in (1, 2):
        config = make_config(training={"max_steps": steps}, checkpoint=checkpoint)
        result = SFTJob(config, sum_task, output_dir=tmp_path).run()

    assert result.manifest_uri == str(tmp_path / File.MANIFEST)
    assert result.dataset_fingerprints == {
        "train": manifest_of(tmp_path)["datasets"]["train"]["fingerprint"]
    }
    told = [manifest_of(tmp_path / f"attempt-{n}") for n in (0, 1)]
    assert [(m["attempt"], m["resumed_from_step"]) for m in told] == [(0, 0), (1, 1)]
    assert manifest_of(tmp_path) == told[1]


@pytest.mark.parametrize("force", [False, True])
def test_a_replay_on_other_data_is_refused_before_it_trains(
    force: bool, sft: JobResult, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = manifest_of(sft.local_output_dir)
    manifest["datasets"]["train"]["fingerprint"] = "0" * 64
    (tmp_path / File.MANIFEST).write_text(json.dumps(manifest))
    arguments = ["replay", str(tmp_path), "--output", str(tmp_path / "again")]

    code = main([*arguments, *(["--force"] if force else [])])

    result = JobResult.load(tmp_path / "again" / File.JOB_RESULT)
    assert "train.fingerprint" in caplog.text
    if force:
        assert code == ExitCode.DONE
        assert "on other data (train.fingerprint)" in result.warnings[0]
    else:
        assert code == ExitCode.TASK
        assert result.global_step == 0
        assert result.failure is not None
        assert "--force" in result.failure.hint


def test_a_replay_on_other_weights_is_refused_before_anything_is_loaded(
    sft: JobResult, tmp_path: Path, capsys: Any
) -> None:
    manifest = manifest_of(sft.local_output_dir)
    manifest["model"]["weights_sha256"] = "0" * 64
    manifest["versions"]["trl"] = "1.0.0"
    (tmp_path / File.MANIFEST).write_text(json.dumps(manifest))

    code = main(["replay", str(tmp_path), "--output", str(tmp_path / "again")])

    said = capsys.readouterr().err
    assert code == ExitCode.TASK
    assert "weights (model.weights_sha256)" in said
    assert "1.0.0" in said
    assert not (tmp_path / "again").exists()


def test_a_dry_run_of_a_replay_says_what_it_would_do_and_does_nothing(
    sft: JobResult, tmp_path: Path, capsys: Any
) -> None:
    folder = tmp_path / "again"

    code = main(["replay", str(sft.local_output_dir), "--output", str(folder), "--dry-run"])

    assert code == ExitCode.DONE
    assert "--job-type sft" in capsys.readouterr().err
    assert not folder.exists()


def test_a_replay_does_not_go_into_another_runs_folder(
    sft: JobResult, rl: JobResult, capsys: Any
) -> None:
    code = main(["replay", str(sft.local_output_dir), "--output", str(rl.local_output_dir)])

    assert code == ExitCode.CONFIG
    assert "holds run the-rl-run" in capsys.readouterr().err


def test_diff_says_why_two_runs_differ_and_where_they_part(
    make_config: Any, sum_task: Any, sft: JobResult, tmp_path: Path, capsys: Any
) -> None:
    config = make_config(training={"learning_rate": 0.02})
    SFTJob(config, sum_task, output_dir=tmp_path).run()
    capsys.readouterr()

    code = main(["diff", str(sft.local_output_dir), str(tmp_path)])

    said = capsys.readouterr().out
    assert code == 1
    causes = said.partition("Why they may differ")[2].partition("What came of it")[0]
    rows = [line.split() for line in causes.splitlines() if line.strip()]
    assert rows[1:] == [["configuration", "training.learning_rate", "0.01", "0.02"]]
    assert "train_loss" in said
    assert "Their logs part at step 2: learning_rate" in said.replace("loss", "learning_rate")
