"""The model card of a pushed run: what it was trained from, how well, and how to load it."""

import json
from collections.abc import Mapping
from typing import Any

from tenyson.jobs.result import JobResult

_SECTIONS = ("adapter", "data", "rl", "training")
"""What of the configuration the card shows: nothing that names hosts, folders or secrets."""


def model_card(repo: str, result: JobResult, manifest: Mapping[str, Any]) -> str:
    """Returns the card in Markdown, with the Hub's metadata on top.

    Args:
        repo: Name on the Hub, `owner/name`.
        result: The run's outcome.
        manifest: `run_manifest.json`; facts that it lacks are left out.
    """
    kind = (result.job_type or "").upper()
    base = manifest.get("model", {}).get("name", "the base model")
    what = "A LoRA adapter for" if result.adapter_sha256 else "Weights trained from"
    parts = [
        _metadata(result, manifest),
        f"# {repo.rpartition('/')[2]}\n",
        f"{what} `{base}`, trained by {kind} with Tenyson.\n",
        _table("", "", _facts(result, manifest)),
        "## Metrics\n",
        _table("metric", "value", {name: f"{v:.6g}" for name, v in result.metrics.items()}),
        "## How to load it\n",
        f"```python\n{_loading(repo, base, bool(result.adapter_sha256))}```\n",
    ]
    if config := {n: manifest["config"][n] for n in _SECTIONS if n in manifest.get("config", {})}:
        parts += ["## Configuration\n", f"```json\n{json.dumps(config, indent=1)}\n```\n"]
    return "\n".join(parts)


def _metadata(result: JobResult, manifest: Mapping[str, Any]) -> str:
    lines = [f"library_name: {'peft' if result.adapter_sha256 else 'transformers'}"]
    model = manifest.get("model", {})
    if "revision" in model:  # a folder's name says nothing to anybody else, and the Hub refuses it
        lines.append(f"base_model: {model['name']}")
    lines += ["tags:", "- tenyson", f"- {result.job_type}"]
    return "\n".join(["---", *lines, "---", ""])


def _facts(result: JobResult, manifest: Mapping[str, Any]) -> dict[str, str]:
    model = manifest.get("model", {})
    facts = {
        "run": result.run_id,
        "task": manifest.get("recipe"),
        "steps": result.global_step,
        "base model's revision": model.get("revision"),
        "base model's weights (SHA-256)": model.get("weights_sha256"),
        "adapter (SHA-256)": result.adapter_sha256,
        "configuration (SHA-256)": manifest.get("config_sha256"),
        "data": manifest.get("dataset_key"),
        "seed": manifest.get("seed"),
        "git commit": manifest.get("git_sha"),
        "versions": ", ".join(f"{n} {v}" for n, v in manifest.get("versions", {}).items()),
    }
    return {name: f"`{value}`" for name, value in facts.items() if value not in (None, "")}


def _table(left: str, right: str, rows: Mapping[str, str]) -> str:
    head = [f"| {left} | {right} |", "|---|---|"]
    return "\n".join([*head, *(f"| {name} | {value} |" for name, value in rows.items()), ""])


def _loading(repo: str, base: str, is_adapter: bool) -> str:
    if not is_adapter:
        return (
            "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
            f'model = AutoModelForCausalLM.from_pretrained("{repo}")\n'
            f'tokenizer = AutoTokenizer.from_pretrained("{repo}")\n'
        )
    return (
        "from peft import PeftModel\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f'model = AutoModelForCausalLM.from_pretrained("{base}")\n'
        f'model = PeftModel.from_pretrained(model, "{repo}")\n'
        f'tokenizer = AutoTokenizer.from_pretrained("{repo}")\n'
    )
