"""Rows that code makes: a task's own, or those of a generator."""

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from tenyson.config import JobConfig, load_config
from tenyson.datasets.errors import DatasetError, DatasetRequestError
from tenyson.datasets.sources.source import PlacedRow, Source, split_options, take_options
from tenyson.errors import TenysonError
from tenyson.task import has_hook
from tenyson.task_loading import load_task

OWN_HOOK, USUAL_HOOK = "generate_examples", "get_sft_dataset"
_EXAMPLES = "tenyson.examples"


class TaskSource(Source):
    """`task:module:Class[?config=FILE&hook=NAME&model=NAME]`.

    `config` is a job's configuration for the hook; `hook` is `generate_examples` where the task has
    it, else `get_sft_dataset`; `model` brings the tokenizer that the latter may ask for.
    """

    kind: ClassVar[str] = "task"

    def __init__(self, text: str, rest: str) -> None:
        super().__init__(text)
        self.spec, given = split_options(rest)
        options = take_options(text, given, {"config": str, "hook": str, "model": str})
        self._config, self._hook = options.get("config"), options.get("hook")
        self._model = options.get("model")
        self._facts: dict[str, Any] = {}

    def rows(self) -> Iterator[PlacedRow]:
        """Yields the hook's rows; a place is `task:module:Class, row 7`, counted from 0."""
        from tenyson.manifest.task_files import task_facts

        task = load_task(self.spec)
        hook = self._hook or (OWN_HOOK if has_hook(task, OWN_HOOK) else USUAL_HOOK)
        self._facts = {"hook": hook, "task_fingerprint": task_facts(task)["fingerprint"]}
        if not callable(getattr(task, hook, None)):
            raise DatasetRequestError(
                f"{self.text}: the task has no hook {hook!r}.",
                hint=f"Define {OWN_HOOK}(config), or name one with ?hook=.",
            )
        made = _called(self.text, hook, getattr(task, hook), self._arguments(hook))
        yield from _numbered(made, self.text, hook)

    def facts(self) -> dict[str, Any]:
        """Returns the hook, and the fingerprint of the task's code."""
        return self._facts

    def _arguments(self, hook: str) -> tuple[Any, ...]:
        config = load_config(Path(self._config)) if self._config else _nobodys_config(self._model)
        plain = config.model_dump()
        takes_tokenizer = hook.startswith("get_sft_")
        return (plain, self._tokenizer()) if takes_tokenizer else (plain,)

    def _tokenizer(self) -> Any:
        if self._model is None:
            return None
        from transformers import AutoTokenizer

        try:
            return AutoTokenizer.from_pretrained(self._model)
        except (OSError, ValueError) as error:
            raise DatasetRequestError(
                f"{self.text}: there is no tokenizer at {self._model!r}: {error}"
            ) from error


class GeneratorSource(Source):
    """`generator:high_card_duel?count=100&seed=42`, or `generator:module:function?…`.

    A short name is an example's: `generate` in `tenyson.examples.NAME.generator`. The options are
    the function's arguments, read as the types that it annotates.
    """

    kind: ClassVar[str] = "generator"

    def __init__(self, text: str, rest: str) -> None:
        super().__init__(text)
        self._name, self._given = split_options(rest)

    def rows(self) -> Iterator[PlacedRow]:
        """Yields what the function makes; a place is `generator:NAME, row 7`, counted from 0."""
        function = self._function()
        known = {
            name: _reader(parameter)
            for name, parameter in inspect.signature(function, eval_str=True).parameters.items()
        }
        options = take_options(self.text, self._given, known)
        yield from _numbered(_called(self.text, self._name, function, (), options), self.text, "it")

    def _function(self) -> Callable[..., Any]:
        module_name, _, function_name = self._name.partition(":")
        if not function_name:
            module_name, function_name = f"{_EXAMPLES}.{self._name}.generator", "generate"
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            raise DatasetRequestError(
                f"{self.text}: there is no module {module_name}: {error}.",
                hint="Name an example (high_card_duel), or module:function of an installed module.",
            ) from error
        function = getattr(module, function_name, None)
        if not callable(function):
            raise DatasetRequestError(
                f"{self.text}: {module_name} has no function {function_name}."
            )
        return function  # type: ignore[no-any-return]


def _nobodys_config(model: str | None) -> JobConfig:
    """Returns the defaults: what a hook reads of a configuration that nobody gave."""
    return JobConfig.model_validate({"model": {"name": model or "none"}})


def _reader(parameter: inspect.Parameter) -> Callable[[str], Any]:
    return {int: int, float: float}.get(parameter.annotation, str)


def _called(
    text: str,
    name: str,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    options: Mapping[str, Any] | None = None,
) -> Any:
    try:
        inspect.signature(function).bind(*arguments, **(options or {}))
    except TypeError as error:
        raise DatasetRequestError(
            f"{text}: {name} cannot be called so: {error}.",
            hint="Options after a ? are the function's arguments.",
        ) from error
    try:
        return function(*arguments, **(options or {}))
    except TenysonError:
        raise
    except Exception as error:
        raise DatasetError(f"{text}: {name} raised {type(error).__name__}: {error}") from error


def _numbered(made: Any, text: str, name: str) -> Iterator[PlacedRow]:
    try:
        rows = iter(made)
    except TypeError as error:
        raise DatasetError(
            f"{text}: {name} returned {type(made).__name__}; expected rows."
        ) from error
    number = 0
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except TenysonError:
            raise
        except Exception as error:  # a generator's own code runs here
            raise DatasetError(
                f"{text}: {name} raised {type(error).__name__} after {number} rows: {error}"
            ) from error
        place = f"{text}, row {number}"
        if not isinstance(row, Mapping):
            raise DatasetError(f"{place}: {type(row).__name__} is no row; expected a mapping.")
        yield place, row
        number += 1
