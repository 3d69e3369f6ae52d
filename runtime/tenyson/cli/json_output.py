"""JSON for scripts: what Python knows and JSON does not becomes what a script expects."""

import dataclasses
import json
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any


def as_json(content: Any) -> str:
    """Returns the content as JSON in ASCII: moments as ISO 8601, durations in seconds, no NaN."""
    return json.dumps(plain_values(content), indent=2, allow_nan=False) + "\n"


def plain_values(value: Any) -> Any:
    """Returns the value with dataclasses as objects and what JSON has no word for replaced."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain_values(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain_values(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_values(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if value is None or isinstance(value, str | int):
        return value
    return str(value)
