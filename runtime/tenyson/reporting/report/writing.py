"""Puts a report into files: Markdown with its pictures beside it, or one HTML file."""

import re
from pathlib import Path
from urllib.parse import quote

from tenyson.contract import ExitCode
from tenyson.errors import TenysonError
from tenyson.files import write_atomically
from tenyson.reporting.report.document import Report
from tenyson.reporting.report.page import as_html

MARKDOWN, HTML = (".md", ".markdown"), (".html", ".htm")


class OutputError(TenysonError, ValueError):
    """Raised when a report cannot be written where it was asked for."""

    exit_code = ExitCode.CONFIG


def require_format(path: Path) -> None:
    """Sees that a path names a format that a report can have.

    Raises:
        OutputError: It does not.
    """
    if path.suffix.lower() not in (*MARKDOWN, *HTML):
        raise OutputError(
            f"A report is written as .md or .html, not as {path.name!r}.",
            hint="Give --output a name that ends in .md or .html.",
        )


def write_report(report: Report, path: str | Path) -> Path:
    """Writes the report; returns its path.

    Pictures of a Markdown report go into the folder `<name>-pictures` beside it, because a Git
    host shows no picture that is written into the text.

    Args:
        report: What to write.
        path: Ends in `.md` or `.html`, which decides the format.

    Raises:
        OutputError: It ends in something else, or the place takes no files.
        DependencyError: The format needs a library that is not installed.
    """
    path = Path(path)
    require_format(path)
    try:
        if path.suffix.lower() in HTML:
            write_atomically(path, as_html(report))
        else:
            _write_markdown(report, path)
    except OSError as error:
        raise OutputError(
            f"The report cannot be written to {path}: {error.strerror or error}.",
            hint="Give --output a place that can be written.",
        ) from error
    return path


def _write_markdown(report: Report, path: Path) -> None:
    folder = f"{path.stem}-pictures"
    for name, svg in report.pictures.items():
        write_atomically(path.parent / folder / name, svg)
    text = report.markdown
    for name in report.pictures:
        target = quote(f"{folder}/{name}")
        text = re.sub(rf"\]\({re.escape(name)}\)$", f"]({target})", text, flags=re.MULTILINE)
    write_atomically(path, text)
