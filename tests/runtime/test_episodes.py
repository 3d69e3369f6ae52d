"""Tasks of several turns: what is played, what is trained of it, and what an environment may do."""

from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import ExitCode
from tenyson.errors import TaskError
from tenyson.jobs.rl import RLJob
from tenyson.jobs.sampling._episodes import observation_ids, play, reset
from tests.runtime.left_behind import metric_rows
from tests.tiny_model import CHAT_TEMPLATE

CLOSED_TEMPLATE = "{% for m in messages %}{{ m['role'][0] + m['content'] + '<eos>' }}{% endfor %}a"
pytestmark = pytest.mark.train
ROWS = [{"id": f"r{i}", "question": f"{i}+{j}="} for i in range(5) for j in range(5)]


class Echo:
    """Repeats what it was told, until it was told to stop."""

    def reset(self, row: dict[str, Any]) -> Any:
        return row["prompt"]

    def step(self, text: str) -> tuple[str, bool, dict[str, Any]]:
        return f"{text}?", text == "stop", {"said": text}


@pytest.fixture(scope="module")
def tokenizer(tiny_model: str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


def scripted(tokenizer: Any, *turns: list[str]) -> Any:
    """A model that says in each turn what stands there, for each episode that still goes on."""
    script, asked = iter(turns), []

    def generate(places: list[int], ids: list[list[int]]) -> Any:
        asked.append([tokenizer.decode(one) for one in ids])
        answers = [[*tokenizer(text=text)["input_ids"], 2] for text in next(script)]
        return answers, None

    return generate, asked


def test_each_turn_sees_all_that_was_said_before(tokenizer: Any) -> None:
    generate, asked = scripted(tokenizer, ["a", "stop"], ["b"], ["stop"])

    first, second = play(
        generate, tokenizer, [Echo(), Echo()], ["p=", "q="], max_turns=9, max_new_tokens=5
    )

    assert asked == [["p=", "q="], ["p=a<eos>a?"], ["p=a<eos>a?b<eos>b?"]]
    assert first.texts == ["a", "b", "stop"]
    assert first.is_done
    assert first.info == {"said": "stop"}
    assert second.texts == ["stop"]


def test_the_environments_tokens_are_marked_and_a_turn_of_the_model_comes_last(
    tokenizer: Any,
) -> None:
    generate, _ = scripted(tokenizer, ["a"], ["bc"])

    (episode,) = play(generate, tokenizer, [Echo()], ["p="], max_turns=2, max_new_tokens=5)

    assert tokenizer.decode(episode.completion_ids) == "a<eos>a?bc<eos>"
    assert episode.env_mask == [1, 1, 0, 0, 1, 1, 1]
    assert not episode.is_done


def test_an_episode_ends_where_the_next_turn_would_not_fit(tokenizer: Any) -> None:
    generate, _ = scripted(tokenizer, ["aaa"], ["bbb"])

    (episode,) = play(
        generate, tokenizer, [Echo()], ["p="], max_turns=9, max_new_tokens=5, context_length=16
    )

    assert episode.texts == ["aaa", "bbb"]
    assert episode.is_cut
    assert len(episode.ids) <= 16
    assert episode.env_mask[-1] == 1


def test_log_probabilities_stand_beside_the_tokens_that_they_are_of(tokenizer: Any) -> None:
    answers = iter([[5, 2], [6, 2]])

    def generate(places: list[int], ids: list[list[int]]) -> Any:
        return [next(answers)], [[-0.5, -0.25]]

    (episode,) = play(generate, tokenizer, [Echo()], ["p="], max_turns=2, max_new_tokens=5)

    assert episode.logprobs == [-0.5, -0.25, 0.0, 0.0, -0.5, -0.25]


def test_a_rank_without_an_episode_left_goes_on_generating_with_the_others(tokenizer: Any) -> None:
    generate, asked = scripted(tokenizer, ["stop"], ["x"])
    others = iter([True, True, False])

    (episode,) = play(
        generate, tokenizer, [Echo()], ["p="], max_turns=9, max_new_tokens=5,
        goes_on=lambda mine: next(others),
    )  # fmt: skip

    assert len(asked) == 2
    assert asked == [["p="], ["p="]]  # not the whole episode, which may fill the context
    assert episode.texts == ["stop"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (CHAT_TEMPLATE, "\nuhi\na"),
        (CLOSED_TEMPLATE, "uhi<eos>a"),
    ],
    ids=["without a stop token", "with one"],
)  # fmt: skip
def test_an_observation_is_the_next_message_of_a_conversation(
    template: str, expected: str, tokenizer: Any
) -> None:
    tokenizer.chat_template = template
    try:
        ids = observation_ids(tokenizer, [{"role": "user", "content": "x"}], "hi", [10, 2])
    finally:
        tokenizer.chat_template = CHAT_TEMPLATE

    assert tokenizer.decode(ids) == expected


def test_an_answer_that_was_cut_is_closed_by_the_template(tokenizer: Any) -> None:
    tokenizer.chat_template = CLOSED_TEMPLATE
    try:
        ids = observation_ids(tokenizer, [{"role": "user", "content": "x"}], "hi", [10, 11])
    finally:
        tokenizer.chat_template = CHAT_TEMPLATE

    assert tokenizer.decode(ids) == "<eos>uhi<eos>a"


def test_a_reset_that_gives_no_prompt_is_named() -> None:
    with pytest.raises(TaskError, match=r"reset returned None for the row.*expected a prompt"):
        reset(Echo(), {"prompt": None})


def test_training_on_episodes_raises_what_they_are_rewarded_for(
    make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    config = make_config(
        task={"environment": "adding", "rl_rows": ROWS, "rewards": ["info_reward"]},
        adapter={"kind": "full"},
        training={"max_steps": 15, "per_device_train_batch_size": 32, "learning_rate": 0.01},
        rl={"max_completion_length": 4},
    )

    RLJob(config, sum_task, output_dir=tmp_path).run()

    rows = metric_rows(tmp_path)
    assert all(row["episodes/turns"] == 3.0 and row["episodes/done_share"] == 1.0 for row in rows)
    # Three turns of four tokens; those of the environment between them are not trained on.
    assert rows[0]["completions/max_length"] == 12.0
    assert rows[0]["reward"] == pytest.approx(rows[0]["episodes/digits"] / 8)
    said = [row["episodes/digits"] for row in rows]
    assert sum(said[-5:]) > 1.2 * sum(said[:5])


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ("raising", "step raised KeyError: 'no such move' in turn 1 of the prompt"),
        ("wordless", r"step returned \(None, False\) in turn 1 .*expected \(observation, done"),
        ("none", "make_env returned object, which lacks reset and step"),
    ],
)
def test_an_environment_that_fails_fails_the_run_under_its_name(
    environment: str, says: str, make_config: Any, sum_task: Any, tmp_path: Path
) -> None:
    task = {"environment": environment, "rl_rows": ROWS}
    job = RLJob(make_config(task=task), sum_task, output_dir=tmp_path)

    with pytest.raises(TaskError, match=says):
        job.run()

    assert job.result is not None
    assert job.result.exit_code == ExitCode.TASK
