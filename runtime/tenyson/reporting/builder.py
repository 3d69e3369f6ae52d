"""ReportBuilder: a Markdown template with `{placeholders}` becomes a report."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tenyson.errors import ConfigError, Problem
from tenyson.files import write_atomically
from tenyson.reporting import wandb_values
from tenyson.reporting.harmless import visible

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class ReportBuilder:
    """Collects values for a template's placeholders, then writes the report.

    A placeholder is a name in braces, `{eval_accuracy}`; other braces are text. Later values
    replace earlier ones. A placeholder without a value stays visible and is listed at the end.
    """

    def __init__(self, template: str | Path) -> None:
        """Takes the template's text, or the path of its file.

        Raises:
            ConfigError: There is no such file, or it is no UTF-8 text.
        """
        self._template = _read(template) if isinstance(template, Path) else template
        self._values: dict[str, str] = {}

    @property
    def placeholders(self) -> list[str]:
        """The template's placeholders, in the order of their first use."""
        return list(dict.fromkeys(_PLACEHOLDER.findall(self._template)))

    @property
    def missing(self) -> list[str]:
        """Placeholders without a value."""
        return [name for name in self.placeholders if name not in self._values]

    @property
    def unused(self) -> list[str]:
        """Values that the template has no place for."""
        return [name for name in self._values if name not in self.placeholders]

    def fill(self, data: Mapping[str, object]) -> Self:
        """Gives placeholders their values; numbers are shown to four digits."""
        self._values |= {name: shown(value) for name, value in data.items()}
        return self

    def attach_wandb_scalar_link(
        self, placeholder: str, run_url: str | None, metric_name: str
    ) -> Self:
        """Puts a link to a W&B run there, under the metric's name; None says that there is none."""
        return self.fill({placeholder: wandb_values.link(run_url, metric_name)})

    def attach_wandb_latest_value(
        self, placeholder: str, run_path: str | None, metric_name: str
    ) -> Self:
        """Puts a metric's latest value from W&B there.

        Without W&B, its network or the metric a sentence says so, and the report is made all the
        same.

        Args:
            placeholder: Name in the template.
            run_path: `entity/project/run`; None when the run was not sent to W&B.
            metric_name: As it was logged.
        """
        return self.fill({placeholder: wandb_values.latest_value(run_path, metric_name)})

    def render(self) -> str:
        """Returns the report; values are put in as they are, placeholders in them are text."""
        report = _PLACEHOLDER.sub(
            lambda found: self._values.get(found[1], found[0]), self._template
        )
        if self.missing:
            names = ", ".join(f"`{name}`" for name in self.missing)
            report = f"{report.rstrip()}\n\n> Placeholders without a value: {names}.\n"
        return report

    def save(self, path: str | Path) -> Path:
        """Writes the report; a reader never sees half of it."""
        path = Path(path)
        write_atomically(path, self.render())
        return path


def shown(value: object) -> str:
    """Returns a value as a report shows it: Markdown stays, what cannot be seen is made visible."""
    if value is None:
        return "not available"
    if isinstance(value, float):
        return f"{value:.4g}"
    return visible(str(value).replace("\r\n", "\n"), lines=True)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        message = error.strerror or str(error)
    except UnicodeDecodeError as error:
        message = f"is no UTF-8 text: {error.reason} at byte {error.start}"
    raise ConfigError([Problem(str(path), message)], hint="A report's template is a text file.")
