"""The only place that speaks to Kubernetes: the few calls that the controller makes."""

from collections.abc import AsyncIterator, Mapping
from typing import Final

from tenyson.controller import names
from tenyson.controller.answers import ApiError, NotLeaderError, Object, parsed
from tenyson.controller.calls import ELECTION, EVENT, READ
from tenyson.controller.observed import Child
from tenyson.controller.paths import job_path, kind_path, path_of, resource_path
from tenyson.controller.transport import Transport

__all__ = ["ApiError", "Cluster", "NotLeaderError", "Object", "resource_path"]

PAGE: Final = 100
"""Objects a page. A page of 500 pods is 5 MB, ten times that once parsed, and the memory of the
largest page is never given back: over 1 500 jobs a restart took 178 MB, with 100 it takes 114."""
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"


class Cluster(Transport):
    """The API server, in the controller's own verbs."""

    # Reading

    async def pages(self, path: str, selector: str) -> AsyncIterator[Object]:
        """Yields the pages of a list; together they are one consistent state.

        Raises:
            ApiError: The list was refused, or what came is none.
        """
        token = ""
        while True:
            query = f"?limit={PAGE}" + (f"&labelSelector={selector}" if selector else "")
            page = await self.request(
                "GET", f"{path}{query}&continue={token}" if token else path + query
            )
            if not page.get("metadata"):
                raise ApiError(0, "Unreadable", f"no list came from {path}: {str(page)[:300]}")
            meta = page.get("metadata") or {}
            if "resourceVersion" not in meta:
                raise ApiError(0, "Unreadable", f"no list: {str(page)[:300]}")
            yield page
            token = meta.get("continue", "")
            if not token:
                return

    async def watch(self, path: str, selector: str, version: str) -> AsyncIterator[Object]:
        """Yields events after `version`, until the server ends the watch or goes silent.

        Raises:
            ApiError: The watch was refused, broke, or `version` is too old (410).
        """
        query = f"?watch=1&allowWatchBookmarks=true&resourceVersion={version}"
        async for line in self.stream(path + query + (selector and f"&labelSelector={selector}")):
            event = parsed(line)
            if event.get("type") == "ERROR":
                told = event.get("object") or {}
                raise ApiError(
                    told.get("code", 500), told.get("reason", ""), told.get("message", "")
                )
            yield event

    async def data(self, kind: str, namespace: str, name: str) -> Mapping[str, str]:
        """Returns a ConfigMap's data by key, or a Secret's keys: its values never get any further.

        Binary data is as the API encodes it.

        Raises:
            ApiError: It does not exist (404), or may not be read (403).
        """
        try:
            found = await self.request("GET", f"{kind_path('v1', kind, namespace)}/{name}")
        except ApiError as error:
            if kind != "Secret" or error.status != 0:
                raise
            # What came in its place, or half of it, is told in the error otherwise, and logged.
            said = f"Secret {name} cannot be read"
            raise ApiError(0, error.reason, said, error.retry_after) from None
        data = {**(found.get("data") or {}), **(found.get("binaryData") or {})}
        return dict.fromkeys(data, "") if kind == "Secret" else data

    async def warning(self, namespace: str, uid: str) -> str:
        """Returns the newest warning in the Events about an object; empty when there is none.

        Raises:
            ApiError: Events may not be read (403).
        """
        query = f"fieldSelector=involvedObject.uid={uid},type=Warning&limit=50"
        path = resource_path("v1", "events", namespace)
        found = (await self.request("GET", f"{path}?{query}")).get("items") or ()
        newest: Object = max(found, key=lambda event: event.get("lastTimestamp") or "", default={})
        return str(newest.get("message", ""))

    async def read(self, body: Object) -> Object:
        """Returns the object that has the kind, the namespace and the name of this one."""
        return await self.request("GET", f"{path_of(body)}/{body['metadata']['name']}")

    async def child(self, namespace: str, name: str) -> Object:
        """Returns a Job as it is now, whatever the watches have told.

        Raises:
            ApiError: It does not exist (404), or cannot be read.
        """
        return await self.request("GET", f"{kind_path('batch/v1', 'Job', namespace)}/{name}")

    async def pods(self, namespace: str, labels: Mapping[str, str]) -> list[Object]:
        """Returns the pods with these labels as they are now, whatever the watches have told."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        pages = self.pages(resource_path("v1", "pods", namespace), selector)
        return [pod async for page in pages for pod in page.get("items") or ()]

    async def may_list(self, group: str, plural: str) -> bool:
        """Whether a kind may be listed in all namespaces; asking is never refused for RBAC."""
        asked = {"verb": "list", "group": group, "resource": plural}
        review = {
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }  # fmt: skip
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return bool((await self.request("POST", path, review, policy=READ))["status"]["allowed"])

    async def signing_keys(self) -> tuple[str, Object]:
        """Returns the issuer of service account tokens and the keys that sign them (JWKS)."""
        found = await self.request("GET", "/.well-known/openid-configuration")
        return found["issuer"], await self.request("GET", "/openid/v1/jwks")

    # Writing

    async def create(self, body: Object) -> Object:
        """Returns a Job, a Service or a Secret as created.

        Raises:
            ApiError: One of this name exists (409), perhaps made by a try of this very call whose
                answer was lost: `read` tells whose it is. Or it was refused.
        """
        return await self.request("POST", f"{path_of(body)}?fieldManager={_MANAGER}", body)

    async def replace(self, body: Object) -> Object:
        """Returns an object as replaced, if nobody has changed it since it was read.

        Raises:
            ApiError: Somebody has (409), it is gone (404), or it was refused.
        """
        path = f"{path_of(body)}/{body['metadata']['name']}?fieldManager={_MANAGER}"
        return await self.request("PUT", path, body)

    async def delete_child(self, child: Child) -> None:
        """Deletes a Job as it was seen, its pods first, each with its grace period.

        The version spares one that has ended meanwhile: its pods hold the result.

        Raises:
            ApiError: It has changed (409), or the request failed.
        """
        preconditions = {"uid": child.uid, "resourceVersion": str(child.resource_version)}
        options = {"propagationPolicy": "Foreground", "preconditions": preconditions}
        path = f"{kind_path('batch/v1', 'Job', child.namespace)}/{child.name}"
        await self._delete(path, options, (404,))

    async def delete_job(self, namespace: str, name: str, uid: str) -> None:
        """Deletes a TenysonJob; what it owns follows."""
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        # Gone already, or another of the same name: either way not ours to delete any more.
        await self._delete(job_path(namespace, name), options, (404, 409))

    async def _delete(self, path: str, options: Object, fine: tuple[int, ...]) -> None:
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        try:
            await self.request("DELETE", path, body)
        except ApiError as error:
            if error.status not in fine:
                raise

    async def apply_status(
        self, namespace: str, name: str, uid: str, version: int, status: Object
    ) -> Object:
        """Returns the TenysonJob with its new status.

        The uid and the version fence the write: a pass that saw an older state changes nothing.

        Raises:
            ApiError: The resource changed meanwhile (409), is gone (404), or refuses the status.
        """
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {"name": name, "uid": uid, "resourceVersion": str(version)},
            "status": status,
        }
        query = f"?fieldManager={_MANAGER}&force=true"
        return await self.request(
            "PATCH", f"{job_path(namespace, name)}/status{query}", body, _APPLY
        )

    # Events

    async def create_event(self, body: Object) -> None:
        """Posts an Event.

        Raises:
            ApiError: One of this name exists (409), or it was refused.
        """
        path = resource_path("v1", "events", body["metadata"]["namespace"])
        await self.request("POST", path, body, policy=EVENT)

    async def event_count(self, namespace: str, name: str) -> int:
        """Returns how often an Event has happened."""
        path = f"{resource_path('v1', 'events', namespace)}/{name}"
        return int((await self.request("GET", path, policy=EVENT)).get("count") or 1)

    async def update_event(self, namespace: str, name: str, changes: Object) -> None:
        """Changes some fields of an Event.

        Raises:
            ApiError: It is gone (404), or the change was refused.
        """
        path = f"{resource_path('v1', 'events', namespace)}/{name}"
        await self.request("PATCH", path, changes, _MERGE, EVENT)

    # The leader's lease

    async def lease(self, namespace: str, name: str) -> Object:
        """Returns a Lease.

        Raises:
            ApiError: It does not exist (404), or cannot be read.
        """
        path = f"{resource_path(_LEASES, 'leases', namespace)}/{name}"
        return await self.request("GET", path, policy=ELECTION)

    async def create_lease(self, body: Object) -> Object:
        """Returns a Lease as created.

        Raises:
            ApiError: Another replica was faster (409), or it was refused.
        """
        path = resource_path(_LEASES, "leases", body["metadata"]["namespace"])
        return await self.request("POST", path, body, policy=ELECTION)

    async def replace_lease(self, body: Object) -> Object:
        """Returns a Lease as replaced, if nobody has changed it since it was read.

        Raises:
            ApiError: Somebody has (409), it is gone (404), or cannot be written.
        """
        meta = body["metadata"]
        path = f"{resource_path(_LEASES, 'leases', meta['namespace'])}/{meta['name']}"
        return await self.request("PUT", path, body, policy=ELECTION)


_LEASES: Final = "coordination.k8s.io/v1"
_MANAGER: Final = names.FIELD_MANAGER
