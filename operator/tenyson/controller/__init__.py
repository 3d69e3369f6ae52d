"""The controller: reconciles TenysonJobs into one batch/v1 Job per attempt."""

import sys

if "kopf" in sys.modules:
    # `kopf run -m tenyson.controller` imports this package for its handlers; everybody else
    # (the CRD generator, the pure parts, their tests) is spared kopf.
    import tenyson.controller.handlers  # noqa: F401
