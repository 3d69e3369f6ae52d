"""Trainer callbacks that record what a trainer logs; only this module needs transformers."""

from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tenyson.telemetry.recording import Telemetry

_SFT_TRAIN = {
    "loss": "loss",
    "learning_rate": "learning_rate",
    "grad_norm": "grad_norm",
    "mean_token_accuracy": "mean_token_accuracy",
    "entropy": "entropy",
    "num_tokens": "num_tokens",
}
_SFT_EVAL = {
    "eval_loss": "eval_loss",
    "eval_mean_token_accuracy": "eval_mean_token_accuracy",
    "eval_entropy": "entropy",
    "eval_num_tokens": "num_tokens",
}
_GRPO = {
    "loss": "loss",
    "kl": "kl",
    "reward": "reward_mean",
    "reward_std": "reward_std",
    "frac_reward_zero_std": "zero_std_share",
    "entropy": "entropy",
    "completions/mean_length": "completion_length",
    "completions/clipped_ratio": "truncated_share",
    "clip_ratio/region_mean": "clip_ratio",
    "learning_rate": "learning_rate",
    "grad_norm": "grad_norm",
    "num_tokens": "num_tokens",
}


class SFTTelemetryCallback(TrainerCallback):  # type: ignore[misc]
    """Records each log line of an SFT trainer into `sft_metrics`, on the main process only.

    A line of evaluation has `eval_loss` and no `loss`; the summary that ends a training has
    neither and is left out.
    """

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Takes one log line."""
        if not logs or not state.is_world_process_zero:
            return
        if "loss" in logs:
            self._record(state, "train", _columns(logs, _SFT_TRAIN))
        if "eval_loss" in logs:
            self._record(state, "eval", _columns(logs, _SFT_EVAL))

    def _record(self, state: TrainerState, kind: str, values: dict[str, float | None]) -> None:
        row = dict.fromkeys({*_SFT_TRAIN.values(), *_SFT_EVAL.values()}) | values
        self._telemetry.record_sft_metrics(
            state.global_step, kind, row | {"epoch": _number(state.epoch)}
        )


class GRPOEpochTelemetryCallback(TrainerCallback):  # type: ignore[misc]
    """Records each log line of GRPO training into `epoch_metrics`, on the main process only."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Takes one log line."""
        if logs and "loss" in logs and state.is_world_process_zero:
            values = _columns(logs, _GRPO) | {"epoch": _number(state.epoch)}
            self._telemetry.record_epoch_metrics(state.global_step, values)


def _columns(logs: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, float | None]:
    """The columns' values; None where the trainer logged nothing."""
    values = {column: _number(logs.get(name)) for name, column in names.items()}
    if (tokens := values.get("num_tokens")) is not None:
        values["num_tokens"] = int(tokens)
    return values


def _number(value: Any) -> float | None:
    """The trainer's number; it formats some as text."""
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None
