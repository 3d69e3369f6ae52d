"""`model.loader: unsloth`, as far as it is decided before any training library is imported.

Unsloth rewrites parts of transformers, TRL and PEFT while it is imported, so it must come first.
"""

from importlib import import_module
from importlib.util import find_spec

from tenyson.config import JobConfig
from tenyson.errors import ConfigError, DependencyError, Problem

_INSTALL = (
    "Install it by Unsloth's own instructions, in an environment of its own (pip install unsloth): "
    "it wants releases of torch, transformers and trl that it names itself. Or set model.loader: "
    "transformers."
)


def import_loader(config: JobConfig) -> None:
    """Imports Unsloth where the configuration wants it, before the libraries that it rewrites.

    Raises:
        DependencyError: Unsloth is not installed.
        ConfigError: There is no GPU.
    """
    if config.model.loader != "unsloth":
        return
    if find_spec("unsloth") is None:
        raise DependencyError(
            "model.loader: unsloth needs Unsloth, which is not installed.", hint=_INSTALL
        )
    if not _has_gpu():
        raise ConfigError(
            [Problem("model.loader", "unsloth needs a GPU, and none is visible")],
            hint="Set model.loader: transformers, or run it where a GPU is visible.",
        )
    import_module("unsloth")


def _has_gpu() -> bool:
    import torch  # Unsloth does not rewrite torch: it may come before

    return torch.cuda.is_available()
