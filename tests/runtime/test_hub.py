"""A finished run is pushed to the Hub; one whose push failed is only pushed again."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import Env, ExitCode, File
from tenyson.errors import ConfigError, CredentialsError, DependencyError
from tenyson.jobs.options import HubTarget, RunOptions
from tenyson.jobs.result import JobResult
from tenyson.jobs.sft import SFTJob
from tests.runtime import hub_server
from tests.runtime.hub_server import TOKEN, Hub

pytestmark = pytest.mark.train
REPO = "owner/sums"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub that the library speaks to, without the pauses between tries."""
    from huggingface_hub import constants

    from tenyson.jobs.outcome import _hub

    with hub_server.serving() as hub:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(_hub, "PAUSES_SECONDS", (0.0,))
        yield hub


def job(config: dict[str, Any], task: Any, folder: Path, **options: Any) -> SFTJob:
    target = options.pop("hub", HubTarget(REPO, token=TOKEN))
    return SFTJob(
        config, task, run_id="run-5", output_dir=folder, options=RunOptions(hub=target, **options)
    )


def test_a_runner_pushes_the_adapter_with_a_card(
    make_config: Any, task_file: Path, tmp_path: Path
) -> None:
    """A real process, and real HTTP through the variables that the controller sets."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps(make_config(training={"max_steps": 2})), encoding="utf-8")
    with hub_server.serving() as hub:
        env = {
            **os.environ,
            Env.HUB_REPO: REPO,
            Env.HUB_PRIVATE: "true",
            Env.HUB_TOKEN: TOKEN,
            Env.RUN_ID: "run-5",
            "HF_ENDPOINT": hub.url,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
        }
        command = [sys.executable, "-m", "tenyson.runner", "--job-type", "sft"]
        command += ["--config", str(config), "--task-module", f"{task_file}:SumTask"]
        done = subprocess.run(
            [*command, "--output-dir", str(tmp_path / "out")],
            env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert done.returncode == 0, done.stderr
    result = JobResult.load(tmp_path / "out" / File.JOB_RESULT)
    assert (result.hf_repo_id, result.hf_revision) == (REPO, hub.commits[-1])
    files = hub.repos[REPO]
    final = tmp_path / "out" / File.FINAL_CHECKPOINT
    assert files[File.ADAPTER_WEIGHTS] == (final / File.ADAPTER_WEIGHTS).read_bytes()
    assert File.CHECKPOINT_MANIFEST not in files
    assert hub.private == {REPO: True}
    card = files["README.md"].decode()
    manifest = json.loads((tmp_path / "out" / File.MANIFEST).read_text(encoding="utf-8"))
    for fact in (manifest["config_sha256"], result.adapter_sha256, "run-5", "train_loss"):
        assert str(fact) in card
    assert f'PeftModel.from_pretrained(model, "{REPO}")' in card
    assert "base_model" not in card.split("---")[1], "a folder of this machine is no base model"


def test_a_busy_hub_is_tried_again(
    hub: Hub, make_config: Any, sum_task: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import HfApi

    create = HfApi.create_repo

    def create_on_a_bad_day(*args: Any, **kwargs: Any) -> Any:
        hub.away = 1 if not hub.commits and "POST /api/repos/create" not in hub.requests else 0
        return create(*args, **kwargs)

    monkeypatch.setattr(HfApi, "create_repo", create_on_a_bad_day)

    result = job(make_config(training={"max_steps": 1}), sum_task, tmp_path).run()

    assert hub.requests.count("POST /api/repos/create") == 2
    assert result.hf_revision == hub.commits[-1]


@pytest.mark.parametrize(("storage", "resume"), [("volume", "never"), ("bucket", "auto")])
def test_a_run_whose_push_failed_is_only_pushed_again(
    storage: str,
    resume: str,
    hub: Hub,
    make_config: Any,
    sum_task: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from huggingface_hub import HfApi

    uri = f"file://{tmp_path}/bucket" if storage == "bucket" else None
    config = make_config(training={"max_steps": 2}, checkpoint={"resume": resume})
    with monkeypatch.context() as patch:
        patch.setattr(HfApi, "create_repo", _unreachable)
        first = job(config, sum_task, tmp_path / "one", output_uri=uri)
        with pytest.raises(DependencyError, match="cannot be reached") as raised:
            first.run()
    assert raised.value.exit_code == ExitCode.DEPENDENCY
    assert first.result is not None
    assert first.result.adapter_sha256

    folder = tmp_path / ("two" if storage == "bucket" else "one")
    again = job(config, sum_task, folder, output_uri=uri)
    monkeypatch.setattr(again, "_train_or_evaluate", _trains_again)
    result = again.run()

    assert result.adapter_sha256 == first.result.adapter_sha256
    assert result.metrics == first.result.metrics
    assert (result.attempt, result.global_step) == (1, 2)
    assert [a["path"] for a in result.artifacts] == [
        File.FINAL_CHECKPOINT, File.METRICS, File.MANIFEST,
    ]  # fmt: skip
    assert result.hf_revision == hub.commits[-1]
    assert "How to load it" in hub.repos[REPO]["README.md"].decode()


def test_a_push_that_was_done_makes_no_second_commit(
    hub: Hub, make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(training={"max_steps": 1})
    first = job(config, sum_task, tmp_path).run()

    second = job(config, sum_task, tmp_path).run()

    assert len(hub.commits) == 1
    assert second.hf_revision == first.hf_revision


def test_a_finished_run_that_is_to_start_anew_does(
    hub: Hub, make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(training={"max_steps": 1}, checkpoint={"resume": "never"})
    job(config, sum_task, tmp_path).run()
    again = job(config, sum_task, tmp_path)
    again._train_or_evaluate = _trains_again  # type: ignore[method-assign]

    with pytest.raises(AssertionError, match="trained again"):
        again.run()


@pytest.mark.parametrize(
    ("target", "error", "says"),
    [
        (HubTarget(REPO), CredentialsError, "has no token"),
        (HubTarget(REPO, token="hf_bad"), CredentialsError, "refuses the token"),
        (HubTarget("not/a/name", token=TOKEN), ConfigError, "output.hub.repo"),
    ],
    ids=["no token", "bad token", "bad name"],
)
def test_what_cannot_be_pushed_is_said_before_the_training(
    target: HubTarget,
    error: type[Exception],
    says: str,
    hub: Hub,
    make_config: Any,
    sum_task: Any,
    tmp_path: Path,
) -> None:
    run = job(make_config(), sum_task, tmp_path, hub=target)
    run._train_or_evaluate = _trains_again  # type: ignore[method-assign]

    with pytest.raises(error) as raised:
        run.run()

    assert says in str(raised.value)


def test_a_token_that_may_not_write_ends_with_77_and_loses_nothing(
    hub: Hub, make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    hub.may_write = False
    run = job(make_config(training={"max_steps": 1}), sum_task, tmp_path)

    with pytest.raises(CredentialsError, match="refuses the token for owner/sums") as raised:
        run.run()

    assert raised.value.exit_code == ExitCode.CREDENTIALS
    assert hub.requests.count("POST /api/repos/create") == 1, "nothing gets better by trying"
    assert (tmp_path / File.FINAL_CHECKPOINT / File.ADAPTER_WEIGHTS).is_file()
    assert JobResult.load(tmp_path / File.JOB_RESULT).metrics


@pytest.mark.parametrize(
    ("env", "target"),
    [
        ({}, None),
        ({Env.HUB_REPO: "a/b"}, HubTarget("a/b", True, None)),
        (
            {Env.HUB_REPO: "a/b", Env.HUB_PRIVATE: "false", Env.HUB_TOKEN: "t"},
            HubTarget("a/b", False, "t"),
        ),
    ],
    ids=["none", "private unless told", "all"],
)
def test_the_target_comes_from_the_environment(env: dict[str, str], target: Any) -> None:
    assert RunOptions.from_environment(env).hub == target


def test_a_private_that_is_neither_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected true or false, got 'yes'"):
        RunOptions.from_environment({Env.HUB_REPO: "a/b", Env.HUB_PRIVATE: "yes"})


def test_a_token_is_never_shown() -> None:
    assert "secret" not in repr(RunOptions(hub=HubTarget("a/b", token="secret")))


def _unreachable(*args: Any, **kwargs: Any) -> Any:
    import httpx

    raise httpx.ConnectError("connection refused")


def _trains_again(context: Any) -> None:
    raise AssertionError("it trained again")
