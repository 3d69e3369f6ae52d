"""What a manifest says, and what two of them disagree on."""

import copy
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tenyson.config import parse_config
from tenyson.contract import Env
from tenyson.errors import ConfigError, TaskError, TaskLoadError
from tenyson.files import sha256_of_file
from tenyson.manifest import hashes
from tenyson.manifest.content import Parts, as_json, manifest_content
from tenyson.manifest.differences import Kind, differences, refused
from tenyson.manifest.git import git_facts
from tenyson.manifest.hashes import tokenizer_facts, weights_of_folder
from tenyson.manifest.lineage import parent_runs
from tenyson.manifest.present import present_state
from tenyson.manifest.reading import read_manifest
from tenyson.manifest.repetition import repetition_of
from tenyson.manifest.secret import hide_password, recorded_environment
from tenyson.manifest.table import difference_lines, shortened
from tenyson.manifest.task_files import task_facts
from tenyson.task_loading import load_task


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True)


def test_a_change_that_is_not_committed_is_told_by_its_hash(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "task.py").write_text("a = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    clean = git_facts(tmp_path)
    (tmp_path / "task.py").write_text("a = 2\n")
    changed = git_facts(tmp_path)
    git(tmp_path, "add", ".")
    staged = git_facts(tmp_path)
    (tmp_path / "task.py").write_text("a = 3\n")

    assert len(clean["git_sha"]) == 40
    assert (clean["git_dirty"], clean["git_diff_sha256"]) == (False, None)
    assert changed["git_dirty"] is True
    assert staged == changed
    assert git_facts(tmp_path)["git_diff_sha256"] != changed["git_diff_sha256"]


def test_changes_that_git_cannot_tell_are_unknown_and_not_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tenyson.manifest.git._git", lambda folder, what, *_: b"abc" if what != "diff" else None
    )

    facts = git_facts(tmp_path)

    assert (facts["git_sha"], facts["git_dirty"], facts["git_diff_sha256"]) == ("abc", None, None)


def test_an_image_without_a_repository_says_its_commit_itself(tmp_path: Path) -> None:
    assert git_facts(tmp_path, {})["git_sha"] is None
    assert git_facts(tmp_path, {Env.GIT_SHA: "abc"})["git_sha"] == "abc"


TASK = """
import helper_of_{name}
class Task:
    def get_sft_dataset(self, config, tokenizer): return []
"""


def task_of(folder: Path, name: str, helper: str = "a = 1\n") -> Any:
    folder.mkdir(exist_ok=True)
    (folder / f"helper_of_{name}.py").write_text(helper)
    (folder / f"{name}.py").write_text(TASK.format(name=name))
    (folder / "unrelated.py").write_text("")
    return load_task(f"{folder / name}.py:Task")


def test_a_tasks_file_is_hashed_with_what_it_imports_from_beside_it(tmp_path: Path) -> None:
    facts = task_facts(task_of(tmp_path, "lone"))

    assert set(facts["files"]) == {"lone.py", "helper_of_lone.py"}
    assert facts["spec"] == f"{tmp_path}/lone.py:Task"
    assert load_task(facts["spec"])
    (tmp_path / "helper_of_lone.py").write_text("a = 2\n")
    assert task_facts(load_task(facts["spec"]))["fingerprint"] != facts["fingerprint"]


def test_a_packages_task_is_hashed_with_all_of_its_package() -> None:
    facts = task_facts(load_task("tenyson.examples.wordle.wordle_task:WordleTask"))

    assert facts["spec"] == "tenyson.examples.wordle.wordle_task:WordleTask"
    assert {"wordle_task.py", "rewards.py", "configs/sft_config.yaml"} <= set(facts["files"])


def test_a_tasks_own_fingerprint_counts_and_its_error_is_the_tasks(tmp_path: Path) -> None:
    task = task_of(tmp_path, "own")
    plain = task_facts(task)["fingerprint"]
    task.fingerprint = lambda: "data of May"

    assert task_facts(task)["own_fingerprint"] == "data of May"
    assert task_facts(task)["fingerprint"] != plain

    task.fingerprint = lambda: 1 / 0
    with pytest.raises(TaskError, match="fingerprint raised ZeroDivisionError"):
        task_facts(task)


def test_a_class_of_a_notebook_is_known_by_its_source() -> None:
    task = type("Task", (), {"__module__": "a_notebook"})()

    facts = task_facts(task)

    assert facts["spec"] is None
    assert list(facts["files"]) == ["<source>"]


