"""No secret is written into a manifest, and a repetition says what it leaves out."""

from dataclasses import replace
from pathlib import Path

import pytest

from tenyson.config import parse_config
from tenyson.contract import Env
from tenyson.manifest.content import Parts, as_json, manifest_content
from tenyson.manifest.repetition import repetition_of
from tenyson.manifest.secret import hide_password, recorded_environment
from tests.runtime.manifests import changed


def test_no_secret_of_the_environment_is_written_down() -> None:
    env = {"HF_TOKEN": "s", "AWS_SECRET_ACCESS_KEY": "s", Env.TELEMETRY_DB_URL: "s"}

    assert recorded_environment({**env, "OMP_NUM_THREADS": "1"}) == {"OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize("start", ["", "telemetry.db_url=", "--set=telemetry.db_url="])
@pytest.mark.parametrize(
    ("url", "shown"),
    [
        *(
            (f"postgresql://me:{password}@h:5432/d", "postgresql://me:***@h:5432/d")
            for password in (
                "SECRET",
                "SEC/RET",
                "SEC#RET",
                "SEC?RET",
                "[SECRET",
                "SEC:RET",
                "S@RET",
            )
        ),
        ("postgresql://:SECRET@h/d", "postgresql://:***@h/d"),
        ("postgresql://me@corp:SECRET@h/d?a=b", "postgresql://me@corp:***@h/d?a=b"),
        ("postgresql://h:5432/d?user=me&password=S@RET", "postgresql://h:5432/d?***"),
        ("postgresql://me@h:5432/d", "postgresql://me@h:5432/d"),
        ("sqlite:////data/rows.db", "sqlite:////data/rows.db"),
    ],
)
def test_a_password_is_hidden_whatever_it_holds(url: str, shown: str, start: str) -> None:
    assert hide_password(start + url) == start + shown


def test_no_part_of_a_manifest_holds_a_secret(tmp_path: Path) -> None:
    url = "postgresql://me:SEC/RET@h/db"
    task = {
        "judge_api_key": "SECRET", "judges": [{"hf_token": "SECRET"}],
        "eos_token": "<end>", "max_tokens": 5, "secret": "", "tokens": "many",
        "prompt": "Ask http://h:80/a,\n or me@h.",
    }  # fmt: skip
    config = parse_config(
        {
            "model": "m",
            "telemetry": {"db_url": url},
            "task": task,
            "data": {"dataset": "words", "dataset_store": "s3://KEY:SECRET@bucket/sets"},
        }
    ).model_dump()
    parts = Parts(
        run_id="r",
        attempt=0,
        job_type="sft",
        config=config,
        recipe="task:Task",
        task={},
        datasets={"train": {"fingerprint": "f"}},
        model={},
        tokenizer={},
        folder=tmp_path,
        command=(
            *("python", "--set", f"telemetry.db_url={url}", f"--set=telemetry.db_url={url}"),
            *("--set", "task.judge_api_key=SECRET", "--set=task.judge_api_key=SECRET"),
            *("--set", "task.max_tokens=5"),
        ),
        notes={"read_as": [f"`db_url: {url}` as telemetry.db_url"]},
    )

    content = manifest_content(parts)
    text = as_json(content)

    assert "me:***@h/db" in text
    assert "RET" not in text
    hidden = {"judge_api_key": "***", "judges": [{"hf_token": "***"}]}
    assert content["config"]["task"] == task | hidden
    assert content["config"]["data"]["dataset_store"] == "s3://KEY:***@bucket/sets"
    assert content["command"][-1] == "task.max_tokens=5"
    other = {**config, "task": {**task, "judge_api_key": "ANOTHER"}}
    again = manifest_content(replace(parts, config=other))
    assert again["config_sha256"] == content["config_sha256"], "a new password is no other run"


def test_a_repetition_leaves_secrets_out_and_says_so(tmp_path: Path) -> None:
    task = {"judge_api_key": "***", "judge": {"url": "http://me:***@h"}, "prompt": "*** Hi ***"}
    manifest = changed("config/task", task)

    again = repetition_of(manifest, tmp_path)

    left = {"judge_api_key": None, "judge": {"url": None}, "prompt": "*** Hi ***"}
    assert again.config["task"] == left
    assert [note.split()[0] for note in again.notes if "secret" in note] == [
        "task.judge_api_key", "task.judge.url",
    ]  # fmt: skip
