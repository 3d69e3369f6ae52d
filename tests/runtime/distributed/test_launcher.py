"""Several ranks in one pod: their exit codes, a stop passed on, one result of them all."""

import json
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tenyson.contract import File
from tenyson.distributed import launcher
from tenyson.distributed.launcher import Ended, run_ranks
from tenyson.distributed.place import places_here
from tenyson.jobs.outcome.rank_results import has_left_result, result_of
from tenyson.jobs.result import Failure, JobResult

SCRIPT = """
import os, signal, sys, time
rank, behaviour = os.environ["RANK"], sys.argv[1].split(",")[int(os.environ["RANK"])]
assert os.environ["MASTER_PORT"] != "0" and os.environ["WORLD_SIZE"] == "2"
if behaviour == "waits":
    signal.signal(signal.SIGTERM, lambda *a: sys.exit(75))
    note = lambda what: open(os.environ["TENYSON_RESULT_PATH"] + what, "w").close()
    signal.signal(signal.SIGINT, lambda *a: note(".int"))
    note(".up")
    time.sleep(60)
    sys.exit(70)
if behaviour.startswith("SIG"):
    os.kill(os.getpid(), signal.Signals[behaviour])
sys.exit(int(behaviour))
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(launcher, "NUDGE_SECONDS", 0.5)

    def run(behaviours: str, **arguments: Any) -> list[Ended]:
        command = [sys.executable, "-c", SCRIPT, behaviours]
        places = places_here({"PET_NPROC_PER_NODE": "2"})
        settings = {"messages": tmp_path, "signal_asked": lambda: None, **arguments}
        return run_ranks(command, places, **settings)

    return run


def codes(ended: list[Ended]) -> list[int | None]:
    return [e.exit_code for e in ended]


def test_each_rank_keeps_its_exit_code(start: Any) -> None:
    assert codes(start("0,0")) == [0, 0]
    assert codes(start("65,71")) == [65, 71]


def test_a_rank_that_waits_for_a_failed_one_is_asked_to_stop(start: Any) -> None:
    assert codes(start("waits,65")) == [75, 65]


def test_a_stop_is_passed_on_to_every_rank(start: Any, tmp_path: Path) -> None:
    def are_up() -> bool:
        return len(list(tmp_path.glob("*.up"))) == 2

    asked = start("waits,waits", signal_asked=lambda: signal.SIGTERM if are_up() else None)
    assert codes(asked) == [75, 75]


def test_a_person_s_request_is_passed_on_as_one_and_may_get_a_deadline_after(
    start: Any, tmp_path: Path
) -> None:
    def asked() -> signal.Signals | None:
        if len(list(tmp_path.glob("*.int"))) == 2:
            return signal.SIGTERM
        return signal.SIGINT if len(list(tmp_path.glob("*.up"))) == 2 else None

    assert codes(start("waits,waits", signal_asked=asked)) == [75, 75]
    assert len(list(tmp_path.glob("*.int"))) == 2


def test_a_crash_is_a_bug_and_a_kill_tells_nothing(start: Any) -> None:
    ended = start("SIGSEGV,SIGKILL")

    assert codes(ended) == [70, None]
    assert [e.how for e in ended] == ["was killed by SIGSEGV", "was killed by SIGKILL"]


def test_a_kill_for_memory_is_out_of_memory(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = tmp_path / "memory.events"
    events.write_text("low 0\noom_kill 3\n")
    monkeypatch.setattr(launcher, "_MEMORY_EVENTS", events)
    timer = threading.Timer(0.01, events.write_text, ["low 0\noom_kill 4\n"])
    timer.start()

    ended = start("0,SIGKILL")

    timer.join()
    assert codes(ended) == [0, 71]
    assert "out of memory" in ended[1].how


def result(code: int, text: str = "", **fields: Any) -> JobResult:
    status = "success" if code == 0 else "failed"
    failure = Failure("E", text) if text else None
    return JobResult("run", status, 1.0, exit_code=code, failure=failure, **fields)


def ended_with(folder: Path, *ends: JobResult | int | None) -> list[Ended]:
    """Ranks that left a result, only a code, or not even that."""
    made = []
    for rank, end in enumerate(ends):
        file = folder / f"rank-{rank}.json"
        code = end.exit_code if isinstance(end, JobResult) else end
        if isinstance(end, JobResult):
            file.write_text(json.dumps(end.to_dict()))
        how = "was killed by SIGKILL" if code is None else f"ended with {code}"
        made.append(Ended(rank, code, how, file))
    return made


def test_the_result_is_of_the_rank_that_tells_most(tmp_path: Path) -> None:
    ended = ended_with(tmp_path, result(75, "stopped"), result(65, "no such word"))

    found = result_of(ended, result(0))

    assert (found.exit_code, found.failure and found.failure.message) == (65, "no such word")


def test_among_equals_the_result_is_rank_0s(tmp_path: Path) -> None:
    ended = ended_with(tmp_path, result(0, metrics={"loss": 1.0}), result(0))

    assert result_of(ended, result(70)).metrics == {"loss": 1.0}


def test_a_killed_rank_shows_in_what_the_others_say(tmp_path: Path) -> None:
    ended = ended_with(tmp_path, result(75, "Rank 1 is lost"), None)

    found = result_of(ended, result(70))

    assert found.exit_code == 75
    assert found.failure is not None
    assert found.failure.message == "Rank 1 is lost (rank 1 was killed by SIGKILL)"


@pytest.mark.parametrize(("ends", "code"), [((None, None), 70), ((0, None), 69), ((71, 75), 71)])
def test_ranks_that_left_no_word_get_one(tmp_path: Path, ends: Any, code: int) -> None:
    found = result_of(ended_with(tmp_path, *ends), result(0))

    assert found.exit_code == code
    assert found.status == "failed"
    assert found.failure is not None
    assert found.failure.message.startswith("Rank ")


@pytest.mark.parametrize(("left", "is_left"), [(None, False), (0, False), (1, True), (2, True)])
def test_a_result_that_an_older_attempt_left_is_none_of_this_one(
    tmp_path: Path, left: int | None, is_left: bool
) -> None:
    if left is not None:
        result(0, attempt=left).save(tmp_path / File.JOB_RESULT)

    assert has_left_result(tmp_path, 1) == is_left


def test_signals_are_named() -> None:
    assert launcher.meaning_of(-signal.SIGTERM, True, False)[0] == 75
    assert launcher.meaning_of(-signal.SIGINT, True, False)[0] == 75
    assert launcher.meaning_of(-signal.SIGTERM, False, False)[0] == 70
