"""`python -m hack.gitops [--check]`: writes Argo CD's health script into the files that show it."""

import argparse
import sys
from collections.abc import Sequence

from hack.gitops.embedded import ROOT, SCRIPT, wanted


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the files, or with `--check` tells whether they are up to date."""
    parser = argparse.ArgumentParser(prog="python -m hack.gitops", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if a file is out of date")
    options = parser.parse_args(arguments)
    stale = {path: text for path, text in wanted().items() if path.read_text("utf-8") != text}
    for path, text in stale.items():
        if options.check:
            shown = f"{path.relative_to(ROOT)} does not hold {SCRIPT.relative_to(ROOT)}"
            print(f"{shown}; run `python -m hack.gitops`", file=sys.stderr)
        else:
            path.write_text(text, encoding="utf-8")
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
