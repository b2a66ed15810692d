"""Verb, resource and name of a request, in RBAC's words (apiserver's pkg/endpoints/request/requestinfo.go)."""

import re
from dataclasses import dataclass
from typing import Final

from kubevouch.kube.api_call import resource_path
from kubevouch.serve.messages import HttpRequest
from kubevouch.serve.statuses import sanitized

_VERBS: Final = {
    "POST": "create",
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_NAMED: Final = re.compile(r"metadata\.name==?([^,!=\\]+)")


@dataclass(frozen=True, slots=True)
class Attributes:
    """What the authorizer is asked about. On a path that is not a resource's, `resource` is "".

    Then `verb` is the HTTP method in lower case.
    """

    verb: str
    path: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    def denial_text(self, user: str) -> str:
        """The text of a denial for this user (responsewriters/errors.go, forbiddenMessage)."""
        if not self.resource:
            return sanitized(f'User "{user}" cannot {self.verb} path "{self.path}"')
        whole = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        place = f'in the namespace "{self.namespace}"' if self.namespace else "at the cluster scope"
        return sanitized(
            f'User "{user}" cannot {self.verb} resource "{whole}" '
            f'in API group "{self.group}" {place}'
        )


def attributes_of(request: HttpRequest) -> Attributes:
    """The attributes of a request for any path. Whether anything is served there is not checked."""
    found = resource_path(request.path)
    if found is None:
        return Attributes(request.method.lower(), request.path)
    verb, name = _VERBS.get(request.method, ""), found.name
    if not name and verb in {"get", "delete"}:
        verb, name = _collective(request, verb)
    return Attributes(
        verb,
        request.path,
        group=found.group,
        version=found.version,
        resource=found.resource,
        subresource=found.subresource,
        namespace=found.namespace,
        name=name,
    )


def _collective(request: HttpRequest, verb: str) -> tuple[str, str]:
    """The verb of a request for many objects (list, watch, deletecollection), and the name in its field selector."""
    found = _NAMED.fullmatch(request.query_value("fieldSelector"))
    if verb == "delete":
        verb = "deletecollection"
    else:
        verb = "watch" if is_true(request, "watch") else "list"
    return verb, found[1] if found else ""


def is_true(request: HttpRequest, name: str) -> bool:
    """A boolean query parameter as runtime.Convert_Slice_string_To_bool reads it: true unless missing, false or 0."""
    values = request.query.get(name, ())
    return bool(values) and values[0].lower() not in {"false", "0"}
