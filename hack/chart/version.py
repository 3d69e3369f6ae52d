"""The version in Chart.yaml: that of the project, for the chart and for what it installs."""

import re
from pathlib import Path

_FIELDS = ("version", "appVersion")


def stale_versions(chart: Path, version: str) -> list[str]:
    """Returns a sentence for each field of Chart.yaml that is not of this version."""
    text = (chart / "Chart.yaml").read_text(encoding="utf-8")
    return [
        f"Chart.yaml has {field} {found or 'nowhere'}, pyproject.toml has {version}"
        for field in _FIELDS
        if (found := _found(text, field)) != version
    ]


def write_versions(chart: Path, version: str) -> None:
    """Sets the fields in Chart.yaml; the rest of the file stays as it is.

    Raises:
        ValueError: one of them has no line of its own there.
    """
    path = chart / "Chart.yaml"
    text = path.read_text(encoding="utf-8")
    for field in _FIELDS:
        text, count = re.subn(rf"^{field}:.*$", f'{field}: "{version}"', text, flags=re.M)
        if count != 1:
            raise ValueError(f"{path} needs one line `{field}: …`, has {count}")
    path.write_text(text, encoding="utf-8")


def _found(text: str, field: str) -> str:
    match = re.search(rf'^{field}: *"?([^"\s]+)"? *$', text, re.M)
    return match[1] if match else ""
