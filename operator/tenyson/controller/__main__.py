"""`python -m tenyson.controller …` is `kopf run -m tenyson.controller …` in half the memory.

kopf imports the official Kubernetes client wherever it is installed, 60 MB and over a second, and
then uses none of it here. This keeps it out; `credentials` lets it in when a kubeconfig needs it.

Logs are JSON lines unless a person watches, or `--log-format` says otherwise. The namespaces are
those of TENYSON_NAMESPACES unless kopf's `-A` or `-n` names them.
"""

import os
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any, NoReturn, cast


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)


# A container's first process ignores SIGTERM until it has a handler, and kopf sets its own only a
# second from now.
signal.signal(signal.SIGTERM, _leave)

cast("dict[str, Any]", sys.modules)["kubernetes"] = None

import kopf.cli  # noqa: E402  it must not find the client

from tenyson.controller.settings import Settings  # noqa: E402

_SCOPES = ("-A", "--all-namespaces", "-n", "--namespace")


def _arguments(
    given: list[str], *, terminal: bool, environment: Mapping[str, str] = os.environ
) -> list[str]:
    chosen = any(argument.startswith("--log-format") for argument in given)
    log_format = [] if chosen else [f"--log-format={'full' if terminal else 'json'}"]
    scope: list[str] = []
    if not any(argument.startswith(_SCOPES) for argument in given):
        watched = Settings(namespaces=environment.get("TENYSON_NAMESPACES", "")).watched
        scope = [f"--namespace={name}" if name else "--all-namespaces" for name in watched]
    return ["run", "-m", "tenyson.controller.handlers", *scope, *log_format, *given]


if __name__ == "__main__":
    # For its name among peers, of which there are none, kopf looks up the user; in a container the
    # user has no entry anywhere, and that would end kopf.
    os.environ.setdefault("POD_ID", os.environ.get("POD_NAME") or socket.gethostname())
    try:
        kopf.cli.main(_arguments(sys.argv[1:], terminal=sys.stderr.isatty()))
    except Exception as error:
        if not isinstance(error.__cause__, kopf.PermanentError):
            raise
        sys.exit(1)  # The log's last line says why; kopf's traceback would only push it away.
