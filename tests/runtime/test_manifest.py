"""What a manifest says, and what two of them disagree on."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import Env
from tenyson.errors import ConfigError
from tenyson.manifest.differences import Kind, differences, refused
from tenyson.manifest.git import git_facts
from tenyson.manifest.hashes import tokenizer_facts
from tenyson.manifest.lineage import parent_runs
from tenyson.manifest.reading import read_manifest
from tenyson.manifest.table import difference_lines, shortened
from tests.runtime.manifests import MANIFEST, changed


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


def test_an_adapters_lineage_goes_back_over_its_parents() -> None:
    sft = {"run_id": "sft", "job_type": "sft", "step": 100, "files": {}}
    rl = {"run_id": "rl", "job_type": "rl", "step": 300, "parent_runs": parent_runs(sft)}

    assert [run["run_id"] for run in parent_runs(rl)] == ["rl", "sft"]
    assert parent_runs(None) == parent_runs({"files": {}}) == []


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
