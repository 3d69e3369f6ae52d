"""`python -m tenyson.controller …` is `kopf run -m tenyson.controller …` in half the memory.

kopf imports the official Kubernetes client wherever it is installed, 60 MB and over a second, and
then uses none of it here. This keeps it out; `credentials` lets it in when a kubeconfig needs it.
"""

import sys
from typing import Any, cast

cast("dict[str, Any]", sys.modules)["kubernetes"] = None

import kopf.cli  # noqa: E402  it must not find the client

if __name__ == "__main__":
    kopf.cli.main(["run", "-m", "tenyson.controller.handlers", *sys.argv[1:]])
