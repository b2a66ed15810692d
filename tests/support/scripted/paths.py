"""What a request asks for, read from its method and path as the API server does (apiserver's requestinfo.go)."""

from dataclasses import dataclass

from tests.support.scripted.kinds import KINDS, Kind


@dataclass(frozen=True)
class Asked:
    """A request for a resource: `verb` in RBAC's words; empty strings where there is none."""

    kind: Kind
    verb: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def resource(self) -> str:
        """`pods`, or `pods/log`, as RBAC writes it."""
        return f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural


_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


def asked(method: str, path: str) -> Asked | None:
    """What is asked for, or None for a path that holds no resource known here."""
    steps = [step for step in path.split("/") if step]
    if len(steps) > 2 and steps[0] == "api":
        group, version, rest = "", steps[1], steps[2:]
    elif len(steps) > 3 and steps[0] == "apis":
        group, version, rest = steps[1], steps[2], steps[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    kind = KINDS.get((group, version, rest[0]))
    if kind is None or (namespace and not kind.namespaced) or len(rest) > 3:
        return None
    name, subresource = [*rest[1:], "", ""][:2]
    return Asked(kind, _verb(method, name), namespace, name, subresource)


def _verb(method: str, name: str) -> str:
    if method in {"GET", "HEAD"}:
        return "get" if name else "list"
    if method == "DELETE":
        return "delete" if name else "deletecollection"
    return _VERBS.get(method, method.lower())
