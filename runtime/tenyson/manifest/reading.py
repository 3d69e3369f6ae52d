"""Reads the manifest that a run has left."""

import json
from pathlib import Path
from typing import Any

from tenyson.contract import File
from tenyson.errors import ConfigError, Problem


def read_manifest(path: Path) -> dict[str, Any]:
    """Returns the content of a manifest, given the file or the output folder that holds it.

    Raises:
        ConfigError: It is not there, or is none.
    """
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
