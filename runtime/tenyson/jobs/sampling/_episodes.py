"""Episodes: a model and an environment take turns, until one of them has had enough.

Text and token ids grow side by side and nothing is tokenised twice, so the ids that are trained
are those that were sampled. Tokens of the environment are marked, and left out of the loss.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tenyson.errors import TaskError, TenysonError
from tenyson.evaluation.prompts import prompt_ids
from tenyson.telemetry.rows import as_text

Generate = Callable[[list[int], list[list[int]]], tuple[list[list[int]], list[list[float]] | None]]
"""From the places of some episodes and their tokens so far to the tokens that follow, the one that
ends a turn among them, and their log-probabilities where the engine knows them."""
MakeEnvironment = Callable[[], Any]
_ANSWER = "TENYSON-ANSWER"


@dataclass
class Episode:
    """One game, conversation or the like, from its prompt to its end."""

    prompt: Any
    prompt_ids: list[int]
    completion_ids: list[int] = field(default_factory=list)
    """The model's turns with the environment's observations between them; a turn comes last."""
    env_mask: list[int] = field(default_factory=list)
    """1 for each token of the model's, 0 for the environment's."""
    logprobs: list[float] = field(default_factory=list)
    """Of the model's tokens, 0 for the environment's; empty where the engine does not tell."""
    texts: list[str] = field(default_factory=list)
    """What the model said, turn by turn."""
    info: dict[str, Any] = field(default_factory=dict)
    """What the environment said of its last step."""
    is_done: bool = False
    """Whether the environment ended it."""
    is_cut: bool = False
    """Whether the next turn would not have fitted into the model's context."""

    @property
    def ids(self) -> list[int]:
        """All tokens so far."""
        return self.prompt_ids + self.completion_ids


def play(
    generate: Generate,
    tokenizer: Any,
    environments: Sequence[Any],
    prompts: Sequence[Any],
    *,
    max_turns: int,
    max_new_tokens: int,
    context_length: int | None = None,
    goes_on: Callable[[bool], bool] = bool,
) -> list[Episode]:
    """Returns one episode for each environment, all played side by side.

    Args:
        generate: Samples one turn for each of several episodes.
        tokenizer: The model's.
        environments: Each reset to its row.
        prompts: What each reset returned: text, or chat messages.
        max_turns: Turns of the model's after which an episode ends.
        max_new_tokens: Tokens of a turn, as `generate` limits them.
        context_length: Tokens that the model can see; None knows no limit.
        goes_on: Whether there is another turn, from whether this process needs one. Where ranks
            generate together all of them must, until the last episode of any has ended.

    Raises:
        TaskError: An environment raised, or answered with something else than it should.
    """
    episodes = [Episode(prompt, prompt_ids(tokenizer, prompt)) for prompt in prompts]
    limit = context_length - max_new_tokens if context_length else None
    for turn in range(max_turns):
        playing = [i for i, e in enumerate(episodes) if not (e.is_done or e.is_cut)]
        if not goes_on(bool(playing)):
            break
        # One that is over may fill the context: its prompt does, for an answer thrown away.
        ids = [episodes[i].ids for i in playing] or [episodes[0].prompt_ids]
        answers, logprobs = generate(playing or [0], ids)
        for place, i in enumerate(playing):
            told = None if logprobs is None else logprobs[place]
            is_last = turn + 1 == max_turns
            _take_turn(
                episodes[i], environments[i], tokenizer, answers[place], told, is_last, limit
            )
    return episodes


def reset(environment: Any, row: Mapping[str, Any]) -> Any:
    """Returns the prompt of an episode.

    Raises:
        TaskError: The environment raised, or returned neither text nor messages.
    """
    try:
        prompt = environment.reset(dict(row))
    except TenysonError:
        raise
    except Exception as error:
        raise TaskError(
            f"make_env: reset raised {type(error).__name__}: {error} for the row {_shown(row)}."
        ) from error
    if not isinstance(prompt, str | list) or not prompt:
        raise TaskError(
            f"make_env: reset returned {prompt!r} for the row {_shown(row)}; expected a prompt, "
            "as text or a list of messages."
        )
    return prompt


def _take_turn(
    episode: Episode,
    environment: Any,
    tokenizer: Any,
    answer: list[int],
    logprobs: list[float] | None,
    is_last: bool,
    limit: int | None,
) -> None:
    """Adds the model's answer and what the environment makes of it."""
    text = tokenizer.decode(answer, skip_special_tokens=True)
    episode.texts.append(text)
    _add(episode, answer, 1, logprobs)
    observation, episode.is_done, episode.info = _step(environment, text, episode)
    if episode.is_done or is_last:
        return
    follows = observation_ids(tokenizer, episode.prompt, observation, answer)
    if limit is not None and len(episode.ids) + len(follows) > limit:
        episode.is_cut = True
        return
    _add(episode, follows, 0, None if logprobs is None else [0.0] * len(follows))


def _add(episode: Episode, ids: list[int], mask: int, logprobs: list[float] | None) -> None:
    episode.completion_ids += ids
    episode.env_mask += [mask] * len(ids)
    episode.logprobs += logprobs or []


def _step(environment: Any, text: str, episode: Episode) -> tuple[str, bool, dict[str, Any]]:
    place = f"in turn {len(episode.texts)} of the prompt {_shown(episode.prompt)}, answer {text!r}"
    try:
        answer = environment.step(text)
    except TenysonError:
        raise
    except Exception as error:
        raise TaskError(
            f"make_env: step raised {type(error).__name__}: {error} {place}.",
            hint="An environment must take any text that a model may write.",
        ) from error
    try:
        observation, done, info = answer
    except (TypeError, ValueError):
        observation, done, info = answer, None, None
    if isinstance(observation, str) and isinstance(done, bool) and isinstance(info, Mapping):
        return observation, done, dict(info)
    raise TaskError(
        f"make_env: step returned {answer!r} {place}; expected (observation, done, info): text, "
        "True or False, and a dict."
    )


def observation_ids(tokenizer: Any, prompt: Any, observation: str, answer: list[int]) -> list[int]:
    """Returns the tokens between one turn of the model's and its next.

    Text follows as it is. In a conversation it is a message of the user's, in whatever the chat
    template puts around it; the token that ended the answer is not said twice.

    Raises:
        TaskError: The chat template leaves out an earlier answer.
    """
    if isinstance(prompt, str):
        return list(tokenizer(text=observation, add_special_tokens=False)["input_ids"])
    talk = [
        {"role": "user", "content": "-"},
        {"role": "assistant", "content": _ANSWER},
        {"role": "user", "content": observation},
    ]
    text = tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
    _, answered, rest = text.partition(_ANSWER)
    if not answered:
        raise TaskError(
            "The chat template leaves out answers of earlier turns, so an episode cannot be "
            "shown to the model.",
            hint="Use a template that keeps them, or text prompts.",
        )
    last = tokenizer.decode(answer[-1:]) if answer else ""
    rest = rest.removeprefix(last) if last in tokenizer.all_special_tokens else rest
    return list(tokenizer(text=rest, add_special_tokens=False)["input_ids"])


def _shown(value: Any) -> str:
    text = as_text(value) if isinstance(value, str | list) else str(dict(value))
    return repr(text if len(text) <= 200 else "…" + text[-200:])
