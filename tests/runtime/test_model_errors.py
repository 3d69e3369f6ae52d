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
def test_a_model_that_does_not_load(
    error: Any, code: ExitCode, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    from tenyson.jobs.models._models import load_error

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)

    found = load_error(error, "org/model", "main")

    assert found.exit_code == code
    assert says in str(found)
    assert "org/model" in found.message


@pytest.mark.parametrize("is_there", [False, True])
def test_offline_it_says_which_cache_was_looked_at(
    is_there: bool, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    from tenyson.jobs.models._models import load_error

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    if is_there:
        (tmp_path / "models--org--model").mkdir()

    found = load_error(OSError("not there"), "org/model", "v2")

    assert f"looked in the cache {tmp_path}" in found.message
    assert ("holds parts of it, but not all that revision v2 needs" in found.message) == is_there
    assert "unset HF_HUB_OFFLINE" in found.hint
