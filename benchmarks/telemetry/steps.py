"""What a step with 512 completions of 4 KB costs the thread that trains.

First the call itself; beside it stands the usual alternative, the rows as ORM objects committed in
the step. Then what the writer's thread costs the work that goes on beside it, compared with the
same work a moment later, when the writer has nothing to do: work in a library that lets go of
Python's lock, as a trainer spends nearly all of a step, and pure Python, the worst there is.
"""

import hashlib
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.telemetry.server import postgres
from tenyson.telemetry import Completion, PromptGroup, Telemetry, open_telemetry

GROUPS, GROUP_SIZE, CHARACTERS = 64, 8, 4096
REWARDS = ("consistent", "dictionary", "format")
PAUSE_SECONDS = 1.0
"""After which the writer has written a step."""
Figures = dict[str, float]


def steps(is_quick: bool) -> list[Figures]:
    """Returns, for each of several rounds, milliseconds a step on SQLite and PostgreSQL."""
    rounds, count = (1, 3) if is_quick else (3, 6)
    with (
        tempfile.TemporaryDirectory(prefix="perf-") as folder,
        postgres(Path(folder) / "server") as server,
    ):
        urls = {"postgres": server.database_url, "sqlite": f"sqlite:///{folder}/telemetry.db"}
        return [_round(urls, Path(folder), count) for _ in range(rounds)]


def _round(urls: dict[str, str], folder: Path, count: int) -> Figures:
    figures: Figures = {}
    for name, url in urls.items():
        telemetry = open_telemetry(url, folder / name, run_id=str(uuid.uuid4()), attempt=0)
        held: list[float] = []
        slower: dict[str, list[float]] = {work: [] for work in _WORKS}
        others = _cpu_of_other_threads()
        for step in range(count):
            for work, do in _WORKS.items():
                held.append(_record(telemetry, 2 * step + len(held) % 2))
                beside = _seconds(do)
                time.sleep(PAUSE_SECONDS)
                slower[work].append(beside - _seconds(do))
        counts = telemetry.close(deadline_seconds=60)
        figures[f"{name}_cpu_ms"] = 1e3 * (_cpu_of_other_threads() - others) / len(held)
        if counts["spooled"] or counts.get("lost"):
            raise RuntimeError(f"{name}: not everything was written: {counts}")
        figures[f"{name}_ms"] = 1e3 * statistics.median(held)
        figures[f"{name}_worst_ms"] = 1e3 * max(held)
        for work, seconds in slower.items():
            figures[f"{name}_{work}_ms"] = 1e3 * statistics.median(seconds)
        with _Orm(url) as orm:
            stored = [orm.store(step) for step in range(max(3, count // 2))]
            figures[f"other_{name}_ms"] = 1e3 * statistics.median(stored)
    return figures


def _cpu_of_other_threads() -> float:
    """Seconds of processor time so far: of the writer, who is the only other thread."""
    return time.process_time() - time.thread_time()


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _in_python() -> None:
    total = 0
    for number in range(8_000_000):
        total += number


def _in_a_library() -> None:
    for _ in range(200):
        hashlib.sha256(_BYTES).digest()


_BYTES = bytes(4 << 20)
_WORKS = {"library": _in_a_library, "python": _in_python}
"""About half a second of work each."""


def sampled(step: int) -> list[PromptGroup]:
    """Returns the groups of a step; texts that do not compress better than hexadecimal digits."""
    source = random.Random(step)
    return [
        PromptGroup(
            group,
            f"prompt {step} {group} {source.randbytes(200).hex()}",
            [
                Completion(
                    source.randbytes(CHARACTERS // 2).hex(),
                    {name: source.random() for name in REWARDS},
                    source.random(),
                    tokens=900,
                )
                for _ in range(GROUP_SIZE)
            ],
        )
        for group in range(GROUPS)
    ]


def _record(telemetry: Telemetry, step: int) -> float:
    groups = sampled(step)
    began = time.perf_counter()
    telemetry.record_rollouts(step, groups)
    return time.perf_counter() - began


class _Orm:
    """The alternative: objects of the models, added and committed before the step goes on."""

    def __init__(self, url: str) -> None:
        from sqlalchemy import create_engine

        from tenyson.telemetry.urls import parse_url

        self._engine = create_engine(parse_url(url))
        self._run_id = str(uuid.uuid4())

    def __enter__(self) -> "_Orm":
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    def store(self, step: int) -> float:
        """Stores a step; returns the seconds it took."""
        from sqlalchemy.orm import Session

        groups = sampled(step)
        began = time.perf_counter()
        made = [self._objects(step, group) for group in groups]
        with Session(self._engine) as session:
            for kind in zip(*made, strict=True):  # what others refer to goes first
                session.add_all(row for rows in kind for row in rows)
                session.flush()
            session.commit()
        return time.perf_counter() - began

    def _objects(self, step: int, group: PromptGroup) -> tuple[list[object], ...]:
        """The rollout, its generations, and their reward components."""
        from tenyson.telemetry.tables import Generation, RewardComponent, Rollout

        now = datetime.now(UTC)
        head = {"run_id": self._run_id, "attempt": 0, "step": step, "created_at": now}
        rollout = Rollout(
            id=str(uuid.uuid4()), phase="rl", group_index=group.index, prompt=group.prompt,
            reward_mean=0.5, reward_std=0.1, prompt_hash="", zero_variance=False, sampling_round=0,
            **head,
        )  # fmt: skip
        generations = [
            Generation(
                id=str(uuid.uuid4()), phase="rl", rollout_id=rollout.id, index=index,
                completion=completion.text, tokens=completion.tokens, reward=completion.total,
                **head,
            )
            for index, completion in enumerate(group.completions)
        ]  # fmt: skip
        components = [
            RewardComponent(
                generation_id=generation.id, name=name, run_id=self._run_id, step=step,
                created_at=now, value=value, weight=1.0,
            )
            for generation, completion in zip(generations, group.completions, strict=True)
            for name, value in completion.rewards.items()
        ]  # fmt: skip
        return [rollout], generations, components
