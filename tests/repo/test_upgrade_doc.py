"""docs/upgrade.md promises nothing without a test."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "upgrade.md").read_text(encoding="utf-8")


def test_every_row_names_tests_and_they_exist() -> None:
    rows = [line for line in DOCUMENT.splitlines() if re.match(r"\| (?!---|part \|)", line)]
    assert len(rows) >= 8
    for row in rows:
        named = re.findall(r"`(tests/[\w/.]+\.py)::(test_\w+)`", row)
        assert named, row
        for path, name in named:
            assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{name}"
