"""The kinds of objects that are kept in the cache, and how each is heard of."""

from typing import Any, Final

from tenyson.controller import names
from tenyson.controller.cache import Cache
from tenyson.controller.cluster import Cluster, resource_path
from tenyson.controller.informer import Informer, Store
from tenyson.controller.settings import Settings

RUNTIME: Final = "runtime"
CLUSTER_RUNTIME: Final = "cluster runtime"


def informers_of(cluster: Cluster, cache: Cache, settings: Settings) -> list[Informer]:
    """Returns one informer per kind and watched namespace.

    Runtimes are few, and kopf watches them; the lists here are for what it does not tell. The one
    kind that lies in no namespace is out of its reach where the controller serves only some: it is
    watched here if a ClusterRole allows, and done without if not.
    """
    everywhere = settings.watched == (None,)
    found = [_cluster_runtimes(cluster, cache, settings, watches=not everywhere)]
    for namespace in settings.watched:
        common: dict[str, Any] = {
            "namespace": namespace,
            "relist_seconds": settings.relist_seconds,
        }
        ours = {"selector": names.LABEL_JOB, **common}
        jobs = resource_path(names.API_VERSION, names.PLURAL, namespace)
        children = resource_path("batch/v1", "jobs", namespace)
        pods = resource_path("v1", "pods", namespace)
        runtimes = resource_path(names.API_VERSION, names.RUNTIME_PLURAL, namespace)
        found += [
            Informer(cluster, store_of(cache, RUNTIME), RUNTIME, runtimes, watches=False, **common),
            Informer(cluster, store_of(cache, "job"), "job", jobs, **common),
            Informer(cluster, store_of(cache, "child"), "child", children, **ours),
            Informer(cluster, store_of(cache, "pod"), "pod", pods, **ours),
        ]
    return found


def _cluster_runtimes(
    cluster: Cluster, cache: Cache, settings: Settings, *, watches: bool
) -> Informer:
    path = resource_path(names.API_VERSION, names.CLUSTER_RUNTIME_PLURAL, None)
    return Informer(
        cluster,
        store_of(cache, CLUSTER_RUNTIME),
        CLUSTER_RUNTIME,
        path,
        watches=watches,
        may_be_forbidden=watches,
        relist_seconds=settings.relist_seconds,
    )


def store_of(cache: Cache, kind: str) -> Store:
    """Returns the cache as the store of one kind."""
    put, drop = {
        "job": (cache.put_job, cache.drop_job),
        "child": (cache.put_child, cache.drop_child),
        "pod": (cache.put_pod, cache.drop_pod),
        RUNTIME: (cache.put_runtime, cache.drop_runtime),
        CLUSTER_RUNTIME: (cache.put_runtime, cache.drop_runtime),
    }[kind]
    return Store(put, drop, lambda: cache.known(kind))
