"""From the scores of evaluations to sets of models that answered the same prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tenyson.evaluation.changes import Change, changes_of
from tenyson.evaluation.completions import BASE, SAMPLED
from tenyson.evaluation.verdict import SIGNIFICANT
from tenyson.reporting.evaluations import Evaluation
from tenyson.reporting.lineage import in_order, is_eval, stage_names
from tenyson.reporting.records import ModelScores, Run

FIRST_METRICS = ("correct", "accuracy", "solved", "success", "score", "reward")
"""What a set of models is compared by, where its evaluations have it; else a number of 0 and 1."""

_Asked = tuple[frozenset[tuple[str, str]], bool]
"""Prompts by their ids, and whether the answers are samples beside greedy ones."""


@dataclass(frozen=True)
class ScoredModel:
    """A model of the lineage and its scores in one evaluation."""

    name: str
    """`base`, `SFT`, `RL`, or the name of the run that trained it."""
    place: int
    """In the chain: 0 for the base model."""
    found: ModelScores

    def evaluation(self, metric: str) -> Evaluation:
        """Returns its scores of one metric, as comparisons take them."""
        lower = metric in self.found.lower_is_better
        return Evaluation(self.name, self.found.scores[metric], self.found.prompts, lower)


@dataclass(frozen=True)
class ScoredSet:
    """Models that answered the same prompts, in the order of the chain."""

    models: Sequence[ScoredModel]
    sampled: bool = False
    """Whether these are the samples that were drawn beside greedy answers."""

    @property
    def prompts(self) -> int:
        """How many prompts they answered."""
        return len(self.models[0].found.prompts)

    @property
    def metrics(self) -> list[str]:
        """Numbers that all models have for every prompt, what counts most first."""
        shared = set.intersection(*(set(model.found.scores) for model in self.models))
        return sorted(shared, key=self._rank)

    @property
    def lower_is_better(self) -> frozenset[str]:
        """Metrics of which less is better."""
        return frozenset().union(*(model.found.lower_is_better for model in self.models))

    def evaluations(self, metric: str) -> list[Evaluation]:
        """Returns the models' scores of one metric."""
        return [model.evaluation(metric) for model in self.models]

    def changes(
        self, metrics: Sequence[str], *, alpha: float = SIGNIFICANT
    ) -> Mapping[str, Change]:
        """Returns what became of each metric from the first model to the last (Holm over them)."""
        first, last = self.models[0].found.scores, self.models[-1].found.scores
        ids = list(self.models[0].found.prompts)
        return changes_of(
            {
                name: ([[first[name][i]] for i in ids], [[last[name][i]] for i in ids])
                for name in metrics
            },
            alpha=alpha,
            lower_is_better=self.lower_is_better,
        )

    def _rank(self, metric: str) -> tuple[int, bool, str]:
        first = FIRST_METRICS.index(metric) if metric in FIRST_METRICS else len(FIRST_METRICS)
        return first, not all(m.evaluation(metric).is_binary for m in self.models), metric


def scored_sets(runs: Sequence[Run], found: Sequence[ModelScores]) -> list[ScoredSet]:
    """Returns the evaluated models by the prompts that they answered, the largest set first.

    Of several evaluations of one model on the same prompts the newest counts. Samples that were
    drawn beside greedy answers are a set of their own. Evaluations of the base model alone, on
    prompts that nothing else answered, are left out.

    Args:
        runs: A lineage with its evaluations.
        found: The scores of those evaluations.
    """
    by_id = {run.run_id: run for run in runs}
    newest: dict[tuple[_Asked, str], ScoredModel] = {}
    for scores in sorted(found, key=lambda s: by_id[s.run_id].created_at):
        if scores.scores:
            label, sampled = split_label(scores.label)
            name, place = which_model(runs, by_id[scores.run_id], label)
            asked = frozenset(scores.prompts.items()), sampled
            newest[asked, name] = ScoredModel(name, place, scores)
    grouped: dict[_Asked, list[ScoredModel]] = {}
    for (asked, _), model in newest.items():
        grouped.setdefault(asked, []).append(model)
    sets = [
        ScoredSet(sorted(models, key=lambda m: m.place), sampled)
        for (_, sampled), models in grouped.items()
    ]
    told = [s for s in sets if s.metrics and any(model.place for model in s.models)] or sets[:1]
    return sorted(told, key=lambda s: (-len(s.models), -s.prompts, s.sampled))


def split_label(label: str) -> tuple[str, bool]:
    """Returns the model's own label, and whether its samples are meant: `base/sampled`."""
    model, _, last = label.rpartition("/")
    return (model, True) if last == SAMPLED else (label, False)


def which_model(runs: Sequence[Run], evaluation: Run, label: str) -> tuple[str, int]:
    """Returns the evaluated model's name and its place in the chain.

    Args:
        runs: A lineage with its evaluations.
        evaluation: One of them.
        label: The model's own, without what `split_label` takes off.
    """
    order = [run for run in in_order(runs) if not is_eval(run)]
    names = stage_names(runs)
    places = {names[run.run_id]: place for place, run in enumerate(order, 1)}
    parents = [run for run in order if run.run_id in evaluation.parents]
    if not label:
        name = names[parents[-1].run_id] if parents else BASE
        return name, places.get(name, 0)
    if label.lower() == BASE:
        return BASE, 0
    by_word = _words(order, names)
    name = by_word.get(label.lower(), label)
    return name, places.get(name, len(order) + 1)


def _words(order: Sequence[Run], names: Mapping[str, str]) -> dict[str, str]:
    """What a label may call a trained model."""
    return {
        word.lower(): names[run.run_id]
        for run in order
        for word in (run.name, run.run_id, names[run.run_id])
    }
