"""From what transformers and the Hub raise to an error that says what to do."""

from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import constants

from tenyson.errors import CredentialsError, DependencyError, TenysonError

_BUSY = (429, 500, 502, 503, 504)


def load_error(error: Exception, source: str, revision: str) -> TenysonError:
    """Returns what to tell the user about a model or tokenizer that did not load."""
    causes = list(_causes(error))
    names = {type(cause).__name__ for cause in causes}
    status = next((s for c in causes if (s := _http_status(c)) is not None), None)
    if "GatedRepoError" in names or (
        status in (401, 403) and "RepositoryNotFoundError" not in names
    ):
        return CredentialsError(
            f"The Hub refuses access to {source}.",
            hint="Accept the model's licence on its page, and set HF_TOKEN to a token that may "
            "read it.",
        )
    if Path(source).is_dir():
        return DependencyError(
            f"The folder {source} holds no model that transformers can load: {short(error)}"
        )
    if status in _BUSY:
        return DependencyError(
            f"The Hub answered {status} for {source}.", hint="It is busy or down; try again later."
        )
    if status is not None or "RevisionNotFoundError" in names:
        return DependencyError(
            f"The Hub has no model {source} at revision {revision} that this run may see.",
            hint="Check model.name and model.revision; a private model needs HF_TOKEN.",
        )
    return _nowhere(error, source, revision)


def short(error: BaseException) -> str:
    """Returns the error's text on one line, of 300 characters at most."""
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:299] + "…"


def _nowhere(error: Exception, source: str, revision: str) -> DependencyError:
    """A name that is no folder, is not in the cache, and that the Hub could not be asked for."""
    cache = constants.HF_HUB_CACHE
    looked = f"looked in the cache {cache}"
    own = Path(cache, f"models--{source.replace('/', '--')}")
    if own.is_dir():
        looked += f", which holds parts of it, but not all that revision {revision} needs"
    if constants.HF_HUB_OFFLINE:
        return DependencyError(
            f"The model {source} is neither a folder nor in the local cache, and the Hub is not "
            f"asked (HF_HUB_OFFLINE is set): {looked}.",
            hint=f"Check model.name; to fetch it, unset HF_HUB_OFFLINE or run `hf download "
            f"{source}` where the Hub can be reached; HF_HOME moves the cache. A folder is looked "
            f"for from {Path.cwd()}.",
        )
    return DependencyError(
        f"The model {source} is neither a folder nor in the local cache, and the Hub cannot be "
        f"reached: {looked}; {short(error)}",
        hint=f"Check model.name and the network; HF_HOME moves the cache. A folder is looked for "
        f"from {Path.cwd()}.",
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _http_status(error: BaseException) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None
