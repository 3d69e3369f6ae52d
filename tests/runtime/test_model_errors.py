"""What the Hub says, as an error that a person and the controller can act on."""

from types import SimpleNamespace
from typing import Any

import pytest

from tenyson.contract import ExitCode

pytestmark = pytest.mark.train


class RepositoryNotFoundError(OSError):
    """As huggingface_hub's: what an anonymous caller gets for an unknown and a private model."""


class GatedRepoError(OSError):
    """As huggingface_hub's."""


class HfHubHTTPError(OSError):
    """As huggingface_hub's."""


class ConnectError(Exception):
    """As httpx's."""


def wrapped(cause: Exception, status: int | None = None) -> OSError:
    """The error as transformers raises it: an OSError from the Hub's own."""
    if status is not None:
        cause.response = SimpleNamespace(status_code=status)  # type: ignore[attr-defined]
    error = OSError("We could not load the model")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (wrapped(GatedRepoError(), 403), ExitCode.CREDENTIALS, "Accept the model's licence"),
        (wrapped(HfHubHTTPError(), 401), ExitCode.CREDENTIALS, "HF_TOKEN"),
        (wrapped(RepositoryNotFoundError(), 401), ExitCode.DEPENDENCY, "a private model needs"),
        (wrapped(RepositoryNotFoundError(), 404), ExitCode.DEPENDENCY, "Check model.name"),
        (wrapped(HfHubHTTPError(), 503), ExitCode.DEPENDENCY, "try again later"),
        (wrapped(ConnectError("refused")), ExitCode.DEPENDENCY, "the Hub cannot be reached"),
        (OSError("not in the cache"), ExitCode.DEPENDENCY, "neither a folder nor in the local"),
    ],
    ids=["gated", "401", "unknown or private", "404", "503", "offline", "cache"],
)
def test_a_model_that_does_not_load(error: Any, code: ExitCode, says: str) -> None:
    from tenyson.jobs._models import load_error

    found = load_error(error, "org/model", "main")

    assert found.exit_code == code
    assert says in str(found)
    assert "org/model" in found.message
