"""`python -m hack.images [NAME …] | sizes NAME | export NAME`: the project's images.

NAME is controller, runner (with CUDA) or runner-cpu; without one, controller and runner are built.
BASE_IMAGE, UV_IMAGE, EXTRAS, IMAGE_PREFIX and BUILDER in the environment choose; docs/images.md
says what each is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from hack.cluster.errors import ClusterError
from hack.cluster.progress import to_terminal
from hack.images.building import build_image, exported
from hack.images.errors import ImageError
from hack.images.plan import IMAGES, find_image
from hack.images.sizes import layers_of, size_table

COMMANDS = ("build", "export", "sizes")


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds, exports or measures images; the exit code."""
    options = _parser().parse_args(arguments)
    words = [*options.words]
    command = words.pop(0) if words and words[0] in COMMANDS else "build"
    try:
        names = [find_image(word).name for word in words] or ["controller", "runner"]
        for name in names:
            _run(command, name)
    except (ImageError, ClusterError) as error:
        to_terminal(f"error: {error}")
        return 1
    return 0


def _run(command: str, name: str) -> None:
    if command == "build":
        _, build = build_image(name, to_terminal)
        print(build.reference)
        return
    archive = exported(name, to_terminal)
    print(size_table(layers_of(archive.path)) if command == "sizes" else archive.path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hack.images",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    choices = f"{', '.join(COMMANDS)} (build without one), then any of {', '.join(IMAGES)}"
    parser.add_argument("words", nargs="*", metavar="WORD", help=choices)
    return parser


if __name__ == "__main__":
    sys.exit(main())
