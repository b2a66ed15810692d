"""What a request asks for and who asks: the values and plug points that the rest of the lab stands on.

The path is read as apiserver's pkg/endpoints/request/requestinfo.go reads it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kubevouch_lab.apiserver.kinds import KINDS, Kind
from kubevouch_lab.objects import Object

Query = Mapping[str, str]

ANONYMOUS_NAME = "system:anonymous"
AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"


@dataclass(frozen=True)
class UserInfo:
    """Who asks: authentication.k8s.io/v1 UserInfo."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    def shown(self, key: str = "username") -> Object:
        """As it stands in objects; what is empty is left out. key: what the name is called there."""
        found = {
            key: self.name,
            "uid": self.uid,
            "groups": list(self.groups),
            "extra": {key: list(values) for key, values in self.extra.items()},
        }
        return {key: value for key, value in found.items() if value}


def read_user(said: Object, key: str = "username") -> UserInfo:
    """Who an object names."""
    extra = {name: tuple(values) for name, values in sorted((said.get("extra") or {}).items())}
    return UserInfo(
        said.get(key) or "", said.get("uid") or "", tuple(said.get("groups") or ()), extra
    )


ANONYMOUS = UserInfo(ANONYMOUS_NAME, groups=(UNAUTHENTICATED,))
# client-go's loopback client of the API server, and the identity of what runs inside it.
LOOPBACK = UserInfo("system:apiserver", groups=("system:masters", AUTHENTICATED))


@dataclass(frozen=True)
class Presented:
    """What a client showed of itself.

    headers: of the request, names in any case. certificate: DER of the leaf that TLS has verified against the
    client CA, its dates not looked at (the clock of the lab is not the machine's); None without one.
    remote: address of the peer.
    """

    headers: Mapping[str, str]
    certificate: bytes | None = None
    remote: str = ""


@dataclass(frozen=True)
class RequestInfo:
    """What is asked, in RBAC's words. resource is empty for a path such as /version; `path` is always there.

    resource does not hold the subresource; `attribute` does (`pods/log`). kind is None for what the table lacks
    (an aggregated API).
    """

    verb: str
    path: str
    user: UserInfo
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    rest: str = ""
    dry_run: bool = False
    manager: str = ""
    """The fieldManager that the client names, else the program in its User-Agent; empty inside the lab."""

    applied: Object | None = field(default=None, hash=False)
    """The configuration that a server-side apply sends."""

    @property
    def is_resource(self) -> bool:
        """False for /version, /healthz, /openapi and discovery itself."""
        return bool(self.resource)

    @property
    def attribute(self) -> str:
        """`pods`, or `pods/log`: as a rule of RBAC names it."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource

    @property
    def kind(self) -> Kind | None:
        """The row of the table that it is about."""
        return KINDS.get((self.group, self.version, self.resource))


Authenticator = Callable[[Presented], UserInfo | None]
"""Who it is. None, or a StatusError: 401. A request that shows nothing is ANONYMOUS, not None."""

Authorizer = Callable[[RequestInfo], tuple[bool, str]]
"""Whether the user may, and why: the reason goes into the text of the 403 (empty: none)."""

Admission = Callable[[RequestInfo, Object | None, Object | None], Object | None]
"""Called before a write is kept, with the old and the new object; gives the object to keep, or raises a StatusError.

old is None on create, new is None on delete; both may be looked at, neither may be changed in place.
"""


_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "GET": "get", "HEAD": "get"}
# Below these, `namespaces/X/status` is a subresource of the namespace itself.
_OF_THE_NAMESPACE = ("status",)


def asked(method: str, path: str, query: Query, user: UserInfo) -> RequestInfo:
    """Reads method, path and query."""
    steps = [step for step in path.split("/") if step]
    plain = RequestInfo(method.lower() if method != "HEAD" else "head", path, user)
    if len(steps) >= 3 and steps[0] == "api":
        group, version, rest = "", steps[1], steps[2:]
    elif len(steps) >= 4 and steps[0] == "apis":
        group, version, rest = steps[1], steps[2], steps[3:]
    else:
        return plain
    verb = _VERBS.get(method, method.lower())
    namespace, rest = _namespace(rest)
    resource, name, subresource, *tail = [*rest, "", ""] if len(rest) < 3 else rest
    if method == "DELETE":
        verb = "delete" if name else "deletecollection"
    elif verb == "get" and not name and _true(query.get("watch")):
        verb = "watch"
    elif verb == "get" and not name:
        verb = "list"
    many = not name and verb in {"list", "watch", "deletecollection"}
    selected = _selected_name(query.get("fieldSelector", "")) if many else ""
    if resource == "namespaces" and name:
        namespace = name
    return RequestInfo(
        verb,
        path,
        user,
        group,
        version,
        resource,
        subresource,
        namespace,
        name or selected,
        "/".join(tail),
        dry_run=query.get("dryRun") == "All",
    )


def _namespace(rest: list[str]) -> tuple[str, list[str]]:
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in _OF_THE_NAMESPACE:
        return rest[1], rest[2:]
    return "", rest


def _selected_name(selector: str) -> str:
    """A list or watch of one object by field selector is authorized as one of that name."""
    for term in selector.split(","):
        key, sign, value = term.partition("=")
        if key == "metadata.name" and sign:
            return value.removeprefix("=")
    return ""


def _true(text: str | None) -> bool:
    return text is not None and text.lower() not in {"0", "false", "f"}
