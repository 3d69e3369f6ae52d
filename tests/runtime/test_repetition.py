"""A run that is to be repeated from its manifest: which, and where its parts are found again."""

from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import Env
from tenyson.errors import TaskLoadError
from tenyson.files import sha256_of_file
from tenyson.manifest import hashes
from tenyson.manifest.differences import differences, refused
from tenyson.manifest.hashes import weights_of_folder
from tenyson.manifest.present import present_state
from tenyson.manifest.repetition import repetition_of
from tests.runtime.manifests import changed


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
