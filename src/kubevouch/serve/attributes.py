"""What a request asks for, in RBAC's words (apiserver's pkg/endpoints/request/requestinfo.go)."""

import re
from dataclasses import dataclass
from typing import Final

from kubevouch.serve.messages import Request

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
    """resource: "" for a path that is none; then verb is the method in lower case, and `path` is what is asked for."""

    verb: str
    path: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    def cannot(self, user: str) -> str:
        """The authorizer's text for a no (responsewriters/errors.go, forbiddenMessage)."""
        if not self.resource:
            return f'User "{user}" cannot {self.verb} path "{self.path}"'
        whole = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        place = f'in the namespace "{self.namespace}"' if self.namespace else "at the cluster scope"
        return (
            f'User "{user}" cannot {self.verb} resource "{whole}" '
            f'in API group "{self.group}" {place}'
        )


def attributes_of(request: Request) -> Attributes:
    """Of any path; what it means, if anything, is not asked here."""
    steps = [step for step in request.path.split("/") if step]
    group, rest = "", steps[1:]
    if steps[:1] == ["apis"] and len(steps) > 3:
        group, rest = steps[1], steps[2:]
    elif steps[:1] != ["api"] or len(steps) < 3:
        return Attributes(request.method.lower(), request.path)
    version, rest = rest[0], rest[1:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in {"status", "finalize"}:
            rest = rest[2:]
    resource, name, subresource = [*rest, "", ""][:3]
    verb = _VERBS.get(request.method, "")
    if not name and verb in {"get", "delete"}:
        verb, name = _collective(request, verb)
    return Attributes(verb, request.path, group, version, resource, subresource, namespace, name)


def _collective(request: Request, verb: str) -> tuple[str, str]:
    """A list, watch or deletecollection, and the name that its field selector comes down to."""
    found = _NAMED.fullmatch(request.asked("fieldSelector"))
    if verb == "delete":
        verb = "deletecollection"
    else:
        verb = "watch" if is_true(request, "watch") else "list"
    return verb, found[1] if found else ""


def is_true(request: Request, name: str) -> bool:
    """A parameter that is a bool, as runtime.Convert_Slice_string_To_bool reads it: there, and neither false nor 0."""
    values = request.query.get(name, ())
    return bool(values) and values[0].lower() not in {"false", "0"}
