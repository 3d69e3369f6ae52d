"""GRPO's rounds of sampling, as this project runs them: what TRL's trainer samples is looked at.

Groups that teach nothing are counted, and replaced where `rl.filter_zero_variance` asks for it;
where the task has an environment, a completion is a whole episode (`_episodes`).
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from accelerate.utils import gather_object  # type: ignore[import-untyped]
from datasets import Dataset

from tenyson.config.rl import RLConfig
from tenyson.errors import ConfigError, Problem
from tenyson.jobs.sampling._batches import Batch, pick_rows, trained_tokens
from tenyson.jobs.sampling._generations import GenerationRecorder
from tenyson.jobs.sampling._round_facts import facts_of
from tenyson.jobs.sampling._stage import Stage
from tenyson.jobs.sampling.zero_variance import (
    FilterCounts,
    FurtherPrompts,
    flat_groups,
    groups_to_sample,
    unscored,
)
from tenyson.jobs.training._trainers import TenysonGRPOTrainer

LOG = logging.getLogger("tenyson.jobs")
ROW_NUMBER = "tenyson_row_number"
"""A column of our own, that no reward function sees."""


class SamplingTrainer(TenysonGRPOTrainer):
    """A GRPO trainer that knows which groups teach nothing, and plays episodes."""

    def __init__(
        self,
        *,
        train_dataset: Dataset,
        rl: RLConfig,
        counts: FilterCounts,
        stage: Stage | None = None,
        recorder: GenerationRecorder | None = None,
        **arguments: Any,
    ) -> None:
        """Takes TRL's own arguments, and what is this project's.

        Args:
            train_dataset: The prompts.
            rl: How to sample.
            counts: Fills up with what became of the groups.
            stage: Plays the episodes of a task with an environment; None for one answer each.
            recorder: Is told what the trainer knows of each round, once it knows it.
            arguments: The others of GRPOTrainer.
        """
        self._rl = rl
        self._stage = stage
        self._recorder = recorder
        self._generate_seconds = 0.0
        if recorder is not None:
            recorder.waits_for_facts = True
        self._prompts = train_dataset
        self.counts = counts
        numbered = train_dataset.add_column(ROW_NUMBER, list(range(len(train_dataset))))
        super().__init__(train_dataset=numbered, rollout_func=stage, **arguments)
        self._further = FurtherPrompts(len(train_dataset), self.args.seed)
        self._refuse_groups_across_ranks()

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> Batch:
        numbers = [row[ROW_NUMBER] for row in inputs if ROW_NUMBER in row]
        batch = self._sample(inputs)
        if not self.model.training:
            return batch
        flat = self._flat_groups(len(inputs))
        self.counts.groups += len(flat)
        self.counts.flat += sum(flat)
        self._log("zero_variance_share", sum(flat) / len(flat))
        if not self._rl.filter_zero_variance:
            return batch
        return self._replace(batch, flat, numbers)

    def _sample(self, inputs: list[dict[str, Any]]) -> Batch:
        rows = [{k: v for k, v in row.items() if k != ROW_NUMBER} for row in inputs]
        if self._stage is not None:
            rows = self._stage.reset(rows)
        batch: Batch = super()._generate_and_score_completions(rows)
        self._count_unscored(len(rows))
        if self._recorder is not None:
            ends = {*self.eos_token_ids, self._tokenizer.pad_token_id}
            self._recorder.complete(facts_of(batch, ends, self._generate_seconds))
        return batch

    def _generate(self, prompts: list[Any]) -> Any:
        began = time.perf_counter()
        generated = super()._generate(prompts)
        self._generate_seconds = time.perf_counter() - began
        return generated

    def _replace(self, batch: Batch, flat: list[bool], numbers: list[int]) -> Batch:
        """Returns the batch with groups of other prompts in place of flat ones, as far as it goes.

        Args:
            batch: What this rank sampled.
            flat: Which of its groups earn all the same, on all ranks.
            numbers: The data set's row of each completion.
        """
        size, ranks, rank = self.num_generations, self.ranks.size, self.ranks.place.rank
        own_flat = self._of_this_rank(flat)
        picks = [(batch, slice(i * size, (i + 1) * size)) for i in range(len(own_flat))]
        missing = [place for place, is_flat in enumerate(own_flat) if is_flat]
        used, seen = set(gather_object(numbers)), list(flat)
        rounds = 0
        while rounds < self._rl.max_extra_rounds:
            # All ranks sample as much, by the one that misses most.
            wanted = groups_to_sample(max(gather_object([len(missing)])), seen, len(own_flat))
            drawn = self._further.take(wanted * ranks, used)
            share = len(drawn) // ranks
            if not share:
                break  # no group is missing, or every prompt is in this round already
            used.update(drawn)
            own = drawn[rank * share : (rank + 1) * share]
            with self._unlogged():
                more = self._sample([self._prompts[row] for row in own for _ in range(size)])
            rounds += 1
            more_flat = self._flat_groups(share * size)
            seen += more_flat
            for place, is_flat in enumerate(self._of_this_rank(more_flat)):
                if missing and not is_flat:
                    picks[missing.pop(0)] = (more, slice(place * size, (place + 1) * size))
        self._account(rounds, sum(gather_object([len(missing)])), len(flat))
        if not rounds:
            return batch
        joined = pick_rows(picks, self._tokenizer.pad_token_id)
        joined["num_items_in_batch"] = self.accelerator.gather(trained_tokens(joined)).sum()
        return joined

    def _account(self, rounds: int, left: int, groups: int) -> None:
        self._log("extra_rounds", float(rounds))
        self._log("zero_variance_left", left / groups)
        if left and not self.counts.left:
            LOG.warning(
                "Step %d: %d of %d groups earn all the same, and %d extra rounds found no others.",
                *(self.state.global_step, left, groups, rounds),
            )
        self.counts.extra_rounds += rounds
        self.counts.left += left

    def _flat_groups(self, completions: int) -> list[bool]:
        """For each group of the latest round, on all ranks, whether all earn the same."""
        rewards = self._latest_rewards(completions)
        return flat_groups(rewards, self.reward_weights.tolist(), self.num_generations)

    def _of_this_rank(self, flat: list[bool]) -> list[bool]:
        """The groups that this rank sampled; none lies on two where groups are replaced."""
        share = len(flat) // self.ranks.size
        return flat[self.ranks.place.rank * share :][:share]

    def _latest_rewards(self, completions: int) -> dict[str, list[float]]:
        """The rewards of the latest round, as TRL keeps them: of all ranks, in their order.

        Args:
            completions: How many this rank sampled.
        """
        logged, count = self._logs["rewards"], completions * self.ranks.size
        return {name: list(values)[-count:] for name, values in logged.items()}

    def _count_unscored(self, completions: int) -> None:
        if not (count := unscored(self._latest_rewards(completions))):
            return
        completions *= self.ranks.size
        self._log("unscored_share", count / completions)
        if not self.counts.unscored:
            LOG.warning(
                "Step %d: every reward function gave None for %d of %d completions.",
                *(self.state.global_step, count, completions),
            )
        self.counts.unscored += count

    def _log(self, name: str, value: float) -> None:
        self._metrics["train" if self.model.training else "eval"][name].append(value)

    @contextmanager
    def _unlogged(self) -> Iterator[None]:
        """Keeps a further round out of the metrics: rewards stay those of prompts not chosen."""
        metrics = self._metrics["train"]
        before = {name: len(values) for name, values in metrics.items()}
        yield
        for name, values in metrics.items():
            if name != "num_tokens":  # a running total
                del values[before.get(name, 0) :]

    def _refuse_groups_across_ranks(self) -> None:
        round_of_rank = self.args.per_device_train_batch_size * self.args.steps_per_generation
        if self._rl.filter_zero_variance and round_of_rank % self.num_generations:
            problem = Problem(
                "rl.filter_zero_variance",
                f"a rank samples {round_of_rank} completions a round, which are no whole groups "
                f"of rl.num_generations = {self.num_generations}",
            )
            raise ConfigError(
                [problem],
                hint="Make per_device_train_batch_size x steps_per_generation a multiple of it.",
            )

    def _extra_state(self) -> dict[str, Any]:
        return {**super()._extra_state(), "further_prompts": self._further.position}

    def _restore_extra_state(self, state: dict[str, Any]) -> None:
        super()._restore_extra_state(state)
        self._further.position = state.get("further_prompts", 0)
