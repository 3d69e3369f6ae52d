"""A run that repeats another: before it trains it shows that it starts from the same."""

import json
import logging
from pathlib import Path
from typing import Any

from tenyson.errors import ConfigError, Problem, TaskError
from tenyson.jobs.context import RunContext
from tenyson.manifest.differences import differences, refused
from tenyson.manifest.table import difference_lines

LOG = logging.getLogger("tenyson.jobs")


def check_replay(context: RunContext, content: dict[str, Any]) -> None:
    """Compares a run with the manifest that it is to repeat; without one it does nothing.

    Args:
        context: The attempt; differences go to its log, and what matters of them to its warnings.
        content: The attempt's own manifest; it gets `replay_of`.

    Raises:
        TaskError: Data, weights or tokenizer differ, and it was not told to go on with them.
    """
    options = context.options
    if options.replay_of is None:
        return
    original = read_manifest(Path(options.replay_of))
    content["replay_of"] = original.get("run_id")
    found = differences(original, content)
    if not found:
        LOG.info("This run starts from the same as run %s.", original.get("run_id"))
        return
    lines = difference_lines(found, "original", "this run")
    LOG.info("Differences from run %s:\n%s", original.get("run_id"), "\n".join(lines))
    if not (grave := refused(found)):
        return
    named = ", ".join(f"{d.kind} ({d.path})" for d in grave)
    if not options.replay_force:
        raise TaskError(
            f"This is no repetition of run {original.get('run_id')}: it differs in {named}.",
            hint="Bring back what the original had, or use --force to run it all the same.",
        )
    context.warn(f"Repeats run {original.get('run_id')} on other {named}.")


def read_manifest(path: Path) -> dict[str, Any]:
    """Returns the content of a manifest, given the file or the output folder that holds it.

    Raises:
        ConfigError: It is not there, or is none.
    """
    from tenyson.contract import File

    file = path / File.MANIFEST if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise _refused(path, "there is no such file") from error
    except (OSError, ValueError) as error:
        raise _refused(path, f"cannot be read: {error}") from error
    if not isinstance(content, dict) or "config" not in content or "job_type" not in content:
        raise _refused(path, "is no manifest of a run: it has no config and no job_type")
    return content


def _refused(path: Path, message: str) -> ConfigError:
    return ConfigError(
        [Problem(str(path), message)],
        hint="Give the run_manifest.json of a run, or its output folder.",
    )
