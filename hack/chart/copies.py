"""The CRDs in the chart: copies of `crds/`, since a chart can only read its own files."""

from pathlib import Path

_FOLDER = Path("files") / "crds"


def stale_crds(source: Path, chart: Path) -> list[str]:
    """Returns a sentence for each copy that is missing, differs or has no original."""
    wanted, found = _texts(source), _texts(chart / _FOLDER)
    return [
        f"{_FOLDER / name} is not what {source.name}/{name} is"
        for name in sorted(wanted.keys() | found.keys())
        if wanted.get(name) != found.get(name)
    ]


def write_crds(source: Path, chart: Path) -> None:
    """Copies the CRDs into the chart, and removes copies without an original."""
    wanted = _texts(source)
    folder = chart / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name in _texts(folder).keys() - wanted.keys():
        (folder / name).unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")


def _texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.yaml")}
