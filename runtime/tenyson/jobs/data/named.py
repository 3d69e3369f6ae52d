"""The data set that a configuration names: found and verified before anything heavy is loaded."""

import logging
from typing import Any

from tenyson.config.training import DataConfig
from tenyson.datasets.errors import DatasetRequestError
from tenyson.datasets.loading import NamedDataset, open_dataset
from tenyson.errors import ConfigError, Problem
from tenyson.jobs.context import RunContext
from tenyson.manifest.secret import hide_password
from tenyson.task import takes_dataset

LOG = logging.getLogger("tenyson.jobs")


def find_dataset(context: RunContext) -> NamedDataset | None:
    """Returns the data set that `data.dataset` names, verified once an attempt; None for none.

    Raises:
        ConfigError: There is none of that key; names those like it.
        DatasetError: Its files are not as they were built; names the file.
        DependencyError: The store cannot be reached.
    """
    if context.named_dataset is None and context.config.data.dataset is not None:
        context.named_dataset = found = _open(context.config.data)
        manifest = found.manifest
        LOG.info("Data set %s: %d rows, build %s", manifest.key, manifest.rows, manifest.build_id)
    return context.named_dataset


def origin_of(context: RunContext, hook: str) -> str:
    """Returns what messages name as the place that the rows of a data hook come from."""
    named = context.config.data.dataset
    return hook if named is None or takes_dataset(context.task, hook) else f"data set {named}"


def dataset_facts(context: RunContext) -> dict[str, Any] | None:
    """Returns what a run's manifest says of the data set that it read; None where it named none."""
    if (named := context.named_dataset) is None:
        return None
    manifest = named.manifest
    return {
        "key": manifest.key,
        "build_id": manifest.build_id,
        "sha256": manifest.sha256,
        "rows": manifest.rows,
        "store": hide_password(named.store),
    }


def _open(data: DataConfig) -> NamedDataset:
    try:
        return open_dataset(str(data.dataset), data.dataset_store)
    except DatasetRequestError as error:
        raise ConfigError([Problem("data.dataset", error.message)], hint=error.hint) from error
