"""A run that repeats another: before it trains it shows that it starts from the same."""

import logging
from pathlib import Path
from typing import Any

from tenyson.errors import TaskError
from tenyson.jobs.context import RunContext
from tenyson.manifest.differences import differences, refused
from tenyson.manifest.reading import read_manifest
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
