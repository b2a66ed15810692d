"""Derives the RBAC verb and resource of a request from its method and path (apiserver's requestinfo.go)."""

from typing import NamedTuple
from urllib.parse import unquote

from kubevouch.kube.resources import ResourceAttributes


def resource_path(path: str) -> ResourceAttributes | None:
    """Parses the resource in a path. Returns None for a non-resource path.

    Leaves the verb empty and the names URL-quoted. For `/api/v1/namespaces/a` and
    `/api/v1/namespaces/a/status`, name and namespace are both `a`, as in requestinfo.go.
    """
    steps = [step for step in path.split("/") if step]
    if steps[:1] == ["api"] and len(steps) > 2:
        group, version, *rest = "", *steps[1:]
    elif steps[:1] == ["apis"] and len(steps) > 3:
        group, version, *rest = steps[1:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in {"status", "finalize"}:
            rest = rest[2:]
    resource, name, subresource = [*rest, "", ""][:3]
    return ResourceAttributes(
        group=group,
        version=version,
        namespace=namespace,
        resource=resource,
        name=name,
        subresource=subresource,
    )


class ApiCall(NamedTuple):
    """A verb and a resource, as `kubectl auth can-i` takes them.

    resource: includes the group and the subresource, such as
    `certificatesigningrequests.certificates.k8s.io/approval`. For a non-resource URL, the path.
    """

    verb: str
    resource: str
    namespace: str = ""
    name: str = ""


_VERBS = {
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
    # Not an HTTP method: a GET with watch=true.
    "WATCH": "watch",
}


def api_call(method: str, path: str) -> ApiCall:
    """The verb and resource of a request. For a non-resource path, the verb is the HTTP method."""
    found = resource_path(path)
    if found is None:
        return ApiCall(method.lower(), path)
    group = f".{found.group}" if found.group else ""
    subresource = f"/{found.subresource}" if found.subresource else ""
    return ApiCall(
        _VERBS.get(method, "get" if found.name else "list"),
        f"{found.resource}{group}{subresource}",
        unquote(found.namespace) if found.resource != "namespaces" else "",
        unquote(found.name),
    )
