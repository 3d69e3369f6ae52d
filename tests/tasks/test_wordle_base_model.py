"""The base model's cache: made once, whole or not at all, and the same from the same recipe."""

import dataclasses
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tenyson.errors import TaskError
from tenyson.examples.wordle import base_model
from tenyson.examples.wordle.base_model import Recipe, cache_folder, ensure_base_model, train_base
from tenyson.examples.wordle.game import default_words

SMALL: dict[str, Any] = {"words": default_words()[:50], "max_turns": 1, "hidden": 16, "steps": 2}
RECIPE = Recipe(seed=0, batch_size=8, intermediate=64, layers=1, **SMALL)


def test_the_same_recipe_gives_the_same_weights_and_another_seed_others() -> None:
    import torch

    def weights(recipe: Recipe) -> Any:
        return torch.cat([p.detach().flatten() for p in train_base(recipe)[0].parameters()])

    state = torch.random.get_rng_state()
    assert torch.equal(weights(RECIPE), weights(RECIPE))
    assert not torch.equal(weights(RECIPE), weights(dataclasses.replace(RECIPE, seed=1)))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_key_follows_every_part_of_the_recipe() -> None:
    changed = [
        dataclasses.replace(RECIPE, words=RECIPE.words[1:]),
        dataclasses.replace(RECIPE, seed=1),
        dataclasses.replace(RECIPE, learning_rate=0.1),
    ]
    assert len({RECIPE.key, *(recipe.key for recipe in changed)}) == 4


def test_it_loads_from_its_folder_with_its_tokenizer(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = base_model._cached(RECIPE, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.decode(tokenizer("|sXlYaG|>")["input_ids"]) == "|sXlYaG|>"
    assert tokenizer.padding_side == "left"
    assert AutoModelForCausalLM.from_pretrained(folder).config.num_hidden_layers == 1


def test_a_long_training_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(base_model, "_TELL_EVERY_SECONDS", 3600.0)
    train_base(RECIPE)
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(base_model, "_TELL_EVERY_SECONDS", 0.0)
    train_base(RECIPE)
    said = ["Base model: step 1/2 (50 %)", "Base model: step 2/2 (100 %)"]
    assert capfd.readouterr().err.splitlines() == said


def test_two_at_once_train_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    made = []
    original = base_model._make
    monkeypatch.setattr(base_model, "_make", lambda *a: (made.append(a), original(*a)))
    folders: list[Path] = []
    threads = [
        threading.Thread(target=lambda: folders.append(base_model._cached(RECIPE, tmp_path)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert folders[0] == folders[1]
    assert capfd.readouterr().err.count("Making the tiny base model") == 1


def test_a_killed_attempt_leaves_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(recipe: Recipe) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(base_model, "train_base", killed)
        with pytest.raises(KeyboardInterrupt):
            base_model._cached(RECIPE, tmp_path)
    (tmp_path / f".base-{RECIPE.key}.tmp").mkdir()  # what a SIGKILL while writing leaves
    assert (base_model._cached(RECIPE, tmp_path) / "model.safetensors").is_file()


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.delenv("TENYSON_CACHE_DIR", raising=False)
    assert cache_folder() == Path("/xdg/tenyson/wordle")
    monkeypatch.setenv("TENYSON_CACHE_DIR", "/chosen")
    assert cache_folder() == Path("/chosen/wordle")


def test_another_name_is_refused() -> None:
    with pytest.raises(TaskError, match="task:tiny"):
        ensure_base_model("huge", words=default_words(), max_turns=2, seed=0)


def test_naming_the_task_loads_no_training_library() -> None:
    code = "import sys, tenyson.examples.wordle.wordle_task; print('torch' in sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert output.stdout.strip() == "False"
