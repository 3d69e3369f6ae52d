"""What several tests of safety need: other namespaces, Secrets, and somebody with few rights."""

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

from tenyson.controller.observed import Object
from tests.controller.api import Api, Namespace, eventually

_COUNT = itertools.count()


@contextlib.contextmanager
def another_namespace(api: Api, **labels: str) -> Iterator[Namespace]:
    """A namespace beside the test's own, gone afterwards."""
    name = f"other{next(_COUNT)}"
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    namespace = Namespace(api, name)
    eventually(lambda: api.get(f"{namespace.core}/serviceaccounts/default"))
    try:
        yield namespace
    finally:
        api.call("DELETE", f"/api/v1/namespaces/{name}")


def make_secret(ns: Namespace, name: str, **data: str) -> None:
    """Makes a Secret with these values."""
    ns.api.call("POST", f"{ns.core}/secrets", {"metadata": {"name": name}, "stringData": data})


def make_config_map(ns: Namespace, name: str, **data: str) -> None:
    """Makes a ConfigMap with these texts."""
    ns.api.call("POST", f"{ns.core}/configmaps", {"metadata": {"name": name}, "data": data})


def pod_template(ns: Namespace, child: str = "j-a0") -> Object:
    """Returns the pod template of a child, once it is there."""
    return dict(ns.child(child)["spec"]["template"])


def container(ns: Namespace, child: str = "j-a0") -> dict[str, Any]:
    """Returns the runner's container of a child."""
    (only,) = pod_template(ns, child)["spec"]["containers"]
    return dict(only)