def test_a_tokenizers_hash_is_of_what_it_does_not_of_how_it_was_called_last(
    tiny_model: str,
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    facts = tokenizer_facts(tokenizer)
    tokenizer(["1+1=", "2"], padding="max_length", max_length=7, truncation=True)

    assert tokenizer_facts(tokenizer) == facts
    tokenizer.chat_template = "{{ messages }}"
    assert tokenizer_facts(tokenizer)["sha256"] == facts["sha256"]
    assert tokenizer_facts(tokenizer)["chat_template_sha256"] is not None
    tokenizer.add_tokens(["!!"])
    assert tokenizer_facts(tokenizer)["sha256"] != facts["sha256"]


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


def test_an_adapters_lineage_goes_back_over_its_parents() -> None:
    sft = {"run_id": "sft", "job_type": "sft", "step": 100, "files": {}}
    rl = {"run_id": "rl", "job_type": "rl", "step": 300, "parent_runs": parent_runs(sft)}

    assert [run["run_id"] for run in parent_runs(rl)] == ["rl", "sft"]
    assert parent_runs(None) == parent_runs({"files": {}}) == []


MANIFEST: dict[str, Any] = {
    "run_id": "one",
    "job_type": "sft",
    "recipe": "task:Task",
    "ranks": 1,
    "config": {
        "model": {"name": "m", "revision": "main"},
        "training": {"learning_rate": 0.01},
        "telemetry": {"db_url": "postgresql://u:***@h/d"},
        "checkpoint": {"resume": 4},
    },
    "datasets": {"train": {"rows": 64, "fingerprint": "aa"}},
    "model": {"name": "m", "source": "m", "revision": "c0ffee"},
    "tokenizer": {"sha256": "t", "chat_template_sha256": None},
    "adapter_parent": None,
    "task": {"spec": "task:Task", "files": {"task.py": "f"}},
    "git_sha": "g",
    "versions": {"torch": "2.13.0"},
    "hardware": {"gpus": []},
    "environment": {"OMP_NUM_THREADS": "1"},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    manifest = copy.deepcopy(MANIFEST)
    *parents, name = path.split("/")
    part = manifest
    for parent in parents:
        part = part[parent]
    part[name] = value
    return manifest


@pytest.mark.parametrize(
    ("path", "value", "kind", "shown", "is_refused"),
    [
        ("job_type", "rl", Kind.JOB, "job_type", False),
        ("config/training/learning_rate", 0.02, Kind.CONFIG, "training.learning_rate", False),
        ("datasets/train/fingerprint", "bb", Kind.DATA, "train.fingerprint", True),
        ("model/revision", "dead", Kind.WEIGHTS, "model.revision", True),
        ("adapter_parent", {"sha256": "a"}, Kind.WEIGHTS, "adapter.sha256", True),
        ("tokenizer/chat_template_sha256", "c", Kind.TOKENIZER, "chat_template_sha256", True),
        ("task/files/task.py", "g", Kind.TASK, "task.py", False),
        ("git_sha", "h", Kind.GIT, "git_sha", False),
        ("versions/torch", "2.14.0", Kind.VERSIONS, "torch", False),
        ("hardware/gpus", ["A100"], Kind.HARDWARE, "gpus", False),
        ("environment/OMP_NUM_THREADS", "2", Kind.ENVIRONMENT, "OMP_NUM_THREADS", False),
    ],
)
def test_a_difference_is_told_by_its_kind_and_its_path(
    path: str, value: Any, kind: Kind, shown: str, is_refused: bool
) -> None:
    found = differences(MANIFEST, changed(path, value))

    assert [(d.kind, d.path) for d in found] == [(kind, shown)]
    assert bool(refused(found)) is is_refused


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("run_id", "two"),
        ("created_at", "2026"),
        ("config/telemetry/db_url", None),
        ("config/checkpoint/resume", "auto"),
        ("environment/TENYSON_OUTPUT_DIR", "/elsewhere"),
    ],
)
def test_what_every_run_has_of_its_own_is_no_difference(path: str, value: Any) -> None:
    assert differences(MANIFEST, changed(path, value)) == []


def test_two_long_values_are_cut_to_where_they_differ() -> None:
    one, other = shortened("x" * 60 + "left", "x" * 60 + "right")

    assert one.endswith("left")
    assert other.endswith("right")
    assert len(difference_lines(differences(MANIFEST, changed("git_sha", "h")), "A", "B")) == 2


