"""What tests read of a run's output folder."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tenyson.contract import File

BY_CLOCK = ("time", "step_time", "attempt", "tokens_per_second")
"""What two runs of one configuration need not agree on."""


def metric_rows(
    folder: str | Path | None, *, without: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Returns the rows of metrics; `without` these names, BY_CLOCK for one."""
    lines = Path(str(folder), File.METRICS).read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in without} for line in lines]
