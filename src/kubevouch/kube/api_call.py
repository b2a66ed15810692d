"""What a request asks for, in RBAC's words, read from its method and path (apiserver's requestinfo.go)."""

from typing import NamedTuple
from urllib.parse import unquote


class ApiCall(NamedTuple):
    """A verb and a resource, as `kubectl auth can-i` takes them.

    resource: with group and subresource, `certificatesigningrequests.certificates.k8s.io/approval`; the path for
    what is no resource.
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
    # Not HTTP's: a GET with watch=true.
    "WATCH": "watch",
}


def api_call(method: str, path: str) -> ApiCall:
    """Never fails: an unknown path is a non-resource URL with its method as the verb."""
    steps = path.strip("/").split("/")
    group, rest = "", []
    if len(steps) > 2 and steps[0] == "api":
        rest = steps[2:]
    elif len(steps) > 3 and steps[0] == "apis":
        group, rest = steps[1], steps[3:]
    if not rest:
        return ApiCall(method.lower(), path)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = unquote(rest[1]), rest[2:]
    plural, name, subresource = [*rest, "", ""][:3]
    resource = plural + (f".{group}" if group else "") + (f"/{subresource}" if subresource else "")
    verb = _VERBS.get(method, "get" if name else "list")
    return ApiCall(verb, resource, namespace, unquote(name))
