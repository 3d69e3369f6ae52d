"""The ranks of an attempt as a job sees them: decisions made together, and peers that end.

With one process everything here is free and torch is not imported.
"""

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import Any, Protocol

from tenyson.contract import ExitCode, most_telling
from tenyson.distributed.line import Farewell, Line
from tenyson.distributed.place import RankPlace
from tenyson.errors import PeerError, StoppedError, TenysonError

LOG = logging.getLogger("tenyson.ranks")
PATIENCE_SECONDS = 10.0
"""For a rank to find out by itself that a peer has ended, before it is ended where it hangs."""
SAVING_SECONDS = 600.0
"""For a checkpoint under way at that time."""
NEWS_SECONDS = 5.0
"""For word of the peer whose end broke a collective."""


class GiveUp(Protocol):
    """Leaves what can be left of a run whose main thread hangs, and ends the process."""

    def __call__(self, error: TenysonError) -> None: ...  # noqa: D102


class Ranks:
    """This process among the ranks of its attempt; alone by default."""

    def __init__(
        self,
        place: RankPlace | None = None,
        *,
        line: Line | None = None,
        give_up: GiveUp | None = None,
    ) -> None:
        self.place = place or RankPlace()
        self.line = line
        self._give_up = give_up
        self._has_saved = False
        self._is_parting = False
        self._saving = threading.Lock()
        self._has_ended = threading.Event()

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, which alone writes what the run leaves."""
        return self.place.is_main

    @property
    def size(self) -> int:
        """Number of ranks."""
        return self.place.size

    def any_of(self, *flags: bool) -> tuple[bool, ...]:
        """Returns each flag as it is on any of the ranks; all ranks call it at the same place.

        Raises:
            TenysonError: A peer has ended.
        """
        if self.place.is_alone:
            return flags
        self.check()
        import torch

        together = torch.tensor([int(flag) for flag in flags], dtype=torch.int32)
        torch.distributed.all_reduce(together, op=torch.distributed.ReduceOp.MAX)
        return tuple(bool(value) for value in together.tolist())

    def least_of(self, value: float) -> float:
        """Returns the smallest value of any rank; all ranks call it at the same place.

        Raises:
            TenysonError: A peer has ended.
        """
        if self.place.is_alone:
            return value
        self.check()
        import torch

        least = torch.tensor(value, dtype=torch.float64)
        torch.distributed.all_reduce(least, op=torch.distributed.ReduceOp.MIN)
        return float(least)

    def gather(self, value: Any) -> list[Any]:
        """Returns the values of all ranks, in their order, on rank 0; elsewhere nothing."""
        if self.place.is_alone:
            return [value]
        import torch

        values: list[Any] | None = [None] * self.size if self.is_main else None
        torch.distributed.gather_object(value, values, dst=0)
        return values or []

    def share(self, value: Any = None) -> Any:
        """Returns rank 0's value on every rank."""
        if self.place.is_alone:
            return value
        import torch

        box = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        return box[0]

    def check(self) -> None:
        """Raises what there is to say of a peer that has ended."""
        if self.line and not self._is_parting and (trouble := self.line.trouble()):
            raise self._error_of(trouble)

    def part(self) -> None:
        """From now on the end of a peer is no news: this rank has what it needs of the others."""
        self._is_parting = True

    @contextlib.contextmanager
    def saving(self) -> Iterator[None]:
        """Keeps the block from being cut short by a peer's end; a checkpoint is there after it."""
        with self._saving:
            yield
        self._has_saved = True

    def has_checkpoint(self) -> None:
        """Notes that a checkpoint of an earlier attempt is there."""
        self._has_saved = True

    def explain(self, error: BaseException) -> BaseException:
        """Returns the end of a peer where that is what broke this rank, else the error itself."""
        if self.line is None or isinstance(error, TenysonError | KeyboardInterrupt):
            return error
        if not _is_of_the_network(error) and not self.line.trouble():
            return error
        trouble = self.line.wait_for_trouble(NEWS_SECONDS)
        if not trouble:
            trouble = [Farewell(-1, None, f"a collective failed: {str(error).splitlines()[0]}")]
        return self._error_of(trouble)

    def finish(self) -> None:
        """Ends together what went well everywhere: rank 0's outcome is everybody's.

        Raises:
            TenysonError: Rank 0 did not succeed.
        """
        if self.line is None:
            return
        others = set(range(1, self.size))
        if self.is_main:
            self.line.say(ExitCode.DONE)
            # The hub stays open until the others have heard; one that has died in the meantime
            # takes nothing away from what is done.
            self.line.wait_for_end_of(others, timeout_seconds=15)
        else:
            self.line.wait_for_end_of({0}, timeout_seconds=None)
            if not self.line.farewells[0].is_well:
                raise self._error_of([self.line.farewells[0]])
            self.line.say(ExitCode.DONE)
        self._has_ended.set()

    def leave(self, exit_code: int, text: str) -> None:
        """Tells the others that this rank has failed, so that none waits for it."""
        self._has_ended.set()
        if self.line is not None:
            self.line.say(exit_code, text)

    def on_trouble(self, farewell: Farewell) -> None:
        """Sees to it that this rank ends, too, now that a peer has (on the line's thread)."""
        if self._has_ended.is_set() or self._is_parting:
            return
        LOG.warning("%s; ending, too", _sentence(farewell))
        threading.Thread(target=self._end_soon, name="tenyson-end", daemon=True).start()

    def _end_soon(self) -> None:
        if self._has_ended.wait(PATIENCE_SECONDS) or self.line is None or self._is_parting:
            return
        # A checkpoint under way is worth the wait; whatever else hangs waits for who will not come.
        self._saving.acquire(timeout=SAVING_SECONDS)
        if self._give_up is not None and not self._has_ended.is_set():
            self._give_up(self._error_of(self.line.trouble()))

    def _error_of(self, trouble: list[Farewell]) -> TenysonError:
        lost = ExitCode.STOPPED if self._has_saved else ExitCode.DEPENDENCY
        codes = [f.exit_code if f.exit_code is not None else int(lost) for f in trouble]
        code = most_telling(codes)
        farewell = trouble[codes.index(code)] if code in codes else trouble[0]
        if farewell.exit_code == ExitCode.STOPPED:
            return StoppedError(_sentence(farewell))
        hint = ""
        if farewell.exit_code is None:
            hint = (
                "The next attempt goes on from the last checkpoint."
                if self._has_saved
                else "No checkpoint was saved yet; the next attempt starts from the beginning."
            )
        return PeerError(_sentence(farewell), code, hint=hint)


def _sentence(farewell: Farewell) -> str:
    who = f"Rank {farewell.rank}" if farewell.rank >= 0 else "A rank"
    if farewell.exit_code is None:
        return f"{who} is lost: {farewell.text}"
    verb = "stopped" if farewell.exit_code == ExitCode.STOPPED else "failed"
    return f"{who} {verb}: {farewell.text}"


def _is_of_the_network(error: BaseException) -> bool:
    """Whether a collective failed, as gloo (by its text alone), NCCL or the store say it."""
    names = {cls.__name__ for cls in type(error).__mro__}
    return "DistError" in names or (isinstance(error, RuntimeError) and "gloo" in str(error))
