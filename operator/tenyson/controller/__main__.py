"""`python -m tenyson.controller …` is `kopf run -m tenyson.controller …` in half the memory.

kopf imports the official Kubernetes client wherever it is installed, 60 MB and over a second, and
then uses none of it here. This keeps it out; `credentials` lets it in when a kubeconfig needs it.

Logs are JSON lines unless a person watches, or `--log-format` says otherwise.
"""

import sys
from typing import Any, cast

cast("dict[str, Any]", sys.modules)["kubernetes"] = None

import kopf.cli  # noqa: E402  it must not find the client


def _arguments(given: list[str], *, terminal: bool) -> list[str]:
    chosen = any(argument.startswith("--log-format") for argument in given)
    log_format = [] if chosen else [f"--log-format={'full' if terminal else 'json'}"]
    return ["run", "-m", "tenyson.controller.handlers", *log_format, *given]


if __name__ == "__main__":
    try:
        kopf.cli.main(_arguments(sys.argv[1:], terminal=sys.stderr.isatty()))
    except Exception as error:
        if not isinstance(error.__cause__, kopf.PermanentError):
            raise
        sys.exit(1)  # The log's last line says why; kopf's traceback would only push it away.
