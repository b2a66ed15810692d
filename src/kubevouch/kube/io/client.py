"""The API's verbs on typed resources: list, get, create, patch, delete; also CSR approval and pod logs.

Most responses are decoded into structs with the fields that kubevouch reads. `get_raw`, `replace`
and `apply` return the raw JSON, which can be changed and written back.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from kubevouch.kube.decode import (
    AS_TABLE,
    METADATA_ONLY,
    Listed,
    RawObject,
    RowForm,
    RowReader,
    decoded,
    list_of,
)
from kubevouch.kube.errors import BadResponse, Conflict, Gone, ResponseTooLarge
from kubevouch.kube.io.http_client import APPLICATION_JSON, ATTEMPTS, JSON, HttpClient
from kubevouch.kube.io.transport import ResponseLimits
from kubevouch.kube.resources import (
    CSRS,
    PODS,
    SELF_REVIEWS,
    CertificateSigningRequest,
    CsrCondition,
    Narrow,
    Object,
    Resource,
    ResourceAttributes,
    ReviewStatus,
)
from kubevouch.kube.resources.certificates import first_condition
from kubevouch.kube.resources.meta import VersionOnly

T = TypeVar("T")
ObjectT = TypeVar("ObjectT", bound=Object)

_MOST_PAGES: Final = 10_000
_MOST_PAGE_BYTES: Final = 16 * 1024 * 1024
_METADATA: Final = (
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
)
_ITS_METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_FEWER: Final = 8
"""After a page over the byte limit, the page size is divided by this: 500 objects, then 62, then 7.
Seven of the largest objects that etcd stores (1.5 MiB each) fit into the limit."""
_LONGEST_LOG: Final = 1024 * 1024
_MERGE_PATCH: Final = "application/merge-patch+json"


class Version(Narrow, frozen=True, kw_only=True):
    """The response of /version. git_version: such as v1.36.3."""

    major: str = ""
    minor: str = ""
    git_version: str = ""


class ApiClient(HttpClient):
    """A client of an API server: `async with ApiClient(access, clock=..., environ=...) as api:`.

    Every method raises KubeError, or KubeconfigError for a missing credential file.
    """

    async def pages(
        self,
        resource: Resource[Any],
        kind: type[T],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        only_metadata: bool = False,
        rows: RowForm[Any] | None = None,
        objects: int | None = None,
    ) -> AsyncGenerator[Listed[T], None]:
        """Yields a list page by page. If a later page raises Gone, list again from the start.

        kind: the struct for each object. objects: the page size; 0: a single page; None: the
        resource's own page size. only_metadata: request no other fields, such as a Secret's data.
        rows: request a Table, and build the objects from its rows.

        If a page exceeds the byte limit, requests it again with fewer objects. Otherwise one user's
        large objects would make the list fail. Later pages have more objects again.
        """
        path = resource.path(namespace)
        objects = resource.page if objects is None else objects
        query = {"limit": str(objects)} if objects else {}
        if label_selector:
            query["labelSelector"] = label_selector
        if field_selector:
            query["fieldSelector"] = field_selector
        wanted = objects
        limits = replace(self._limits, body=min(self._limits.body, _MOST_PAGE_BYTES))
        reader, accept = None, _METADATA if only_metadata else APPLICATION_JSON
        if rows is not None:
            reader, accept = RowReader(rows), AS_TABLE
            query |= METADATA_ONLY
        for _ in range(_MOST_PAGES):
            try:
                answer = await self.request("GET", path, query=query, limits=limits, accept=accept)
                body, where = self.json_of(answer), f"{self.access.server}{path}"
                page: Listed[T] = (
                    reader.page(body, where) if reader else decoded(body, list_of(kind), where)
                )
            except ResponseTooLarge:
                if objects == 1:
                    raise
                objects = max(1, objects // _FEWER) if objects else resource.page
                query["limit"] = str(objects)
                continue
            yield page
            if not page.metadata.continue_:
                return
            query["continue"] = page.metadata.continue_
            if objects < wanted:
                objects = min(wanted, 2 * objects)
                query["limit"] = str(objects)
        raise BadResponse(f"{self.access.server}{path}", f"a list of more than {_MOST_PAGES} pages")

    async def list_all(
        self,
        resource: Resource[ObjectT],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> tuple[ObjectT, ...]:
        """All objects of a resource, in the server's order.

        Starts over if etcd compacts the list's resourceVersion before the last page.
        """
        for attempt in range(1, ATTEMPTS + 1):
            found: list[ObjectT] = []
            try:
                async for page in self.pages(
                    resource,
                    resource.struct,
                    namespace,
                    label_selector=label_selector,
                    field_selector=field_selector,
                ):
                    found += page.items
            except Gone:
                if attempt == ATTEMPTS:
                    raise
                continue
            return tuple(found)
        raise AssertionError

    async def versions(self, resource: Resource[Any]) -> dict[str, tuple[str, str]]:
        """UID and resourceVersion of all objects of a cluster-scoped resource, by name.

        Requests a single page, unless the response is too large. Recent API servers serve an
        unpaged list from memory, after checking with etcd that their cache is current (KEP-2340).
        But they read the pages of a list from etcd.
        """
        pages = self.pages(resource, VersionOnly, only_metadata=True, objects=0)
        return {
            each.metadata.name: (each.metadata.uid, each.metadata.resource_version)
            async for page in pages
            for each in page.items
        }

    async def get(self, resource: Resource[ObjectT], name: str, namespace: str = "") -> ObjectT:
        """The object with this name."""
        return await self.read(resource.struct, "GET", resource.path(namespace, name))

    async def get_raw(
        self, resource: Resource[ObjectT], name: str, namespace: str = ""
    ) -> RawObject[ObjectT]:
        """The object with this name, as raw JSON, to change and write back.

        This is the whole object, unless `resource.only_metadata` is true.
        """
        accept = _ITS_METADATA if resource.only_metadata else APPLICATION_JSON
        answer = await self.request("GET", resource.path(namespace, name), accept=accept)
        return RawObject(resource, answer.body, self.access.server)

    async def create(
        self, resource: Resource[ObjectT], body: Mapping[str, JSON], namespace: str = ""
    ) -> ObjectT:
        """Creates an object. `body`: its JSON, without apiVersion and kind."""
        whole = {**body, "apiVersion": resource.api_version, "kind": resource.kind}
        return await self.read(resource.struct, "POST", resource.path(namespace), body=whole)

    async def replace(
        self, raw: RawObject[ObjectT], whole: Mapping[str, JSON]
    ) -> RawObject[ObjectT]:
        """Writes a changed object back. Raises Conflict if the object has changed since it was read.

        whole: RawObject.whole() with the changes and the old resourceVersion.
        """
        found = raw.read()
        path = raw.resource.path(found.namespace, found.name)
        answer = await self.request("PUT", path, body=whole)
        return RawObject(raw.resource, answer.body, self.access.server)

    async def patch(
        self,
        resource: Resource[ObjectT],
        name: str,
        patch: Mapping[str, JSON],
        namespace: str = "",
        *,
        resource_version: str = "",
    ) -> ObjectT:
        """Patches an object with a JSON merge patch (RFC 7386).

        resource_version: if given, raises Conflict unless the object still has this version.
        """
        metadata = {**patch.get("metadata", {}), "resourceVersion": resource_version}
        body = {**patch, "metadata": metadata} if resource_version else dict(patch)
        path = resource.path(namespace, name)
        return await self.read(resource.struct, "PATCH", path, body=body, content_type=_MERGE_PATCH)

    async def apply(
        self,
        resource: Resource[ObjectT],
        body: Mapping[str, JSON],
        *,
        manager: str,
        dry_run: bool = False,
    ) -> RawObject[ObjectT]:
        """Server-side apply of a whole manifest: creates the object, or changes the fields in the manifest.

        manager: the field manager. Raises Conflict if another manager owns one of the fields.
        dry_run: whether to return the result without changing anything.
        """
        metadata = body["metadata"]
        path = resource.path(metadata.get("namespace", ""), metadata["name"])
        query = {"fieldManager": manager, "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        # JSON is YAML.
        form = "application/apply-patch+yaml"
        accept = _ITS_METADATA if resource.only_metadata else APPLICATION_JSON
        answer = await self.request(
            "PATCH", path, query=query, body=dict(body), content_type=form, accept=accept
        )
        return RawObject(resource, answer.body, self.access.server)

    async def patch_approval(
        self, csr: CertificateSigningRequest, condition: CsrCondition
    ) -> CertificateSigningRequest:
        """Adds the first condition to an undecided CSR, and changes nothing else.

        Raises Conflict if the CSR already has a condition or has changed since it was read.
        """
        path = CSRS.path(name=csr.name, subresource="approval")
        if csr.status.conditions:
            seen, where = "the CSR is already decided", f"{self.access.server}{path}"
            raise Conflict(where, seen, code=409, reason="Conflict", message=seen)
        body = {
            "metadata": {"resourceVersion": csr.metadata.resource_version},
            "status": {"conditions": [first_condition(condition, self.server_clock.now())]},
        }
        return await self.read(
            CertificateSigningRequest, "PATCH", path, body=body, content_type=_MERGE_PATCH
        )

    async def delete(
        self, resource: Resource[Any], name: str, namespace: str = "", *, uid: str = ""
    ) -> None:
        """Deletes an object. uid: if given, raises Conflict unless the object still has this UID."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions"}
        body = {**options, "preconditions": {"uid": uid}} if uid else None
        await self.request("DELETE", resource.path(namespace, name), body=body)

    async def text(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        limits: ResponseLimits | None = None,
    ) -> str:
        """GETs a path, and returns the response as text: for example a log, or a node's metrics."""
        answer = await self.request(
            "GET", path, query=query, accept="text/plain, */*", limits=limits
        )
        return answer.body.decode(errors="replace")

    async def pod_log(
        self,
        namespace: str,
        pod: str,
        container: str = "",
        *,
        tail_lines: int = 200,
        seconds: float | None = None,
    ) -> str:
        """The last lines of a container's log.

        seconds: a time-out, if shorter than the client's own. Raises ServerError with the reason if
        the API server cannot connect to the kubelet.
        """
        query = {"tailLines": str(tail_lines), "limitBytes": str(_LONGEST_LOG)}
        if container:
            query["container"] = container
        # A kubelet may round limitBytes up, at most to twice as much.
        total = self._limits.total if seconds is None else min(seconds, self._limits.total)
        limits = replace(self._limits, body=2 * _LONGEST_LOG, total=total)
        return await self.text(PODS.path(namespace, pod, "log"), query, limits)

    async def self_subject_access_review(self, attributes: ResourceAttributes) -> ReviewStatus:
        """Checks whether our user has this permission. The audit log records the review as a `create`."""
        body = {"spec": {"resourceAttributes": attributes.body()}}
        return (await self.create(SELF_REVIEWS, body)).status

    async def version(self) -> Version:
        """The API server's version, which most servers return without authentication."""
        return await self.read(Version, "GET", "/version")
