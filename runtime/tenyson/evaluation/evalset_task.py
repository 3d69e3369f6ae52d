"""EvalSetTask: a file of prompts with expected answers as the task of an Eval job.

`config.task` says which file and what an answer earns:

    task:
      eval_set: evalset.jsonl        # or s3://bucket/evalset.jsonl
      scorer: [exact, "regex:answer is (.*)"]
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tenyson.errors import ConfigError, Problem, TaskError
from tenyson.evaluation.evalset import EvalRow, read_eval_set
from tenyson.evaluation.rows_file import LineProblem, RowsError
from tenyson.evaluation.scorers import Scorer, make_scorers
from tenyson.near_names import near_name
from tenyson.task import TaskPlugin, has_hook
from tenyson.task_loading import load_task

if TYPE_CHECKING:
    from datasets import Dataset

SPEC = "tenyson.evaluation.evalset_task:EvalSetTask"
TASK_SCORER = "task"
"""Names the scoring of another task, its `compute_metrics`."""


@dataclass(frozen=True)
class EvalSetSettings:
    """The task section of an evaluation of a file."""

    eval_set: str
    """Path or URI of a JSON Lines file."""
    scorer: tuple[str, ...] = ("exact",)
    """What answers earn; see `make_scorers`, and `task` for another task's `compute_metrics`."""
    chat: bool = False
    """Whether each prompt that is a text is sent as a user's message, through the chat template."""
    task_module: str | None = None
    """The task of the scorer `task`, `module:Class`; its base models are known, too."""
    task: Mapping[str, Any] | None = None
    """That task's own section."""
    dataset_key: str | None = None
    """What the manifest calls the file; None: its fingerprint."""

    @property
    def own_scorers(self) -> list[str]:
        """Those that compare with the expected answer."""
        return [spec for spec in self.scorer if spec != TASK_SCORER]


def read_settings(section: Mapping[str, Any]) -> EvalSetSettings:
    """Returns the settings in a `task` section.

    Raises:
        ConfigError: Lists all that is wrong: unknown keys, a file that is not named.
    """
    known = [field.name for field in fields(EvalSetSettings)]
    problems = [_unknown(key, known) for key in section if key not in known]
    if not isinstance(section.get("eval_set"), str) or not section["eval_set"]:
        problems.append(Problem("task.eval_set", "names no file; expected a path or a URI"))
    given = section.get("scorer", ["exact"])
    scorer = tuple([given] if isinstance(given, str) else given)
    if not scorer or not all(isinstance(spec, str) for spec in scorer):
        problems.append(Problem("task.scorer", "expected the name of a scorer, or a list of them"))
    if (TASK_SCORER in scorer) and not section.get("task_module"):
        problems.append(Problem("task.task_module", "the scorer task needs it: module:Class"))
    if problems:
        raise ConfigError(problems)
    return EvalSetSettings(**{**section, "scorer": scorer})


def check_settings(section: Mapping[str, Any]) -> list[EvalRow]:
    """Returns the rows of the file that a section names; scorers and task are looked at, too.

    Raises:
        TenysonError: Something of it cannot be used.
    """
    settings = read_settings(section)
    if settings.task_module:
        load_task(settings.task_module)
    return _read(settings)


