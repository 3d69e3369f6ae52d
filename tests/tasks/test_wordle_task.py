"""The task's hooks: what its data looks like, and that its scorer is right on gold answers."""

from importlib import resources
from typing import Any

import pytest
import yaml

from tenyson.config import parse_config
from tenyson.contract import JobType
from tenyson.errors import ConfigError
from tenyson.examples.wordle.game import candidates, default_words, is_held_out, parse_history
from tenyson.examples.wordle.prompts import compact_prompt
from tenyson.examples.wordle.rewards import read_guess
from tenyson.examples.wordle.tokenizer import VOCABULARY, make_tokenizer
from tenyson.examples.wordle.wordle_task import WordleTask

CONFIGS = resources.files("tenyson.examples.wordle") / "configs"
WORDS = default_words()


def make_config(seed: int = 0, **settings: Any) -> dict[str, Any]:
    return {"training": {"seed": seed}, "task": {"sft_rows": 300, "rl_rows": 300, **settings}}


def gold(row: dict[str, Any]) -> str:
    return candidates(WORDS, parse_history(row["history"]))[0]


def scored(answer: Any, **settings: Any) -> dict[str, Any]:
    """The metrics of answering every held-out prompt with `answer(row)`."""
    config = make_config(**settings)
    rows = WordleTask().get_eval_dataset(config).to_list()
    prompts = [row["prompt"] for row in rows]
    return WordleTask().compute_metrics(prompts, [answer(row) for row in rows], rows, config, None)


def test_gold_answers_score_1() -> None:
    result = scored(lambda row: f"<guess>{gold(row)}</guess>")
    metrics = result["metrics"]
    assert [metrics[n] for n in ("accuracy", "format_rate", "dictionary_rate")] == [1, 1, 1]
    assert metrics["mark_agreement"] == metrics["accuracy_after_2"] == 1
    assert {row["correct"] for row in result["detailed_results"]} == {1}


@pytest.mark.parametrize("answer", ["", "stone", "<guess>zzzzz</guess>", "<guess>", "<eos>" * 50])
def test_garbage_scores_0(answer: str) -> None:
    assert scored(lambda row: answer)["metrics"]["accuracy"] == 0


def test_gold_without_the_tag_scores_0() -> None:
    assert scored(gold)["metrics"]["accuracy"] == 0


def test_one_word_for_all_scores_what_chance_says() -> None:
    result = scored(lambda row: "<guess>stone</guess>")
    metrics = result["metrics"]
    assert metrics["dictionary_rate"] == 1
    assert metrics["accuracy"] < 0.1
    assert 0.01 < metrics["chance"] < 0.1
    ids = [row["id"] for row in result["detailed_results"]]
    assert len(set(ids)) == 512


def test_the_evaluation_is_the_same_for_every_seed_and_never_trained_on() -> None:
    task = WordleTask()
    evaluations = [task.get_eval_dataset(make_config(seed)).to_list() for seed in (0, 1)]
    assert evaluations[0] == evaluations[1]
    held_out = {row["prompt"] for row in evaluations[0]}
    for seed in (0, 1):
        config = make_config(seed)
        rows = [*task.get_sft_dataset(config, None), *task.get_rl_dataset(config)]
        assert held_out.isdisjoint(row["prompt"] for row in rows)
    assert all(is_held_out(row["id"]) for row in evaluations[0])


def test_seeds_draw_other_training_rows_and_repeat_them_exactly() -> None:
    task = WordleTask()
    first, again, other = (
        task.get_sft_dataset(make_config(seed), None).to_list() for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other
    prompts = {row["prompt"] for row in task.get_rl_dataset(make_config(0))}
    assert len(prompts - {row["prompt"] for row in first}) > 100


def test_sft_answers_are_listed_words_in_the_tag() -> None:
    rows = WordleTask().get_sft_dataset(make_config(), None).to_list()
    assert {read_guess(row["completion"]) in WORDS for row in rows} == {True}


def test_all_marks_hold_in_every_sft_answer_where_the_settings_ask_for_it() -> None:
    task = WordleTask()
    rows = task.get_sft_dataset(make_config(consistent_share=1.0), None).to_list()
    by_prompt = {
        compact_prompt(parse_history(row["history"])): row["history"]
        for row in task.get_eval_dataset(make_config(eval_rows=64)).to_list()
    }
    assert by_prompt.keys().isdisjoint(row["prompt"] for row in rows)
    for row in rows:
        turns = row["prompt"].removesuffix("|>").removeprefix("|").split("|")
        history = [(turn[::2], turn[1::2]) for turn in turns]
        assert read_guess(row["completion"]) in candidates(WORDS, history)


def test_the_tokenizer_gives_back_every_text_with_one_token_per_mark() -> None:
    tokenizer = make_tokenizer()
    rows = WordleTask().get_sft_dataset(make_config(), None).to_list()
    for row in rows[:100]:
        text = row["prompt"] + row["completion"]
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.decode(ids) == text
        assert len(ids) == 6 * row["prompt"].count("|") - 6 + 2 + 7
    assert len(set(VOCABULARY)) == len(VOCABULARY) <= 128


def test_unknown_settings_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"task\.max_turn:"):
        WordleTask().get_rl_dataset(make_config(max_turn=3))


def test_a_word_list_of_ones_own(tmp_path: Any) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\n".join(WORDS[:20]), encoding="utf-8")
    rows = WordleTask().get_sft_dataset(make_config(words=str(path)), None).to_list()
    assert {read_guess(row["completion"]) for row in rows} <= set(WORDS[:20])
    path.write_text("cranes\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="cranes"):
        WordleTask().get_rl_dataset(make_config(words=str(path)))


@pytest.mark.parametrize("name", sorted(path.name for path in CONFIGS.iterdir()))
def test_every_configuration_is_accepted_and_feeds_its_run_fully(name: str) -> None:
    kind = next(kind for kind in JobType if kind.value in name.removesuffix(".yaml").split("_"))
    content = yaml.safe_load((CONFIGS / name).read_text(encoding="utf-8"))
    config = parse_config(content, kind).model_dump()
    task, training = WordleTask(), config["training"]
    examples = (training["max_steps"] or 0) * training["per_device_train_batch_size"]
    if kind is JobType.SFT:
        assert len(task.get_sft_dataset(config, None)) == examples
    elif kind is JobType.RL:
        assert len(task.get_rl_dataset(config)) == examples / config["rl"]["num_generations"]
        weights = config["rl"]["reward_weights"] or task.get_reward_weights(config)
        assert weights is not None
        assert len(task.get_reward_funcs(config, None)) == len(weights)
    else:
        assert len(task.get_eval_dataset(config)) == (200 if config["task"].get("game") else 512)
