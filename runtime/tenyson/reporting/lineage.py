"""The order of runs that come from each other, and what each is called."""

from collections.abc import Mapping, Sequence

from tenyson.contract import JobType
from tenyson.reporting.records import Run

SHOWN_TYPES: Mapping[str, str] = {
    JobType.SFT.value: "SFT",
    JobType.RL.value: "RL",
    JobType.EVAL.value: "Eval",
}


def in_order(runs: Sequence[Run]) -> list[Run]:
    """Returns the runs, each after those that it comes from, the oldest first otherwise."""
    ancestors = all_ancestors(runs)
    return sorted(runs, key=lambda run: (len(ancestors[run.run_id]), run.created_at, run.run_id))


def all_ancestors(runs: Sequence[Run]) -> dict[str, set[str]]:
    """Returns by run the others that it comes from, over any number of generations."""
    parents = {run.run_id: set(run.parents) & {r.run_id for r in runs} for run in runs}
    found = {run_id: set(own) - {run_id} for run_id, own in parents.items()}
    changed = True
    while changed:
        changed = False
        for run_id, known in found.items():
            further = set().union(*(found[parent] for parent in known)) - known - {run_id}
            known |= further
            changed |= bool(further)
    return found


def nearest_parents(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Returns by run those of its parents that are no parents of its other parents."""
    ancestors = all_ancestors(runs)
    order = {run.run_id: place for place, run in enumerate(in_order(runs))}
    nearest = {}
    for run_id, known in ancestors.items():
        farther = set().union(*(ancestors[parent] for parent in known))
        nearest[run_id] = sorted(known - farther, key=order.__getitem__)
    return nearest


def is_eval(run: Run) -> bool:
    """Whether the run evaluates, and trains nothing."""
    return run.job_type.lower() == JobType.EVAL.value


def shown_type(run: Run) -> str:
    """Returns the kind of job as people write it."""
    return SHOWN_TYPES.get(run.job_type.lower(), run.job_type)


def own_names(runs: Sequence[Run]) -> dict[str, str]:
    """Returns what each run is called by: its name, with its id where others bear the name, too."""
    names = [run.name for run in runs]
    return {
        run.run_id: run.name if names.count(run.name) == 1 else f"{run.name} ({run.run_id})"
        for run in runs
    }


def stage_names(runs: Sequence[Run]) -> dict[str, str]:
    """Returns what the models that these runs trained are called: `SFT`, or the run's name.

    The kind is enough where one run of it is there.
    """
    trained = [run for run in runs if not is_eval(run)]
    kinds = [shown_type(run) for run in trained]
    names = [run.name for run in trained]
    return {
        run.run_id: kind
        if kinds.count(kind) == 1
        else (run.name if names.count(run.name) == 1 else run.run_id)
        for run, kind in zip(trained, kinds, strict=True)
    }
