"""How a task is loaded by name: a class, a `.py` file, or a module of hook functions."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from tenyson.errors import TaskLoadError
from tenyson.task import TaskPlugin

_HOOKS = tuple(name for name in vars(TaskPlugin) if not name.startswith("_"))


def load_task(spec: str) -> Any:
    """Returns the task for `module.path:ClassName`, a `.py` file, or a module of hook functions.

    `file.py:ClassName` works too. A class is called without arguments.

    Raises:
        TaskLoadError: It does not import, has no such class, or holds no hook at all.
    """
    module_name, _, class_name = spec.partition(":")
    module = _import_module(module_name, spec)
    if not class_name:
        return _task_of_module(module, spec)
    plugin = getattr(module, class_name, None)
    if not isinstance(plugin, type):
        classes = [
            n
            for n, v in vars(module).items()
            if isinstance(v, type) and v.__module__ == module.__name__
        ]
        raise TaskLoadError(
            f"Task {spec!r}: module {module_name!r} has no class {class_name!r}.",
            hint=f"Its classes: {', '.join(classes) or 'none'}.",
        )
    try:
        return plugin()
    except Exception as error:
        raise TaskLoadError(
            f"Task {spec!r}: {class_name}() raised {type(error).__name__}: {error}."
        ) from error


def _import_module(name: str, spec: str) -> ModuleType:
    try:
        return (
            _module_of_file(Path(name)) if name.endswith(".py") else importlib.import_module(name)
        )
    except FileNotFoundError as error:
        raise TaskLoadError(
            f"Task {spec!r}: there is no file {name!r}.", hint=f"Looked from {Path.cwd()}."
        ) from error
    except ModuleNotFoundError as error:
        raise TaskLoadError(
            f"Task {spec!r}: {error}.",
            hint="Give module.path:ClassName of an installed module, or the path of a .py file.",
        ) from error
    except Exception as error:
        raise TaskLoadError(
            f"Task {spec!r}: importing it raised {type(error).__name__}: {error}."
        ) from error


def _module_of_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(path)
    loader = importlib.util.spec_from_file_location(path.stem, path.resolve())
    if loader is None or loader.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(loader)
    # The file's neighbours and its own pickled classes must import by name.
    sys.path.insert(0, str(path.resolve().parent))
    sys.modules.setdefault(path.stem, module)
    loader.loader.exec_module(module)
    return module


def _task_of_module(module: ModuleType, spec: str) -> Any:
    """A module's hook functions, or else its only TaskPlugin class."""
    if any(callable(getattr(module, hook, None)) for hook in _HOOKS):
        return _ModuleTask(module)
    plugins = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, TaskPlugin) and value is not TaskPlugin
    ]
    if len(plugins) == 1:
        return plugins[0]()
    found = ", ".join(plugin.__name__ for plugin in plugins) or "no hook function and no TaskPlugin"
    raise TaskLoadError(
        f"Task {spec!r}: expected hook functions or one TaskPlugin class, found {found}.",
        hint=f"Name the class, {spec}:ClassName, or define hooks such as {_HOOKS[0]}.",
    )


class _ModuleTask(TaskPlugin):
    """A plain module as a task: its functions are the hooks."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        for hook in _HOOKS:
            if callable(function := getattr(module, hook, None)):
                setattr(self, hook, function)
