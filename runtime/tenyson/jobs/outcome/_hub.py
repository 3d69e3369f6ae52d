"""A finished run's way to the Hub: one commit with the trained weights and a model card."""

import json
import logging
from pathlib import Path
from typing import Any

import httpx
from huggingface_hub import CommitOperationAdd, HfApi, is_offline_mode
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils._validators import validate_repo_id
from huggingface_hub.utils.tqdm import disable_progress_bars

from tenyson.contract import Env, File
from tenyson.errors import ConfigError, CredentialsError, DependencyError, Problem, TenysonError
from tenyson.hiding import hide
from tenyson.jobs.context import RunContext
from tenyson.jobs.options import HubTarget
from tenyson.jobs.outcome.model_card import model_card

LOG = logging.getLogger("tenyson.jobs")
PAUSES_SECONDS = (5.0, 15.0, 30.0, 60.0, 120.0)
"""Between tries to push; the library itself repeats each request for some seconds."""
_PASSING = (408, 409, 425, 429)


def check_hub(target: HubTarget) -> None:
    """Refuses before the training what could not be pushed after it.

    A Hub that does not answer now is no reason to: it may when the training is over.

    Raises:
        ConfigError: The name is none, or the Hub is switched off.
        CredentialsError: There is no token, or the Hub refuses it.
    """
    try:
        validate_repo_id(target.repo)
    except HFValidationError as error:
        raise ConfigError([Problem("output.hub.repo", str(error))]) from error
    if is_offline_mode():
        raise ConfigError(
            [Problem("output.hub.repo", f"{target.repo} cannot be pushed to with HF_HUB_OFFLINE=1")]
        )
    if not target.token:
        raise CredentialsError(
            f"The run is to be pushed to {target.repo} and has no token for the Hub.",
            hint=f"Set output.hub.tokenSecretRef, or {Env.HUB_TOKEN}, to a token that may write.",
        )
    try:
        HfApi(token=target.token).whoami()
    except (httpx.HTTPError, OSError) as error:
        if _status(error) in (401, 403):
            raise _refused(target, error) from error
        LOG.info("The Hub does not answer now: %s", error)


def push_to_hub(context: RunContext, target: HubTarget) -> None:
    """Pushes `checkpoint-final`; the result then names repository and commit.

    Raises:
        CredentialsError: The Hub refuses the token.
        DependencyError: The Hub is away. What was trained is in the output folder, and the next
            attempt only pushes.
        StoppedError: A stop was asked for before it was done.
    """
    operations = _operations(context, target)
    disable_progress_bars()
    for pause in (*PAUSES_SECONDS, None):
        context.options.stop.check()
        context.fence.check_everywhere()
        try:
            revision = _commit(context, target, operations)
            break
        # Uploads of large files wrap whatever went wrong in a RuntimeError.
        except (httpx.HTTPError, OSError, RuntimeError) as error:
            trouble = _trouble(target, error)
            if pause is None or not _may_pass(error):
                raise trouble from error
            LOG.warning("%s Trying again in %.0f s.", trouble.message, pause)
            context.options.stop.wait(pause)
    context.result.hf_repo_id, context.result.hf_revision = target.repo, revision
    LOG.info("Pushed to %s at %s", target.repo, revision)


def _commit(context: RunContext, target: HubTarget, operations: list[CommitOperationAdd]) -> str:
    api = HfApi(token=target.token)
    api.create_repo(target.repo, private=target.private, exist_ok=True)
    message = f"Run {context.result.run_id}, step {context.result.global_step}"
    # Files that are there already are left out, and a commit of nothing is the newest one.
    done = api.create_commit(target.repo, list(operations), commit_message=message)
    return str(done.oid)


def _operations(context: RunContext, target: HubTarget) -> list[CommitOperationAdd]:
    folder = context.output_dir / File.FINAL_CHECKPOINT
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    operations = [
        CommitOperationAdd(path.relative_to(folder).as_posix(), str(path))
        for path in files
        if path.name not in (File.CHECKPOINT_MANIFEST, "README.md")
    ]
    card = model_card(target.repo, context.result, _manifest(context.output_dir))
    return [*operations, CommitOperationAdd("README.md", hide(card).encode())]


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / File.MANIFEST
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _trouble(target: HubTarget, error: Exception) -> TenysonError:
    status = _status(error)
    if status in (401, 403):
        return _refused(target, error)
    said = f"answered {status}" if status else "cannot be reached"
    return DependencyError(
        f"The Hub {said} for {target.repo}: {_reason(error)}.",
        hint=f"What was trained is in {File.FINAL_CHECKPOINT}; the next attempt only pushes it.",
    )


def _refused(target: HubTarget, error: Exception) -> CredentialsError:
    return CredentialsError(
        f"The Hub refuses the token for {target.repo}: {_reason(error)}.",
        hint=f"Give a token that may write to {target.repo.partition('/')[0]} "
        f"(output.hub.tokenSecretRef, or {Env.HUB_TOKEN}).",
    )


def _may_pass(error: Exception) -> bool:
    status = _status(error)
    return status is None or status >= 500 or status in _PASSING


def _status(error: BaseException | None) -> int | None:
    """The Hub's answer, of the error or of one that it wraps."""
    while error is not None:
        if isinstance(error, HfHubHTTPError | httpx.HTTPStatusError):
            return int(error.response.status_code)
        error = error.__cause__
    return None


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None and isinstance(error, RuntimeError):
        error = error.__cause__
    text = getattr(error, "server_message", None) or " ".join(str(error).split())
    return (text or type(error).__name__)[:200].rstrip(".")
