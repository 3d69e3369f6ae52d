"""docs/upgrade.md promises nothing without a test."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "upgrade.md").read_text(encoding="utf-8")


def test_every_row_names_a_test() -> None:
    rows = [line for line in DOCUMENT.splitlines() if re.match(r"\| (?!---|part \|)", line)]
    assert len(rows) >= 8
    for row in rows:
        assert "::test_" in row, row


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/.]+\.py)::(test_\w+)`", DOCUMENT)
    assert named
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{name}"
