"""The environment of `make test-vllm` takes most versions from uv.lock and the rest from a file."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_nothing_is_pinned_both_by_the_lock_and_beside_it() -> None:
    """Two versions of one package cannot be installed; `hack/install-vllm lock` pins anew."""
    uv = ROOT / ".cache/uv/bin/uv"
    command = [uv, "export", "--quiet", "--frozen", "--no-emit-project", "--no-hashes"]
    locked = subprocess.run(
        [*command, "--extra", "train", "--extra", "dev", "--format", "requirements.txt"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    beside = (ROOT / "hack/vllm.txt").read_text(encoding="utf-8")
    assert _names(locked)
    assert _names(beside)
    assert not _names(locked) & _names(beside)


def _names(requirements: str) -> set[str]:
    return set(re.findall(r"^([A-Za-z0-9._-]+)==", requirements, re.M))
