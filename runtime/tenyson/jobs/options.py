"""What a run is given from outside its configuration: by the runner's environment, or in Python."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from tenyson.contract import Env
from tenyson.distributed.place import RankPlace
from tenyson.errors import ConfigError, Problem
from tenyson.jobs.result import JobResult
from tenyson.jobs.stop import StopRequest
from tenyson.progress import ProgressEndpoint


@dataclass(frozen=True)
class HubTarget:
    """Where a finished SFT or RL run is pushed to."""

    repo: str
    """`owner/name`; made if it is missing."""
    private: bool = True
    """Whether a repository that is made is private; one that is there stays as it is."""
    token: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Self | None:
        """Returns what the contract's variables say; None where no repository is named.

        Raises:
            ConfigError: Whether it is private is neither true nor false.
        """
        repo, private = env.get(Env.HUB_REPO), env.get(Env.HUB_PRIVATE) or "true"
        if not repo:
            return None
        if private not in ("true", "false"):
            raise ConfigError(
                [Problem(Env.HUB_PRIVATE, f"expected true or false, got {private!r}")]
            )
        return cls(repo, private == "true", env.get(Env.HUB_TOKEN) or None)


@dataclass(frozen=True)
class RunOptions:
    """Settings of one attempt that change no result; the defaults suit a laptop."""

    output_uri: str | None = None
    """Where checkpoints and results are copied to; None keeps them in the output folder alone."""
    adapter_path: str | None = None
    """Folder or URI of the adapter to start from; overrides `adapter.path` of the configuration."""
    adapter_sha256: str | None = None
    """What that adapter's hash must be; None accepts any."""
    telemetry_db_url: str | None = None
    """Used where the configuration has no `telemetry.db_url`."""
    progress: ProgressEndpoint | None = None
    """Where progress is pushed; None shows it on standard error only."""
    hub: HubTarget | None = None
    """Where the trained weights are pushed to; None pushes nothing."""
    command: tuple[str, ...] = ()
    """The command line, for the manifest; empty for a run from Python."""
    replay_of: str | None = None
    """Manifest of the run that this one repeats; it is compared with before training."""
    replay_force: bool = False
    """Whether such a repetition goes on where its data or its weights are not the original's."""
    stop: StopRequest = field(default_factory=StopRequest)
    place: RankPlace | None = None
    """Where this process stands among the ranks; None reads torchrun's variables."""
    leave_word: Callable[[JobResult], None] = lambda result: None
    """Called with the result before the process is ended where it hangs: it has no other end."""

    @classmethod
    def from_environment(
        cls,
        env: Mapping[str, str],
        *,
        command: tuple[str, ...] = (),
        stop: StopRequest | None = None,
        place: RankPlace | None = None,
        leave_word: Callable[[JobResult], None] = lambda result: None,
    ) -> Self:
        """Returns the options that the contract's variables hold; empty ones count as unset."""
        url = env.get(Env.PROGRESS_URL)
        endpoint = None
        if url:
            endpoint = ProgressEndpoint(
                url, env.get(Env.PROGRESS_TOKEN_FILE) or None, env.get(Env.PROGRESS_CA_FILE) or None
            )
        return cls(
            output_uri=env.get(Env.OUTPUT_URI) or None,
            adapter_path=env.get(Env.ADAPTER_PATH) or None,
            adapter_sha256=env.get(Env.ADAPTER_SHA256) or None,
            telemetry_db_url=env.get(Env.TELEMETRY_DB_URL) or None,
            progress=endpoint,
            hub=HubTarget.from_environment(env),
            command=command,
            replay_of=env.get(Env.REPLAY_OF) or None,
            replay_force=env.get(Env.REPLAY_FORCE) == "1",
            stop=stop or StopRequest(),
            place=place,
            leave_word=leave_word,
        )


def attempt_number(env: Mapping[str, str]) -> int | None:
    """Returns the attempt that the environment names, None without one.

    Raises:
        ConfigError: The variable holds no number.
    """
    text = env.get(Env.ATTEMPT)
    if not text:
        return None
    if not text.isdecimal():
        raise ConfigError([Problem(Env.ATTEMPT, f"expected a number from 0 up, got {text!r}")])
    return int(text)
