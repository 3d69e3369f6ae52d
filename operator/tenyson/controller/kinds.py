"""The kinds of objects that are kept in the cache, and how each is heard of."""

from typing import Final

from tenyson.controller import names
from tenyson.controller.cache import Cache
from tenyson.controller.cluster import Cluster, resource_path
from tenyson.controller.informer import Informer, Right, Store
from tenyson.controller.settings import Settings

RUNTIME: Final = "runtime"
CLUSTER_RUNTIME: Final = "cluster runtime"


def informers_of(cluster: Cluster, cache: Cache, settings: Settings) -> list[Informer]:
    """Returns one informer per kind and watched namespace.

    A controller that serves some namespaces only may have no rights to what lies in none. It asks
    first, and then goes without ClusterTenysonRuntimes.
    """
    cluster_runtimes = resource_path(names.API_VERSION, names.CLUSTER_RUNTIME_PLURAL, None)
    found = [
        Informer(
            cluster, store_of(cache, CLUSTER_RUNTIME), CLUSTER_RUNTIME, cluster_runtimes,
            relist_seconds=settings.relist_seconds,
            right=None if settings.watched == (None,) else Right(
                lambda: cluster.may_list(names.GROUP, names.CLUSTER_RUNTIME_PLURAL),
                cache.hide_cluster_runtimes,
            ),
        )
    ]  # fmt: skip
    for namespace in settings.watched:
        paths = {
            RUNTIME: resource_path(names.API_VERSION, names.RUNTIME_PLURAL, namespace),
            "job": resource_path(names.API_VERSION, names.PLURAL, namespace),
            "child": resource_path("batch/v1", "jobs", namespace),
            "pod": resource_path("v1", "pods", namespace),
        }
        found += [
            Informer(
                cluster, store_of(cache, kind), kind, path,
                selector=names.LABEL_JOB if kind in ("child", "pod") else "",
                namespace=namespace, relist_seconds=settings.relist_seconds,
            )
            for kind, path in paths.items()
        ]  # fmt: skip
    return found


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
