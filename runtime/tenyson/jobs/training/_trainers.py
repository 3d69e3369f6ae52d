"""TRL's trainers, changed in three places: how they save, how they resume, when they give up."""

import contextlib
from typing import Any

import torch
from trl import GRPOTrainer, SFTTrainer

from tenyson.errors import DivergedError
from tenyson.jobs.data._seeded_collator import SeededCollator
from tenyson.jobs.guards.rl_limits import DISTINCT_SHARE
from tenyson.jobs.limits._out_of_memory import SamplesInParts
from tenyson.jobs.measuring._timing import TimedGRPO, TimedSFT
from tenyson.jobs.preemption._stopping import SamplesInTime, StopsInTime
from tenyson.jobs.resume._exact import ExactResume
from tenyson.jobs.resume._round_seeds import EpochSampler, RoundSeeds, seeded_requests
from tenyson.jobs.training._micro_batches import cut_anew
from tenyson.jobs.training._sharded import Sharded


class _Guarded(ExactResume):
    """Saves whole checkpoints only, resumes exactly, and stops before a step that is not finite."""

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Returns the loss of a micro-step, which is finite."""
        loss = super().training_step(*args, **kwargs)
        # Of several ranks one alone may not leave. All see the gradient, which has it from here;
        # with float16 nobody looks at that.
        if self.ranks.size > 1 and not self.args.fp16:
            return loss
        (is_broken,) = self.ranks.any_of(not torch.isfinite(loss))
        if is_broken:
            is_own = not torch.isfinite(loss)
            raise self._diverged("loss", loss if is_own else "not finite on another rank")
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Returns the gradient's norm; the optimiser's step comes right after."""
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)  # type: ignore[misc]
        # With float16 an infinite gradient is the loss scaler's business: it skips the step.
        if not self.args.fp16 and not torch.isfinite(torch.as_tensor(norm)):
            raise self._diverged("gradient norm", norm)
        return norm

    def _diverged(self, what: str, value: Any) -> DivergedError:
        said = value if isinstance(value, str) else float(value)
        return DivergedError(
            f"The {what} of step {self.state.global_step + 1} is {said}; training stopped "
            "before it reached the weights.",
            hint="Lower training.learning_rate, add warmup_steps, or look for bad rows near that "
            "step; the last checkpoint is still good.",
            guard="non_finite",
            before_step=self.state.global_step + 1,
        )


class TenysonSFTTrainer(StopsInTime, TimedSFT, _Guarded, Sharded, SFTTrainer):  # type: ignore[misc]
    """TRL's SFTTrainer with whole checkpoints."""

    data_collator: Any

    def get_train_dataloader(self) -> Any:
        """Returns TRL's data loader; a collator of the task's own draws by seeds of its own."""
        given = self.data_collator
        if not type(given).__module__.startswith(("trl.", "transformers.")):
            self.data_collator = SeededCollator(given, self.args.seed, self._epoch)
        try:
            return super().get_train_dataloader()
        finally:
            self.data_collator = given

    def _epoch(self) -> int:
        return int(self.state.epoch or 0)


class TenysonGRPOTrainer(
    SamplesInTime,
    TimedGRPO,
    _Guarded,
    SamplesInParts,
    GRPOTrainer,  # type: ignore[misc]
):
    """TRL's GRPOTrainer with whole checkpoints that hold the round of sampling they were taken in.

    TRL saves neither its micro-step counter nor the completions still to be used, so a run that
    resumed inside a round (`steps_per_generation` or `num_iterations` above 1) went elsewhere.
    Nor does it save where its order of prompts and its sampling stand: those follow from the seed
    and the place here (`_round_seeds`).
    """

    _step: int
    _buffered_inputs: Any
    _metrics: Any
    _logs: Any
    _round_seeds: RoundSeeds | None = None

    def _get_train_sampler(self, dataset: Any = None) -> EpochSampler:
        return EpochSampler(
            data_source=self.train_dataset if dataset is None else dataset,
            mini_repeat_count=self.num_generations,
            batch_size=self.args.generation_batch_size // self.num_generations,
            repeat_count=self.num_iterations * self.args.steps_per_generation,
            shuffle=self.shuffle_dataset,
            seed=self.args.seed,
        )

    def _generate(self, prompts: list[Any]) -> Any:
        if self._round_seeds is None:
            # GPUs that share one engine send it the same requests, with the same seeds.
            sharing = self.args.vllm_tensor_parallel_size if self.use_vllm else 1
            self._round_seeds = RoundSeeds(self.args.seed, self.ranks.place.rank // sharing)
        phase = "rl" if self.model.training else "eval"
        with self._round_seeds.round(phase, self._step) as seed:
            llm = getattr(self.vllm_generation, "llm", None) if self.use_vllm else None
            with seeded_requests(llm, seed) if llm is not None else contextlib.nullcontext():
                return super()._generate(prompts)

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        output = super()._generate_and_score_completions(inputs)
        if self.model.training:
            completions = [str(completion) for completion in self._logs["completion"]]
            share = len(set(completions)) / len(completions)
            self._metrics["train"][DISTINCT_SHARE].append(share)
        return output

    def _extra_state(self) -> dict[str, Any]:
        own = {
            "step": self._step,
            "buffered_inputs": self._buffered_inputs,
            "micro_batch_size": self.args.per_device_train_batch_size,
        }
        return {**super()._extra_state(), **own}

    def _restore_extra_state(self, state: dict[str, Any]) -> None:
        super()._restore_extra_state(state)
        # Memory may have run out since: a micro-batch is then smaller, and there are more of them.
        size = self.args.per_device_train_batch_size
        saved_size = state.get("micro_batch_size", size)
        self._step = state["step"] * saved_size // size
        buffered = state["buffered_inputs"]
        self._buffered_inputs = buffered and cut_anew(buffered, saved_size, size)
        self._round_seeds = None
