"""An evaluation of episodes: an engine whose completions are whole games."""

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from tenyson.evaluation.completions import Completion, Draw, Request, Sampling
from tenyson.evaluation.engines.engine import Engine, LogProbs
from tenyson.jobs.sampling._episodes import Episode, MakeEnvironment, play, reset

Seat = tuple[Request, Draw]
"""One episode: its row, and which of the row's episodes it is."""


class EpisodeEngine:
    """Plays an episode where another engine completes a prompt.

    What an episode draws follows from its row, its number and the turn. A completion's text is
    the whole episode after the prompt, the environment's part included.
    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: Any,
        rows: Mapping[str, Mapping[str, Any]],
        make: MakeEnvironment,
        *,
        max_turns: int,
        context_length: int | None,
        batch_size: int,
    ) -> None:
        """Takes the engine that generates turns.

        Args:
            engine: Started; closed with this one.
            tokenizer: The model's.
            rows: Of the data set, by key.
            make: Returns a new environment.
            max_turns: Of an episode.
            context_length: Tokens that the model can see.
            batch_size: Rows that are played side by side, and kept together.
        """
        self.name = engine.name
        self.max_turns = max_turns
        self._engine = engine
        self._tokenizer = tokenizer
        self._rows = rows
        self._make = make
        self.context_length = context_length
        self._batch_size = batch_size

    def generate(
        self,
        requests: Sequence[Request],
        sampling: Sampling,
        model: str,
        *,
        done: Collection[str] = (),
        check_stop: Callable[[], None] = lambda: None,
    ) -> Iterator[dict[str, list[Completion]]]:
        """Yields a batch's episodes at a time; see `Engine.generate`."""
        for start in range(0, len(requests), self._batch_size):
            batch = requests[start : start + self._batch_size]
            if all(request.key in done for request in batch):
                continue
            answers = self._play(batch, sampling, model, check_stop)
            yield {key: drawn for key, drawn in answers.items() if key not in done}

    def first_log_probs(self, prompts: Sequence[Sequence[int]], model: str) -> list[LogProbs]:
        """Returns the likeliest first tokens; see `Engine.first_log_probs`."""
        return self._engine.first_log_probs(prompts, model)

    def close(self) -> None:
        """Frees what the engine below holds."""
        self._engine.close()

    def _play(
        self, batch: Sequence[Request], sampling: Sampling, model: str, check_stop: Any
    ) -> dict[str, list[Completion]]:
        seats = [(request, draw) for request in batch for draw in sampling.draws]
        environments = [self._make() for _ in seats]
        prompts = [
            reset(environment, self._rows[request.key])
            for environment, (request, _) in zip(environments, seats, strict=True)
        ]
        turns: list[dict[int, Completion]] = []

        def generate(places: list[int], ids: list[list[int]]) -> Any:
            asked = dict(zip(places, ids, strict=True))
            turns.append(self._turn(asked, seats, len(turns), sampling, model, check_stop))
            return [list(turns[-1][place].ids) for place in places], None

        episodes = play(
            generate,
            self._tokenizer,
            environments,
            prompts,
            max_turns=self.max_turns,
            max_new_tokens=sampling.max_new_tokens,
            context_length=self.context_length,
        )
        answers: dict[str, list[Completion]] = {request.key: [] for request in batch}
        for place, ((request, _), episode) in enumerate(zip(seats, episodes, strict=True)):
            last = next(turn[place] for turn in reversed(turns) if place in turn)
            answers[request.key].append(self._completion(episode, last))
        return answers

    def _turn(
        self,
        asked: Mapping[int, list[int]],
        seats: Sequence[Seat],
        turn: int,
        sampling: Sampling,
        model: str,
        check_stop: Any,
    ) -> dict[int, Completion]:
        """Returns the next turn of each episode that is asked for, by its place."""
        found: dict[int, Completion] = {}
        for temperature in sorted({seats[place][1].temperature for place in asked}):
            drawn_so = dataclasses.replace(
                sampling, temperature=temperature, num_samples=1, include_greedy=False
            )
            requests = {
                place: Request(f"{seats[place][0].key}/{seats[place][1].index}/{turn}", tuple(ids))
                for place, ids in asked.items()
                if seats[place][1].temperature == temperature
            }
            answers: dict[str, list[Completion]] = {}
            for some in self._engine.generate(
                list(requests.values()), drawn_so, model, check_stop=check_stop
            ):
                answers |= some
            found |= {place: answers[request.key][0] for place, request in requests.items()}
        return found

    def _completion(self, episode: Episode, last: Completion) -> Completion:
        text = self._tokenizer.decode(episode.completion_ids, skip_special_tokens=True)
        is_truncated = episode.is_cut or last.is_truncated
        return Completion(text, sum(episode.env_mask), is_truncated)
