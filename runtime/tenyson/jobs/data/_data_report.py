"""What is said of the training data: in the log, and in the manifest."""

import logging
from typing import Any

import numpy as np

from tenyson.errors import ConfigError, Problem, TaskError
from tenyson.jobs.context import RunContext
from tenyson.jobs.data._mask_report import MaskReport
from tenyson.jobs.data._preparation import PreparedRows
from tenyson.jobs.data.packing import PackingChoice, Shape, choose_packing

LOG = logging.getLogger("tenyson.jobs")
FEW = 0.9
"""Share of examples with a trained stop token below which a warning is due."""


def decide_packing(
    context: RunContext, prepared: PreparedRows, model_config: Any, *, has_collator: bool
) -> PackingChoice:
    """Returns whether rows are packed; it is noted for the manifest, and said if it was a choice.

    Raises:
        ConfigError: Packing is wanted where it is impossible.
    """
    data = context.config.data
    obstacle = None
    if has_collator:
        obstacle = "the task brings a collator of its own, which knows nothing of packed rows"
    elif data.max_length is None:
        obstacle = "data.max_length is null, so a packed row would have no end"
    if data.packing and obstacle is not None:
        raise ConfigError(
            [Problem("data.packing", f"cannot be on: {obstacle}")],
            hint="Set data.packing: false, or give data.max_length and return None from "
            "get_sft_data_collator.",
        )
    limit = data.max_length or int(prepared.lengths.max())
    lengths: list[int] = np.minimum(prepared.lengths, limit).tolist()
    attention = getattr(model_config, "_attn_implementation", None) or ""
    shape = Shape(
        rows=context.config.training.per_device_train_batch_size,
        max_length=limit,
        hidden_size=model_config.get_text_config().hidden_size,
        skips_between="flash" in attention,
    )
    choice = choose_packing(data.packing, lengths, shape, obstacle)
    LOG.info("Packing %s: %s", "on" if choice.packs else "off", choice.why)
    share = choice.padding_share
    context.notes["packing"] = {
        "packs": choice.packs,
        "why": choice.why,
        "padding_share": None if share is None else round(share, 4),
    }
    return choice


def report_data(
    context: RunContext, masks: MaskReport, prepared: PreparedRows, rows_left: int | None
) -> None:
    """Says what training will learn from, and notes it for the manifest.

    Args:
        context: The attempt.
        masks: Counts over a sample.
        prepared: The training set.
        rows_left: Rows that TRL kept; None where it packed them.

    Raises:
        TaskError: Not one token would be trained.
    """
    limit = context.config.data.max_length
    cut = int((prepared.lengths > limit).sum()) if limit is not None else 0
    left_out = len(prepared.lengths) - rows_left if rows_left is not None else 0
    context.notes["data_report"] = {
        "examples": len(prepared.lengths),
        "longest_tokens": int(prepared.lengths.max()),
        "mean_tokens": round(float(prepared.lengths.mean()), 1),
        "cut_at_max_length": cut,
        "left_out": left_out,
        "sample": masks.to_dict(),
    }
    LOG.info("Data: %s", summary(masks, len(prepared.lengths), cut, limit))
    if not masks.trained_tokens:
        raise TaskError(
            "0 % of the tokens would be trained: every label of the "
            f"{masks.examples} examples looked at is masked.",
            hint="Look at data.completion_only_loss and data.assistant_only_loss, at the prompt's "
            "share of data.max_length, and at the labels of the task's collator.",
        )
    for warning in warnings_of(masks, len(prepared.lengths), cut, left_out, limit):
        LOG.warning(warning)
        context.warn(warning)


def summary(masks: MaskReport, examples: int, cut: int, limit: int | None) -> str:
    """Returns the report as a line to read."""
    untrained = masks.examples_without / max(1, masks.examples)
    parts = [
        f"{examples} example{'s' if examples != 1 else ''}",
        f"{_percent(masks.trained_share)} of the tokens trained",
        f"{_percent(untrained)} of the examples have none"
        if untrained
        else "each example has some",
        f"stop token trained: {'yes' if masks.trains_stop else 'no'}",
    ]
    if cut:
        parts.append(f"{_percent(cut / examples)} cut at data.max_length = {limit}")
    if masks.examples < examples:
        parts.append(f"counted on {masks.examples} of them")
    return ", ".join(parts)


def warnings_of(
    masks: MaskReport, examples: int, cut: int, left_out: int, limit: int | None
) -> list[str]:
    """Returns what of the data should not go unnoticed."""
    found = []
    stopping = masks.examples_stopping / max(1, masks.examples)
    if not masks.trains_stop:
        found.append(
            "The stop token is not trained in any example looked at: the model will not learn to "
            "end its answers. End the assistant's turn with the tokenizer's eos_token in the chat "
            "template (inside {% generation %} where data.assistant_only_loss is on), and give a "
            "collator a padding token that is not the stop token."
        )
    elif stopping < FEW:
        found.append(
            f"The stop token is trained in {_percent(stopping)} of the examples alone: the others "
            "teach the model to go on. Raise data.max_length if they are cut."
        )
    if left_out:
        found.append(
            f"{left_out} of {examples} examples were left out: their prompts alone fill "
            f"data.max_length = {limit}. Raise it, or shorten the prompts."
        )
    elif cut > examples / 2:
        found.append(
            f"{cut} of {examples} examples are cut at data.max_length = {limit}: more than half "
            "lose their end. Raise it."
        )
    return found


def _percent(share: float) -> str:
    """Returns a share for a reader, who must not take a little for nothing or almost for all."""
    if 0 < share < 0.001:
        return "under 0.1 %"
    if 0.999 < share < 1:
        return "over 99.9 %"
    return f"{share:.1%}".replace(".0%", "%").replace("%", " %")
