"""Rows recorded as a run does, into the databases of these names."""

from typing import Any

import pytest

from tenyson.telemetry import Completion, PromptGroup

SQLITE = pytest.mark.parametrize("target", ["sqlite"], indirect=True)
POSTGRESQL = pytest.mark.parametrize("target", ["postgresql"], indirect=True)


def record(telemetry: Any, step: int, size: int = 10) -> None:
    groups = [PromptGroup(0, f"q{step}", [Completion("a" * size, {"r": 1.0}, 1.0)])]
    telemetry.record_rollouts(step, groups)
