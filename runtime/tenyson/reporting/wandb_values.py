"""What a report takes from W&B, where there is any; always a text, never an error."""

import importlib
import os
from urllib.parse import quote

from tenyson.reporting.tables import as_cell

TIMEOUT_SECONDS = 10
_SAFE_IN_AN_ADDRESS = ":/?#@!$&'*+,;=%~"
"""Kept as they are; what is left, brackets, spaces and control characters, would end a link."""


def link(run_url: str | None, metric_name: str) -> str:
    """Returns a Markdown link to the run, or that there is none."""
    if not run_url:
        return f"{as_cell(metric_name)}: not available (the run was not sent to W&B)"
    label = as_cell(metric_name)
    if not run_url.startswith(("https://", "http://")):
        return f"{label}: {as_cell(run_url)}"  # of an offline run, a folder
    address = quote(run_url, safe=_SAFE_IN_AN_ADDRESS)
    return f"[{label}]({address})"


def latest_value(run_path: str | None, metric_name: str) -> str:
    """Returns the metric's latest value, or why there is none."""
    if not run_path:
        return "not available (the run was not sent to W&B)"
    if os.environ.get("WANDB_MODE", "").lower() in {"offline", "disabled", "dryrun"}:
        return "not available (W&B is switched off by WANDB_MODE)"
    try:
        wandb = importlib.import_module("wandb")  # optional, so no type checker needs to know it
    except ImportError:
        return "not available (wandb is not installed; pip install 'tenyson[wandb]')"
    try:
        value = wandb.Api(timeout=TIMEOUT_SECONDS).run(run_path).summary.get(metric_name)
    except Exception as error:  # noqa: BLE001 - a report is worth more than one of its numbers
        return f"not available (W&B: {type(error).__name__})"
    if value is None:
        return f"not available (the W&B run has no {as_cell(metric_name)})"
    return f"{value:.4g}" if isinstance(value, float) else as_cell(value)
