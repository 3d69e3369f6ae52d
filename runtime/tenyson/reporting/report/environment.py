"""What the runs ran on, and the commands that run them again."""

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from tenyson.manifest.differences import flat
from tenyson.reporting.harmless import Markdown, code, fence, plain
from tenyson.reporting.lineage import own_names
from tenyson.reporting.numbers import bytes_text
from tenyson.reporting.records import Run
from tenyson.reporting.tables import markdown_table

VERSION_NAMES = ("tenyson", "torch", "transformers", "trl", "peft", "vllm", "datasets", "python")
"""Shown first; the others stand in the manifest."""
SHOWN_HARDWARE = 8


def environment(runs: Sequence[Run]) -> str:
    """Returns code, data, weights, versions and machine, one column for runs that are alike."""
    described = {run.run_id: _facts(run) for run in runs}
    names = list(dict.fromkeys(name for facts in described.values() for name in facts))
    if not names:
        return "No run recorded a manifest."
    shared = [n for n in names if len({facts.get(n) for facts in described.values()}) == 1]
    first = next(iter(described.values()))
    parts = []
    if shared:
        title = "All runs" if len(runs) > 1 else plain(runs[0].name)
        rows = [(plain(name), code(first[name])) for name in shared if name in first]
        parts.append(markdown_table(("What", title), rows))
    if others := [name for name in names if name not in shared]:
        rows_of_runs = [
            (plain(n), *(code(facts[n]) if n in facts else Markdown("–")
                         for facts in described.values()))
            for n in others
        ]  # fmt: skip
        parts.append(markdown_table(("What", *map(plain, own_names(runs).values())), rows_of_runs))
    return "\n\n".join(parts)


def again(runs: Sequence[Run]) -> str:
    """Returns the commands that repeat the runs, each after the one that it comes from."""
    lines, names = [], own_names(runs)
    file_names = [_file_name(run.name) for run in runs]
    for run, file_name in zip(runs, file_names, strict=True):
        if run.manifest:
            name = file_name if file_names.count(file_name) == 1 else _file_name(run.run_id)
            file = f"{name}.manifest.json"
            lines += [
                f"tenyson runs show {shlex.quote(run.run_id)} --manifest > {shlex.quote(file)}",
                f"tenyson replay {shlex.quote(file)}",
            ]
    commands = [
        f"- {code(names[run.run_id])}: {code(shlex.join(map(str, run.manifest['command'])))}"
        for run in runs
        if run.manifest.get("command")
    ]
    parts = []
    if lines:
        text = "Each run again from its manifest; data and weights are compared before it trains:"
        parts += [text, fence("\n".join(lines)).replace("text\n", "sh\n", 1)]
    if commands:
        parts += ["They were started by:", "\n".join(commands)]
    return "\n\n".join(parts) or "No run recorded a manifest, so none can be repeated from here."


def _file_name(text: str) -> str:
    """The text as a name that a file can have: a run may be called `team/wordle`."""
    return re.sub(r"[^\w.-]+", "-", text, flags=re.ASCII).lstrip("-.") or "run"


def _facts(run: Run) -> dict[str, str]:
    manifest = run.manifest
    facts: dict[str, Any] = {
        "Task": run.task or manifest.get("recipe"),
        "Model": run.model,
        "Model's revision": _of(manifest, "model", "revision"),
        "Weights (SHA-256)": _short(_of(manifest, "model", "weights_sha256")),
        "Adapter (SHA-256)": _short(_of(manifest, "adapter_parent", "sha256")),
        "Data": _short_key(run.dataset_key),
        "Seed": run.seed,
        "Git commit": run.git_sha or manifest.get("git_sha"),
        "Image": manifest.get("image_digest"),
    }
    for role, data in (manifest.get("datasets") or {}).items():
        if isinstance(data, Mapping):
            facts[f"Rows ({role})"] = f"{data.get('rows')}, {_short(data.get('fingerprint'))}"
    versions = manifest.get("versions") or {}
    facts |= {name: versions[name] for name in VERSION_NAMES if versions.get(name)}
    hardware = manifest.get("hardware") or (run.last.hardware if run.last else {})
    known = [(n, v) for n, v in flat(hardware) if v not in (None, "", [], {})]
    facts |= {f"Machine: {n}": _sized(n, v) for n, v in known[:SHOWN_HARDWARE]}
    return {name: str(value) for name, value in facts.items() if value not in (None, "")}


def _sized(name: str, value: Any) -> Any:
    return bytes_text(value) if name.endswith("_bytes") else value


def _short_key(key: str | None) -> str | None:
    """A data set's own key as it is; a hash that stands for one shortened."""
    return key[:23] if key and key.startswith("sha256:") else key


def _of(manifest: Mapping[str, Any], part: str, name: str) -> Any:
    return (manifest.get(part) or {}).get(name)


def _short(sha256: Any) -> str | None:
    return str(sha256)[:16] if sha256 else None
