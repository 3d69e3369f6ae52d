"""Control planes without a node, for tests that play the kubelet."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.controller.client import Api, eventually

CRDS: Final = Path(__file__).parents[2] / "crds"
PLAYED_NODE: Final = "played"


@contextmanager
def played_cluster(folder: Path, **options: Any) -> Iterator[Any]:
    """A control plane with our CRDs, and a node that is there by its name only."""
    from hack.cluster.control_plane import Timing
    from hack.cluster.local import LocalCluster

    # Nothing keeps the played node's lease; its pods must stay for as long as the tests run.
    timing = Timing(eviction_seconds=3600)
    with LocalCluster(folder, timing=timing, **options) as running:
        running.kubectl("apply", "--server-side", "-f", str(CRDS))
        admin = Api(running.kubeconfig)
        eventually(lambda: admin.get("/apis/tenyson.dev/v1alpha1/tenysonjobs"))
        # Pods bound to a node that does not exist are deleted by the pod garbage collector.
        admin.call("POST", "/api/v1/nodes", {"metadata": {"name": PLAYED_NODE}})
        yield running
