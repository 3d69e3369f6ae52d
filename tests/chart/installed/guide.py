"""docs/install.md as shell scripts: what a reader would paste, block by block."""

import re
import subprocess
from pathlib import Path

from tests.chart.installed.helm import Helm

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "install.md"
_BLOCK = re.compile(r"(?:<!-- run: (?P<part>[a-z]+) -->\n)?```bash\n(?P<script>.*?)```", re.DOTALL)


def blocks(part: str | None) -> list[str]:
    """Returns the scripts of a part, in their order; None: those of no part."""
    found = _BLOCK.finditer(PAGE.read_text(encoding="utf-8"))
    return [block["script"] for block in found if block["part"] == part]


def run(script: str, helm: Helm, **variables: str) -> str:
    """Returns what a script printed, run in the checkout's root as a reader would."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT, env={**helm.environment, **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (
        f"{script}\nended with {done.returncode}:\n{done.stderr}{done.stdout}"
    )
    return done.stdout