def test_a_repetition_is_the_same_run_into_a_folder_of_its_own(tmp_path: Path) -> None:
    manifest = changed("adapter_parent", {"path": "s3://bucket/final", "sha256": "a"})

    again = repetition_of(manifest, tmp_path)

    assert again.arguments(Path("c.json")) == [
        *("--job-type", "sft", "--config", "c.json"),
        *("--task-module", "task:Task", "--output-dir", str(tmp_path)),
    ]
    assert again.config["telemetry"]["db_url"] is None
    assert again.config["checkpoint"]["resume"] == "auto"
    assert again.config["model"]["revision"] == "c0ffee"
    assert len(again.notes) == 3
    assert again.environment(Path("m.json"), force=False) == {
        "OMP_NUM_THREADS": "1",
        Env.ADAPTER_PATH: "s3://bucket/final",
        Env.ADAPTER_SHA256: "a",
        Env.REPLAY_OF: "m.json",
    }
    assert again.environment(Path("m.json"), force=True)[Env.REPLAY_FORCE] == "1"


@pytest.mark.parametrize(
    ("name", "again"),
    [
        ("artifacts/m", "/here/artifacts/m"),
        ("./m", "/here/artifacts/m"),
        ("/m", "/m"),
        ("task:tiny", "task:tiny"),
    ],
)
def test_a_model_of_a_folder_is_found_again_from_any_folder(
    name: str, again: str, tmp_path: Path
) -> None:
    manifest = changed("model", {"weights_sha256": "w", "source": "/here/artifacts/m"})
    manifest["config"]["model"]["name"] = name

    assert repetition_of(manifest, tmp_path).config["model"]["name"] == again


def test_further_adapters_of_an_evaluation_are_told_apart_and_found_again(tmp_path: Path) -> None:
    weights = tmp_path / "one" / "adapter_model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"1")
    facts = {"path": str(weights.parent), "sha256": sha256_of_file(weights)}
    manifest = changed("evaluated_adapters", {"one": facts})
    manifest["config"]["evaluation"] = {"adapters": {"one": "../one"}}

    assert _weights_that_differ(manifest) == []
    again = repetition_of(manifest, tmp_path)
    assert again.config["evaluation"]["adapters"] == {"one": str(weights.parent)}

    weights.write_bytes(b"2")

    assert _weights_that_differ(manifest) == ["evaluated_adapters.one.sha256"]


def _weights_that_differ(manifest: dict[str, Any]) -> list[str]:
    return [d.path for d in refused(differences(manifest, present_state(manifest)))]


@pytest.mark.parametrize("place", [0, 7 * 2**20, -1])
def test_large_weights_of_the_same_size_are_told_apart(
    place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashes, "HASHED_MODEL_BYTES", 2**20)
    path = tmp_path / "model.safetensors"
    path.write_bytes(bytes(9 * 2**20))
    before = weights_of_folder(tmp_path)
    content = bytearray(path.read_bytes())
    content[place] = 1
    path.write_bytes(content)

    assert weights_of_folder(tmp_path)["weights_sha256"] != before["weights_sha256"]
    assert before["weights_hash_covers"] == "size and 64 blocks of 1 MiB of each file"


def test_a_run_whose_task_cannot_be_found_again_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(TaskLoadError, match="--task-module"):
        repetition_of(changed("task/spec", None), tmp_path)

    given = repetition_of(changed("task/spec", None), tmp_path, task_spec="here.py:Task")
    assert given.task_spec == "here.py:Task"


@pytest.mark.parametrize("content", [None, "", "[]", '{"run_id": "r"}'])
def test_a_file_that_is_no_manifest_is_refused_with_its_name(
    content: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "run_manifest.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ConfigError, match=r"run_manifest\.json"):
        read_manifest(path)


def test_reading_and_comparing_manifests_loads_no_training_library(tmp_path: Path) -> None:
    (tmp_path / "run_manifest.json").write_text(json.dumps(MANIFEST))
    code = (
        "import sys\nfrom tenyson.cli.main import main\n"
        f"assert main(['diff', {str(tmp_path)!r}, {str(tmp_path)!r}]) == 0\n"
        "heavy = {'torch', 'transformers', 'trl', 'datasets'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "the same" in done.stdout
