"""What is installed is what was locked, byte for byte."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


def test_every_file_of_the_lock_has_its_hash() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    files = [
        (package["name"], file)
        for package in lock["package"]
        for file in [*package.get("wheels", ()), *filter(None, [package.get("sdist")])]
    ]
    assert len(files) > 1000
    assert [name for name, file in files if not SHA256.fullmatch(file.get("hash", ""))] == []


def test_every_package_but_ours_comes_from_an_index_and_none_from_a_branch() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    elsewhere = [p["name"] for p in lock["package"] if "registry" not in p["source"]]
    assert elsewhere == ["tenyson"]
