"""The verbs for what runs in the same process: controllers, signers, the seed of a cluster.

The same admission and validation as over HTTP; no authorization, since what runs here is part of the cluster.
"""

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.deletion import Options
from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.metadata import clone
from kubevouch_lab.apiserver.patches import merge_patched
from kubevouch_lab.apiserver.request import LOOPBACK, RequestInfo, UserInfo
from kubevouch_lab.apiserver.rest import Resources
from kubevouch_lab.apiserver.watching import Stream
from kubevouch_lab.objects import Object, Objects


class LocalClient:
    """Acts as one user. What comes back are copies; errors are StatusErrors, as a client would decode them."""

    def __init__(self, resources: Resources, user: UserInfo = LOOPBACK) -> None:
        self._resources = resources
        self._user = user

    def get(self, kind: Kind, name: str, namespace: str = "") -> Object:
        """One object, or 404."""
        return clone(self._resources.get(self._info("get", kind, name, namespace)))

    def find(self, kind: Kind, name: str, namespace: str = "") -> Object | None:
        """One object, or None."""
        try:
            return self.get(kind, name, namespace)
        except status.StatusError as error:
            if error.code != 404:
                raise
            return None

    def list(
        self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> Objects:
        """All that both selectors select."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        page = self._resources.list(self._info("list", kind, "", namespace), query)
        return [clone(item) for item in page.items]

    def watch(self, kind: Kind, namespace: str = "") -> Stream:
        """What is there, and then what happens. Close it (`with`).

        Events share their objects with the store: copy before changing.
        """
        return self._resources.watch(self._info("watch", kind, "", namespace), {})

    def create(self, kind: Kind, body: Object, namespace: str = "") -> Object:
        """Keeps a new object; the namespace may stand in its metadata."""
        space = namespace or (body.get("metadata") or {}).get("namespace", "")
        return clone(self._resources.create(self._info("create", kind, "", space), body))

    def update(self, kind: Kind, body: Object, subresource: str = "") -> Object:
        """Replaces an object: 409 if it has changed since it was read."""
        metadata = body["metadata"]
        info = self._info(
            "update", kind, metadata["name"], metadata.get("namespace", ""), subresource
        )
        return clone(self._resources.update(info, body))

    def patch(
        self, kind: Kind, name: str, change: Object, namespace: str = "", *, subresource: str = ""
    ) -> Object:
        """A merge patch of the object as it is now."""
        info = self._info("patch", kind, name, namespace, subresource)
        return clone(self._resources.patch(info, lambda thing: merge_patched(thing, change)))

    def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
    ) -> None:
        """Takes it out, and what it owns; 404 if it is not there, 409 if it has another uid."""
        info = self._info("delete", kind, name, namespace)
        self._resources.delete(info, Options(uid))

    def _info(
        self, verb: str, kind: Kind, name: str, namespace: str, subresource: str = ""
    ) -> RequestInfo:
        return RequestInfo(
            verb=verb,
            path="",
            user=self._user,
            group=kind.group,
            version=kind.version,
            resource=kind.plural,
            subresource=subresource,
            namespace=namespace if kind.namespaced else "",
            name=name,
        )
