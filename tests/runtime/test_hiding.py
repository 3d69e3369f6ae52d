"""Values that are secret, in whatever a process says."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tenyson.contract import Env
from tenyson.hiding import (
    HidingStream,
    forget,
    has_password,
    hide,
    hide_in,
    is_secret_name,
    learn,
    secrets_of,
)
from tenyson.jobs.result import Failure, JobResult
from tenyson.manifest.secret import secrets_in
from tenyson.telemetry.row_queue import Unit
from tenyson.telemetry.rows import Row
from tenyson.telemetry.writer import Writer

TOKEN = "hf_Canary/1@x"


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    forget()
    yield
    forget()


def test_without_a_secret_nothing_changes() -> None:
    content = {"a": ["b", 1, None]}
    assert hide_in(content) is content
    assert hide("text") == "text"


def test_a_value_is_hidden_in_every_spelling_and_a_longer_one_whole() -> None:
    learn([TOKEN, f"{TOKEN}-and-more"])
    assert hide(f"401 for {TOKEN}!") == "401 for ***!"
    assert hide("https://h/?t=hf_Canary%2F1%40x") == "https://h/?t=***"
    assert hide(f"{TOKEN}-and-more") == "***"
    learn(['with "quotes" in it'])
    assert hide(json.dumps({"a": 'with "quotes" in it'})) == '{"a": "***"}'
    assert hide_in({TOKEN: [TOKEN, {"a": (TOKEN, 1)}]}) == {"***": ["***", {"a": ["***", 1]}]}


def test_each_line_of_a_key_is_hidden_and_a_short_value_is_not() -> None:
    learn(["-----BEGIN KEY-----\nMIIEvQIBADAN\n\nBgkqhkiG9w0B\n", "abc", "", "yes"])
    assert hide("at MIIEvQIBADAN then BgkqhkiG9w0B") == "at *** then ***"
    assert hide("abc yes") == "abc yes"


def test_what_of_an_environment_is_secret() -> None:
    environment = {
        Env.SECRETS: "WANDB_ENTITY,EMPTY,MISSING",
        "WANDB_ENTITY": "from-a-secret",
        "EMPTY": "",
        "HF_TOKEN": "by-its-name",
        "PGPASSWORD": "by-its-name-too",
        "KUBEFLOW_TRAINER_SERVER_TOKEN": "/tenyson/progress/token",
        "TOKENIZERS_PARALLELISM": "false",
        "HTTPS_PROXY": "http://me:of-a-url@proxy:8080",
        "DB": "postgresql://h/d?user=me&password=in-a-query",
        "PATH": "/usr/bin",
    }
    assert {value for value in secrets_of(environment) if value} == {
        "from-a-secret", "by-its-name", "by-its-name-too", "of-a-url", "in-a-query",
    }  # fmt: skip


def test_what_of_a_configuration_is_secret() -> None:
    config: dict[str, Any] = {
        "telemetry": {"db_url": "postgresql://me:SEC/RET@h/d"},
        "task": {"judge_api_key": "key", "judges": [{"hf_token": "token"}], "eos_token": "<end>"},
        "data": {"dataset_store": "s3://bucket/sets"},
    }
    assert list(secrets_in(config)) == ["SEC/RET", "key", "token"]


@pytest.mark.parametrize("name", ["HF_TOKEN", "judge_api_key", "password", "AWS_SECRET_ACCESS_KEY"])
def test_a_secrets_name(name: str) -> None:
    assert is_secret_name(name)
    assert not is_secret_name(f"{name}S_PATH")


@pytest.mark.parametrize(
    ("url", "has"),
    [
        ("postgresql://me:pw@h/d", True),
        ("postgresql://h/d?password=pw", True),
        ("postgresql://me@h:5432/d", False),
        ("abfs://runs@account.example/x", False),
        ("sqlite:////data/x.db", False),
        ("", False),
    ],
)
def test_a_urls_password_is_found(url: str, has: bool) -> None:
    assert has_password(url) is has


def test_a_result_tells_no_secret_wherever_it_goes() -> None:
    learn([TOKEN])
    failure = Failure("ValueError", f"401 for {TOKEN}", f"Not {TOKEN}.")
    result = JobResult("r", "failed", 1.0, failure=failure, warnings=[TOKEN], stop_reason=TOKEN)
    for text in (result.to_json(), result.termination_message()):
        assert TOKEN not in text
        assert "401 for ***" in text


def test_a_stream_hides_and_is_otherwise_the_stream_it_was() -> None:
    learn([TOKEN])
    inner = io.StringIO()
    stream: Any = HidingStream(inner)
    print("a", TOKEN, "b", file=stream)
    stream.writelines([f"{TOKEN}\n", "c\n"])
    assert inner.getvalue() == "a *** b\n***\nc\n"
    assert stream.write(TOKEN) == len(TOKEN)
    assert stream.isatty() is False


def test_no_row_on_its_way_to_the_database_holds_one() -> None:
    learn([TOKEN])
    rows = Writer._build(
        object.__new__(Writer), [Unit.of([Row("events", {"message": TOKEN, "details": [TOKEN]})])]
    )
    assert rows == [Row("events", {"message": "***", "details": ["***"]})]
