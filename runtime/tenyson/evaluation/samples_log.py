"""`eval_samples.jsonl`: what has been generated so far, so that nothing is generated twice.

One line a prompt and model, appended and synced a batch at a time. A line says what it follows
from (`of`: model, adapter, sampling, engine; `prompt`: its tokens) and is taken only where that is
the same; others stay in the file and count for nothing. A line that is torn or altered does not
match its checksum: its prompt is generated again.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tenyson.evaluation.completions import Completion, Request


@dataclass(frozen=True)
class Found:
    """What an earlier attempt has left."""

    answers: dict[str, list[Completion]]
    """By key, the completions of prompts that need not be generated again."""
    others: int = 0
    """Prompts in the file that were answered by something else: another model, other settings."""
    damaged: int = 0
    """Lines that cannot be read."""


class SamplesLog:
    """Appends to the file; asks before every write whether the attempt still may."""

    def __init__(self, path: Path, check: Callable[[], None]) -> None:
        self._path = path
        self._check = check

    def append(
        self, of: str, answers: Mapping[str, Sequence[Completion]], requests: Mapping[str, Request]
    ) -> None:
        """Adds prompts and returns when they are on the disk.

        Args:
            of: Names what the completions follow from.
            answers: By key.
            requests: By key.
        """
        lines = [
            _line(of, key, prompt_hash(requests[key].ids), drawn) for key, drawn in answers.items()
        ]
        self._check()
        with open(self._path, "ab") as file:
            if file.tell() and not _ends_a_line(self._path):
                file.write(b"\n")  # after a line that was torn
            file.write("".join(lines).encode())
            file.flush()
            os.fsync(file.fileno())


def read_samples(
    path: Path,
    of: str,
    requests: Sequence[Request],
    draws: int,
    *,
    of_this_run: Collection[str] = (),
) -> Found:
    """Returns what the file holds for these prompts; nothing where there is no file.

    Args:
        path: The file.
        of: What the completions must follow from.
        requests: The prompts.
        draws: Completions that each must have.
        of_this_run: What all of the run's completions follow from; further models' are no others.
    """
    if not path.is_file():
        return Found({})
    wanted = {request.key: prompt_hash(request.ids) for request in requests}
    answers: dict[str, list[Completion]] = {}
    others, damaged = set(), 0
    with open(path, "rb") as file:
        for line in file:
            if not line.strip():
                continue
            entry = _parse(line)
            if entry is None:
                damaged += 1
            elif entry["of"] != of and entry["of"] in of_this_run:
                continue
            elif entry["of"] != of or wanted.get(entry["id"]) != entry["prompt"]:
                others.add((entry["of"], entry["id"]))
            elif len(entry["answers"]) == draws:
                answers[entry["id"]] = [Completion(**answer) for answer in entry["answers"]]
    return Found(answers, len(others), damaged)


def prompt_hash(ids: Sequence[int]) -> str:
    """Returns what tells a prompt's tokens from others."""
    return hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()[:16]


def _line(of: str, key: str, prompt: str, drawn: Sequence[Completion]) -> str:
    content = {
        "of": of,
        "id": key,
        "prompt": prompt,
        "answers": [
            {n: v for n, v in asdict(completion).items() if n != "ids"} for completion in drawn
        ],
    }
    return json.dumps({**content, "crc32": _checksum(content)}) + "\n"


def _parse(line: bytes) -> dict[str, Any] | None:
    """Returns a line's content; None where it is not what was written."""
    try:
        entry = json.loads(line)
        checksum = entry.pop("crc32")
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return entry if checksum == _checksum(entry) else None


def _checksum(content: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


def _ends_a_line(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
