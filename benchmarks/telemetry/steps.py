"""What a step with 512 completions of 4 KB costs the thread that trains.

Beside it stands the usual alternative: the rows as ORM objects, committed in the step. The pause
between steps is pure Python, the worst case: it holds the interpreter's lock as long as it may, and
the writer takes its part of it. A trainer spends most of a step in libraries that let go of it.
"""

import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from benchmarks.telemetry.server import postgres
from tenyson.contract import JobType
from tenyson.telemetry import Completion, PromptGroup, Telemetry, open_telemetry

GROUPS, GROUP_SIZE, CHARACTERS = 64, 8, 4096
REWARDS = ("consistent", "dictionary", "format")
PAUSE_SECONDS = 0.5
"""What the rest of a quick step takes."""
Figures = dict[str, float]


def steps(is_quick: bool) -> list[Figures]:
    """Returns, for each of several rounds, milliseconds a step on SQLite and PostgreSQL."""
    rounds, count = (1, 6) if is_quick else (3, 12)
    with (
        tempfile.TemporaryDirectory(prefix="perf-") as folder,
        postgres(Path(folder) / "server") as server,
    ):
        urls = {"postgres": server.database_url, "sqlite": f"sqlite:///{folder}/telemetry.db"}
        return [_round(urls, Path(folder), count) for _ in range(rounds)]


def _round(urls: dict[str, str], folder: Path, count: int) -> Figures:
    figures: Figures = {}
    alone = [_work() for _ in range(count)]
    for name, url in urls.items():
        telemetry = open_telemetry(
            url, folder / name, run_id=str(uuid.uuid4()), attempt=0, job_type=JobType.RL
        )
        recorded = _measured(count, lambda step, t=telemetry: _record(t, step))  # type: ignore[misc]
        counts = telemetry.close(deadline_seconds=60)
        if counts["spooled"] or counts.get("lost"):
            raise RuntimeError(f"{name}: not everything was written: {counts}")
        figures[f"{name}_ms"] = 1e3 * statistics.median(held for held, _ in recorded)
        figures[f"{name}_worst_ms"] = 1e3 * max(held for held, _ in recorded)
        slower = statistics.median(rest for _, rest in recorded) - statistics.median(alone)
        figures[f"{name}_beside_ms"] = 1e3 * slower
        with _Orm(url) as orm:
            figures[f"other_{name}_ms"] = 1e3 * statistics.median(
                held for held, _ in _measured(max(3, count // 3), orm.store)
            )
    return figures


def _measured(count: int, record: Callable[[int], float]) -> list[tuple[float, float]]:
    """Seconds that each step's recording took, and that the work after it took."""
    measured = []
    for step in range(count):
        measured.append((record(step), _work()))
    return measured


def _work() -> float:
    """Counts for about PAUSE_SECONDS of an idle processor; returns what it took."""
    began = time.perf_counter()
    total = 0
    for number in range(_WORK):
        total += number
    return time.perf_counter() - began


def _calibrated() -> int:
    began = time.perf_counter()
    for _ in range(1_000_000):
        pass
    return int(1_000_000 * PAUSE_SECONDS / (time.perf_counter() - began) / 1.6)


_WORK = _calibrated()


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
        with Session(self._engine) as session:
            for group in groups:
                session.add_all(self._objects(step, group))
            session.commit()
        return time.perf_counter() - began

    def _objects(self, step: int, group: PromptGroup) -> list[object]:
        from datetime import UTC, datetime

        from tenyson.telemetry.tables import Generation, RewardComponent, Rollout

        head = {"run_id": self._run_id, "attempt": 0, "step": step, "created_at": datetime.now(UTC)}
        rollout = Rollout(
            id=str(uuid.uuid4()), phase="rl", group_index=group.index, prompt=group.prompt,
            reward_mean=0.5, reward_std=0.1, prompt_hash="", zero_variance=False, sampling_round=0,
            **head,
        )  # fmt: skip
        objects: list[object] = [rollout]
        for index, completion in enumerate(group.completions):
            generation = Generation(
                id=str(uuid.uuid4()), phase="rl", rollout_id=rollout.id, index=index,
                completion=completion.text, tokens=completion.tokens, reward=completion.total,
                **head,
            )  # fmt: skip
            objects.append(generation)
            objects += [
                RewardComponent(
                    generation_id=generation.id, name=name, run_id=self._run_id, step=step,
                    value=value, weight=1.0,
                )
                for name, value in completion.rewards.items()
            ]  # fmt: skip
        return objects
