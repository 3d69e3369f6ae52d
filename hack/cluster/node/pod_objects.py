"""What a pod's containers and volumes need from the apiserver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hack.cluster.node.api import ApiStatusError
from hack.cluster.node.context import NodeContext
from hack.cluster.node.environment import Reference, build_environment, references
from hack.cluster.node.errors import ConfigError
from hack.cluster.node.volumes import Sources

Pod = Mapping[str, Any]


class PodObjects:
    """Reads on behalf of one pod, with the rights that the cluster gives its node."""

    def __init__(self, pod: Pod, context: NodeContext) -> None:
        self._pod = pod
        self._context = context
        self._namespace = f"/api/v1/namespaces/{pod['metadata']['namespace']}"

    def volume_sources(self) -> Sources:
        """What the pod's volumes are made of."""
        return Sources(self._pod, self.find, self.issue_token, self._context.allocatable)

    async def environment(self, container: Mapping[str, Any]) -> dict[str, str]:
        """A container's environment.

        Raises:
            ConfigError: it refers to something that is not there.
        """
        wanted = set(references(container))
        found = {reference: await self._find_reference(reference) for reference in wanted}
        defaults = {**self._apiserver_address(), **self._context.env}
        allocatable = self._context.allocatable
        return build_environment(self._pod, container, found, defaults, allocatable)

    async def find(self, kind: str, name: str) -> Mapping[str, Any] | None:
        """The object in the pod's namespace, or None; also where the node may not read it yet.

        The apiserver learns from the pod what its node may read, a moment after the pod is bound.
        """
        base = "/api/v1" if kind == "persistentvolumes" else self._namespace
        try:
            return await self._context.api.find(f"{base}/{kind}/{name}")
        except ApiStatusError as error:
            if error.status == 403:
                return None
            raise

    async def issue_token(self, source: Mapping[str, Any]) -> str:
        """A token of the pod's service account that ends with the pod."""
        account = self._pod["spec"].get("serviceAccountName") or "default"
        metadata = self._pod["metadata"]
        bound = {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": metadata["name"],
            "uid": metadata["uid"],
        }
        spec: dict[str, Any] = {
            "boundObjectRef": bound,
            "expirationSeconds": source.get("expirationSeconds") or 3600,
            "audiences": [source["audience"]] if source.get("audience") else [],
        }
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"{self._namespace}/serviceaccounts/{account}/token"
        try:
            answer = await self._context.api.create(path, request)
        except ApiStatusError as error:
            raise ConfigError(f"no token for service account {account!r}: {error}") from error
        return str(answer["status"]["token"])

    async def _find_reference(self, reference: Reference) -> Mapping[str, Any] | None:
        return await self.find(f"{reference.kind}s", reference.name)

    def _apiserver_address(self) -> dict[str, str]:
        """What a kubelet sets for in-cluster clients; here the real port, as no proxy runs."""
        host, _, port = self._context.api.url.removeprefix("https://").partition(":")
        return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
