"""Which model an evaluation from the command line means: the base of a run, or a checkpoint."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenyson.contract import File
from tenyson.errors import ConfigError, Problem
from tenyson.evaluation.completions import BASE
from tenyson.manifest.reading import read_manifest

ADAPTER_CONFIG = "adapter_config.json"
MODEL_CONFIG = "config.json"


@dataclass(frozen=True)
class ChosenModel:
    """The sections of a configuration that say which model answers."""

    model: dict[str, Any]
    adapter: dict[str, Any] = field(default_factory=dict)


def choose_model(model: str, base_model: str | None, output: Path) -> ChosenModel:
    """Returns what to load.

    Args:
        model: `base`, or a checkpoint: its folder, the run's folder that holds it, or a URI.
        base_model: Hub name or folder of the base; None: as the run's manifest says, else the
            adapter's own configuration.
        output: Where the answers go; in a run's folder it tells which base is meant.

    Raises:
        ConfigError: The model is not there, or nothing tells its base.
    """
    if model == BASE:
        return _base(base_model, output)
    if "://" in model:
        if base_model is None:
            raise _refused("base_model", f"is needed for a checkpoint behind a URI, {model}")
        return ChosenModel({"name": _place(base_model)}, {"path": model})
    folder = _checkpoint(Path(model).expanduser())
    if not (folder / ADAPTER_CONFIG).is_file():
        if base_model is not None:
            raise _refused(
                "base_model", f"is of no use: {folder} holds a whole model, not an adapter"
            )
        return ChosenModel({"name": str(folder.resolve())})
    path = {"path": str(folder.resolve())}
    if base_model is not None:
        return ChosenModel({"name": _place(base_model)}, path)
    if (folder.parent / File.MANIFEST).is_file():
        chosen = base_of_run(read_manifest(folder.parent), folder.parent)
        return ChosenModel(chosen.model, {**chosen.adapter, **path})
    return ChosenModel(_base_of_adapter(folder), path)


def base_of_run(manifest: Mapping[str, Any], folder: Path) -> ChosenModel:
    """Returns the base model of a run, as the run loaded it.

    Raises:
        ConfigError: It lay in a folder that is not there.
    """
    config = manifest["config"]
    section, facts = dict(config["model"]), manifest["model"]
    if "weights_sha256" in facts:  # a folder, whatever it was called
        section["name"] = facts["source"]
        if not Path(facts["source"]).is_dir():
            raise _refused(
                "base_model",
                f"is needed: the base model of {folder} lay in {facts['source']}, and there is no "
                "such folder here",
            )
    elif facts.get("revision"):
        section["revision"] = facts["revision"]
    is_four_bits = config["adapter"]["kind"] == "qlora"
    return ChosenModel(section, {"kind": "qlora"} if is_four_bits else {})


def _base(base_model: str | None, output: Path) -> ChosenModel:
    if base_model is not None:
        return ChosenModel({"name": _place(base_model)})
    if not (output.parent / File.MANIFEST).is_file():
        raise _refused(
            "base_model",
            f"is needed: {output.parent} holds no {File.MANIFEST} that would tell which base model",
            hint="Give --base-model NAME_OR_FOLDER, or write the output into a run's folder.",
        )
    return base_of_run(read_manifest(output.parent), output.parent)


def _checkpoint(folder: Path) -> Path:
    """Returns the folder that holds the weights, given it or the run's."""
    for candidate in (folder, folder / File.FINAL_CHECKPOINT):
        if any((candidate / name).is_file() for name in (ADAPTER_CONFIG, MODEL_CONFIG)):
            return candidate
    if not folder.is_dir():
        raise _refused(
            "model",
            f"there is no folder {folder}",
            hint=f"Looked from {Path.cwd()}. Give base (with --base-model NAME) or the "
            f"{File.FINAL_CHECKPOINT} folder of a run.",
        )
    raise _refused(
        "model",
        f"{folder} holds neither an adapter ({ADAPTER_CONFIG}) nor a model ({MODEL_CONFIG})",
        hint=f"Give the {File.FINAL_CHECKPOINT} folder of a run.",
    )


def _base_of_adapter(folder: Path) -> dict[str, Any]:
    path = folder / ADAPTER_CONFIG
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        name, revision = content.get("base_model_name_or_path"), content.get("revision")
    except (ValueError, AttributeError) as error:
        raise _refused("model", f"{path} cannot be read: {error}") from error
    if not name:
        raise _refused("base_model", f"is needed: {path} does not name the base model")
    return {"name": name, **({"revision": revision} if revision else {})}


def _place(base_model: str) -> str:
    """Returns a folder's whole path; a name of the Hub as it is."""
    folder = Path(base_model).expanduser()
    return str(folder.resolve()) if folder.is_dir() else base_model


def _refused(path: str, message: str, *, hint: str = "") -> ConfigError:
    return ConfigError([Problem(path, message)], hint=hint)