class EvalSetTask(TaskPlugin):
    """Asks the prompts of a file, and compares answers with the expected ones."""

    def get_eval_dataset(self, config: Mapping[str, Any]) -> "Dataset":
        """Returns the file's rows; each has every field that any of them has."""
        from datasets import Dataset

        settings = read_settings(config["task"])
        rows = _read(settings)
        columns = dict.fromkeys(name for row in rows for name in row.others)
        try:
            return Dataset.from_list(
                [
                    {
                        "id": row.id,
                        "prompt": _asked(row.prompt, settings.chat),
                        "expected_answer": row.expected_answer,
                        **{name: row.others.get(name) for name in columns},
                    }
                    for row in rows
                ]
            )
        except (ValueError, TypeError) as error:  # pyarrow's own errors are both
            message = f"a field is of different kinds in different rows: {error}"
            raise RowsError(
                settings.eval_set,
                [LineProblem(None, message)],
                hint="Use one kind throughout; prompts are all texts, or all lists of messages.",
            ) from error

    def compute_metrics(
        self,
        prompts: list[Any],
        completions: list[str],
        dataset_rows: list[dict[str, Any]],
        config: Mapping[str, Any],
        tokenizer: Any,
    ) -> dict[str, Any]:
        """Returns each scorer's mean, and its score of every completion."""
        settings = read_settings(config["task"])
        scorers = make_scorers(settings.own_scorers)
        details: list[dict[str, Any]] = [
            _scores(scorers, completion, row)
            for completion, row in zip(completions, dataset_rows, strict=True)
        ]
        metrics = {
            scorer.name: sum(detail[scorer.name] for detail in details) / len(details)
            for scorer in scorers
        }
        if TASK_SCORER not in settings.scorer:
            return {"metrics": metrics, "detailed_results": details}
        inner = {**config, "task": dict(settings.task or {})}
        told = _task_of(settings).compute_metrics(
            prompts, completions, dataset_rows, inner, tokenizer
        )
        return _with_task_scores(metrics, details, told)

    def scoring_task(self, config: Mapping[str, Any]) -> Any:
        """Returns the task whose `compute_metrics` scores, too; None where none does."""
        settings = read_settings(config["task"])
        return _task_of(settings) if TASK_SCORER in settings.scorer else None

    def get_lower_is_better(self, config: Mapping[str, Any]) -> Collection[str]:
        """Returns what the task that scores says; of the scorers more is better."""
        scoring = self.scoring_task(config)
        if not has_hook(scoring, "get_lower_is_better"):
            return ()
        inner = {**config, "task": dict(config["task"].get("task") or {})}
        told: Collection[str] = scoring.get_lower_is_better(inner)
        return told

    def get_base_model(self, config: Mapping[str, Any], name: str) -> Any:
        """Returns the folder of a model that `task_module` brings."""
        settings = read_settings(config["task"])
        if not settings.task_module:
            raise TaskError(
                f"model.name is task:{name}, and no task is named that brings this model.",
                hint="Set task.task_module (--task-module) to the task it is of.",
            )
        inner = {**config, "task": dict(settings.task or {})}
        return _task_of(settings).get_base_model(inner, name)


def _read(settings: EvalSetSettings) -> list[EvalRow]:
    scorers = make_scorers(settings.own_scorers)

    def problem(answer: str) -> str | None:
        return next((p for scorer in scorers if (p := scorer.problem(answer))), None)

    return read_eval_set(settings.eval_set, needs_answer=bool(scorers), check_answer=problem)


def _asked(prompt: Any, chat: bool) -> Any:
    return [{"role": "user", "content": prompt}] if chat and isinstance(prompt, str) else prompt


def _scores(scorers: list[Scorer], completion: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {scorer.name: scorer.score(completion, row["expected_answer"]) for scorer in scorers}


def _with_task_scores(
    metrics: dict[str, Any], details: list[dict[str, Any]], told: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns what scorers and task say together; the job checks what a task says."""
    found = told.get("metrics")
    more = found if isinstance(found, Mapping) else told
    metrics = {**{n: v for n, v in more.items() if n != "detailed_results"}, **metrics}
    of_task = told.get("detailed_results")
    if of_task is None:
        if not details or not details[0]:
            return metrics
        return {"metrics": metrics, "detailed_results": details}
    if len(of_task) != len(details):
        raise TaskError(
            f"compute_metrics returned {len(of_task)} detailed_results for {len(details)} "
            "completions."
        )
    both = [{**theirs, **ours} for theirs, ours in zip(of_task, details, strict=True)]
    return {"metrics": metrics, "detailed_results": both}


def _task_of(settings: EvalSetSettings) -> Any:
    return _loaded(str(settings.task_module))


@lru_cache(maxsize=8)
def _loaded(spec: str) -> Any:
    return load_task(spec)


def _unknown(key: str, known: list[str]) -> Problem:
    near = near_name(key, known)
    meant = f"; did you mean {near}?" if near else f"; known: {', '.join(known)}"
    return Problem(f"task.{key}", f"is not known here{meant}")
