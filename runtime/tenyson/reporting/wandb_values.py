"""What a report takes from W&B, where there is any; always a text, never an error."""

import importlib
import os

from tenyson.reporting.tables import as_cell

TIMEOUT_SECONDS = 10


def link(run_url: str | None, metric_name: str) -> str:
    """Returns a Markdown link to the run, or that there is none."""
    if not run_url:
        return f"{as_cell(metric_name)}: not available (the run was not sent to W&B)"
    label = as_cell(metric_name)
    address = run_url.replace(" ", "%20").replace(")", "%29")
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
    return f"{value:.4g}" if isinstance(value, float) else str(value)
