import http.client
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tenyson.jobs.eval import EvalJob
from tenyson.jobs.options import RunOptions
from tenyson.jobs.sft import SFTJob
from tenyson.progress import Progress, ProgressEndpoint, ProgressPusher, wire_format
from tests.runtime.progress_listener import listener as listener  # a fixture
from tests.runtime.progress_listener import metrics_of


def test_the_wire_format_is_kubeflow_trainers() -> None:
    status = wire_format(Progress(3, 12, {"loss": 0.5, "reward": 1.5, "unknown": 1}, 9.7))

    trainer = status["trainerStatus"]
    assert trainer["progressPercentage"] == 25
    assert trainer["estimatedRemainingSeconds"] == 9
    assert trainer["metrics"] == [
        {"name": "step", "value": "3"},
        {"name": "total_steps", "value": "12"},
        {"name": "loss", "value": "0.5"},
        {"name": "reward", "value": "1.5"},
    ]
    assert trainer["lastUpdatedTime"].endswith("+00:00")


def test_the_last_progress_always_arrives_with_the_token_of_the_moment(
    tmp_path: Path, listener: Any
) -> None:
    token = tmp_path / "token"
    token.write_text("first\n", encoding="utf-8")
    sent = threading.Event()
    pusher = ProgressPusher(ProgressEndpoint(listener.url, str(token)), interval_seconds=3600)
    post = pusher._send
    pusher._send = lambda progress: (post(progress), sent.set())[0]  # type: ignore[func-returns-value]
    pusher.update(Progress(1, 10))
    assert sent.wait(10)
    token.write_text("renewed\n", encoding="utf-8")
    for step in range(2, 11):
        pusher.update(Progress(step, 10))

    pusher.close()

    assert [token for token, _ in listener.got] == ["Bearer first", "Bearer renewed"]
    assert listener.got[-1][1]["trainerStatus"]["progressPercentage"] == 100


@pytest.mark.parametrize("trouble", ["refused", "500", "no token"])
def test_a_push_that_fails_is_only_a_warning(
    tmp_path: Path, listener: Any, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    listener.status = 500 if trouble == "500" else 200
    url = "http://127.0.0.1:9/" if trouble == "refused" else listener.url
    token = str(tmp_path / "missing") if trouble == "no token" else None
    pusher = ProgressPusher(ProgressEndpoint(url, token), interval_seconds=0)

    for step in range(3):
        pusher.update(Progress(step, 3))
    pusher.close()

    assert "not getting through" in caplog.text
    assert caplog.text.count("WARNING") == 1


def test_an_answer_that_is_no_http_does_not_end_the_pushing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sent: list[int] = []

    def send(progress: Progress) -> None:
        sent.append(progress.step)
        if progress.step == 0:
            raise http.client.BadStatusLine("SSH-2.0")

    pusher = ProgressPusher(ProgressEndpoint("http://x/"), interval_seconds=0, send=send)
    pusher.update(Progress(0, 1))
    wait_for(lambda: sent == [0])
    pusher.update(Progress(1, 1))
    pusher.close()

    assert sent == [0, 1]
    assert "not getting through" in caplog.text


def test_a_run_that_says_nothing_new_repeats_itself(listener: Any) -> None:
    sent = threading.Semaphore(0)
    pusher = ProgressPusher(
        ProgressEndpoint(listener.url), interval_seconds=0, heartbeat_seconds=0.01
    )
    post = pusher._send
    pusher._send = lambda progress: (post(progress), sent.release())[0]  # type: ignore[func-returns-value]

    pusher.update(Progress(7, 10))
    for _ in range(3):
        assert sent.acquire(timeout=10)
    pusher.close()

    steps = [body["trainerStatus"]["metrics"][0]["value"] for _, body in listener.got]
    assert len(steps) >= 3
    assert set(steps) == {"7"}


def test_a_pusher_with_nothing_to_say_is_silent(listener: Any) -> None:
    pusher = ProgressPusher(
        ProgressEndpoint(listener.url), interval_seconds=0, heartbeat_seconds=0.01
    )

    pusher.close()

    assert listener.got == []


def test_the_total_is_left_out_while_nobody_knows_it() -> None:
    metrics = wire_format(Progress(0, 0))["trainerStatus"]["metrics"]

    assert metrics == [{"name": "step", "value": "0"}]


def test_a_step_that_nobody_knows_is_not_told() -> None:
    assert metrics_of(wire_format(Progress(None, 300))) == {"total_steps": "300"}


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.train
def test_progress_starts_before_the_model_is_loaded_and_tells_of_checkpoints(
    make_config: Any,
    sum_task: Any,
    listener: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tenyson.jobs.training import _sft

    before_loading = []
    locate_model = _sft.locate_model

    def wait_for_a_push(*args: Any) -> Any:
        wait_for(lambda: listener.got)
        before_loading.append(metrics_of(listener.got[-1][1]))
        return locate_model(*args)

    monkeypatch.setattr(_sft, "locate_model", wait_for_a_push)
    # A pod of Kubeflow's has these; the trainer's own callback would report once more.
    monkeypatch.setenv("KUBEFLOW_TRAINER_SERVER_URL", listener.url)
    monkeypatch.setenv("KUBEFLOW_TRAINER_SERVER_TOKEN", str(tmp_path / "token"))
    (tmp_path / "token").write_text("kubeflow", encoding="utf-8")
    options = RunOptions(progress=ProgressEndpoint(listener.url))
    last = []
    for steps in (4, 6):
        config = make_config(training={"max_steps": steps}, checkpoint={"every_steps": 2})
        listener.got.clear()
        SFTJob(config, sum_task, output_dir=tmp_path, options=options).run()
        assert {token for token, _ in listener.got} == {None}, "reported twice"
        last.append(metrics_of(listener.got[-1][1]))

    assert before_loading == [
        {"step": "0", "total_steps": "4"},
        {"step": "4", "total_steps": "6", "checkpoint_step": "4"},
    ]
    assert [(m["step"], m["checkpoint_step"]) for m in last] == [("4", "4"), ("6", "6")]


@pytest.mark.train
def test_an_evaluation_reports_rows_from_the_start(
    make_config: Any, sum_task: Any, listener: Any, tmp_path: Path
) -> None:
    options = RunOptions(progress=ProgressEndpoint(listener.url))

    EvalJob(make_config(), sum_task, output_dir=tmp_path, options=options).run()

    assert metrics_of(listener.got[0][1]) == {}  # which rows are answered, nobody knows yet
    assert metrics_of(listener.got[-1][1]) == {"step": "10", "total_steps": "10"}
