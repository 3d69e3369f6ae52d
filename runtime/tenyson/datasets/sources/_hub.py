"""Loads a split with the datasets library."""

from typing import Any

from datasets import Dataset, load_dataset
from datasets.exceptions import DatasetNotFoundError
from tenyson.datasets.errors import DatasetRequestError
from tenyson.errors import DependencyError


def load(
    name: str, revision: str | None, split: str, config: str | None
) -> tuple[Dataset, dict[str, Any]]:
    """Returns the rows of a split, and what identifies them.

    Raises:
        DatasetRequestError: There is no such data set, split or configuration.
        DependencyError: The Hub cannot be reached, and the cache has no copy.
    """
    commit = revision or _newest_commit(name)
    try:
        dataset = load_dataset(name, config, split=split, revision=commit)
    except DatasetNotFoundError as error:
        raise DatasetRequestError(
            f"hub:{name}: {_first_line(error)}",
            hint="Check the name; a private or gated data set needs HF_TOKEN.",
        ) from error
    except ConnectionError as error:
        raise DependencyError(
            f"hub:{name} is not in the cache, and the Hub cannot be reached: {_first_line(error)}",
            hint="Load it once where there is a network (same HF_HOME), or unset HF_HUB_OFFLINE "
            "and HF_DATASETS_OFFLINE.",
        ) from error
    except ValueError as error:  # an unknown split or configuration, with those that there are
        raise DatasetRequestError(f"hub:{name}: {_first_line(error)}") from error
    facts = {
        "split": split,
        "config": config,
        "revision": commit,
        "hub_fingerprint": dataset._fingerprint,
    }
    return dataset, facts


def _newest_commit(name: str) -> str | None:
    """Returns the commit that the data set's main branch is at; None where nobody can tell now."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    try:
        return HfApi().dataset_info(name, timeout=10).sha
    except (HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, OSError):
        return None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
