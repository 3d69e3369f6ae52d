"""Which run an output folder is of: started again in it, a run keeps its name."""

import json
from pathlib import Path

from tenyson.contract import File, JobType


def run_id_of(folder: Path, job_type: JobType | str | None) -> str | None:
    """Returns the id of the run whose attempts are in the folder; None where there is none.

    Args:
        folder: The output folder; it need not exist.
        job_type: Of the run that is to start. What another kind of job left there, an SFT run
            whose folder an Eval job writes to, is another run.
    """
    # The manifest is of the newest attempt that began to work; one that ended before left a result.
    for name in (File.MANIFEST, File.JOB_RESULT):
        if (content := _content(folder / name)) is not None:
            return str(content["run_id"]) if content.get("job_type") == job_type else None
    return None


def _content(path: Path) -> dict[str, object] | None:
    """What a file says of a run; None where it names none, being missing or broken."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("run_id") else None
