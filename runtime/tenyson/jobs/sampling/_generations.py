"""GenerationRecorder: puts together what all reward functions said of one round of sampling."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tenyson.distributed.ranks import Ranks
from tenyson.jobs.sampling.round_facts import RoundFacts
from tenyson.telemetry import Completion, PromptGroup, Telemetry
from tenyson.telemetry.rows import as_text

INFO = "info"
"""The column by which reward functions get what each environment said last."""


@dataclass
class _Round:
    """One round of sampling, until its last reward function has answered."""

    prompts: Sequence[Any]
    """The list that TRL gives to every function of the round; held, so its identity is the key."""
    rewards: dict[str, list[float | None]] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """What TRL called the last function with."""


class GenerationRecorder:
    """Records `rollouts` and `generations` with each function's rewards and their weighted sum.

    Sampling happens once every `steps_per_generation * num_iterations` micro-steps: a step may
    see several rounds (they are numbered), or none, and then there is nothing to record.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        num_generations: int,
        weights: Sequence[float] | None = None,
        *,
        ranks: Ranks | None = None,
    ) -> None:
        """Takes where to record, and how completions form groups.

        Args:
            telemetry: Gets the rows.
            num_generations: Completions per prompt, the size of a group.
            weights: One per reward function; None weighs all as 1.
            ranks: Those that train together; rank 0 records what all of them have sampled. None
                is this process alone.
        """
        self.waits_for_facts = False
        """Whether the trainer says what it knows of each round, by `complete`; set by one that
        does."""
        self._telemetry = telemetry
        self._group_size = num_generations
        self._weights = weights
        self._ranks = ranks or Ranks()
        self._is_recording = bool(self._ranks.share(telemetry.enabled))
        self._names: list[str] = []
        self._round: _Round | None = None
        self._last_round = (-1, -1)
        """Step and number."""
        self._lock = threading.Lock()  # asynchronous functions answer on a thread of TRL's

    def expect(self, names: Sequence[str]) -> None:
        """Takes the names of all reward functions, in the trainer's order."""
        self._names = list(names)

    def add(self, name: str, values: Sequence[float | None], inputs: Mapping[str, Any]) -> None:
        """Takes one function's checked rewards; the last function's complete the round.

        Args:
            name: The function.
            values: One a completion.
            inputs: The keyword arguments that TRL called it with.
        """
        with self._lock:
            # One that a stop cut short before the trainer knew all of it is sampled again.
            # A round that a failing function left incomplete ends with the next one's list.
            if self._round is None or self._round.prompts is not inputs["prompts"]:
                self._round = _Round(inputs["prompts"])
            self._round.rewards[name], self._round.inputs = list(values), inputs
            if self.waits_for_facts or len(self._round.rewards) < len(self._names):
                return
            done, self._round = self._round, None
        self._record(done, RoundFacts())

    def complete(self, facts: RoundFacts) -> None:
        """Records the round that is scored, with what the trainer knows of it."""
        with self._lock:
            done, self._round = self._round, None
        if done is not None:
            self._record(done, facts)

    def _record(self, done: _Round, facts: RoundFacts) -> None:
        if not self._is_recording:
            return
        inputs = done.inputs
        parts = self._ranks.gather((list(done.prompts), self._completions(done, facts)))
        if not self._ranks.is_main:
            return
        step = int(getattr(inputs.get("trainer_state"), "global_step", 0) or 0)
        prompts = [prompt for of_rank, _ in parts for prompt in of_rank]
        completions = [completion for _, of_rank in parts for completion in of_rank]
        groups = _groups(prompts, completions, self._group_size)
        self._telemetry.record_rollouts(
            step,
            groups,
            phase="rl",
            sampling_round=self._next_round(step),
            weights=dict(zip(self._names, self._own_weights, strict=True)),
            policy_version=step,  # weights are brought to the sampler before each round
        )

    @property
    def _own_weights(self) -> Sequence[float]:
        return self._weights or [1.0] * len(self._names)

    def _completions(self, done: _Round, facts: RoundFacts) -> list[Completion]:
        token_ids, infos = done.inputs.get("completion_ids"), done.inputs.get(INFO)
        result = []
        for row, completion in enumerate(done.inputs["completions"]):
            values = {name: done.rewards[name][row] for name in self._names}
            ids = token_ids[row] if token_ids is not None else None
            result.append(
                Completion(
                    text=as_text(completion),
                    rewards=values,
                    total=weighted_sum(list(values.values()), self._own_weights),
                    tokens=None if ids is None else len(ids),
                    truncated=facts.is_truncated(ids),
                    advantage=facts.advantage(row),
                    logprob_gap=facts.logprob_gap(row),
                    latency_seconds=facts.latency_seconds,
                    extras=None if infos is None else {INFO: infos[row]},
                )
            )
        return result

    def _next_round(self, step: int) -> int:
        """The number of this round within its step, from 0."""
        last_step, last_round = self._last_round
        number = last_round + 1 if step == last_step else 0
        self._last_round = (step, number)
        return number


def _groups(
    prompts: Sequence[Any], completions: Sequence[Completion], size: int
) -> list[PromptGroup]:
    """Neighbours that share a prompt: TRL's sampler repeats each prompt `size` times.

    Of several ranks in their order, too: a group may begin on one and end on the next.
    """
    return [
        PromptGroup(index, as_text(prompts[row]), completions[row : row + size])
        for index, row in enumerate(range(0, len(completions), size))
    ]


def weighted_sum(values: Sequence[float | None], weights: Sequence[float]) -> float | None:
    """Returns the total reward: None counts for nothing, and is all there is when all are None."""
    parts = [v * w for v, w in zip(values, weights, strict=True) if v is not None]
    return sum(parts) if parts else None
