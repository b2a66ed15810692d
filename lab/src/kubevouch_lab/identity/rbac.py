"""RBAC, evaluated from the stored roles and bindings.

Sources: pkg/registry/rbac/validation/rule.go, pkg/apis/rbac/v1/evaluation_helpers.go and
plugin/pkg/auth/authorizer/rbac/rbac.go in Kubernetes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from kubevouch_lab.apiserver.kinds import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
)
from kubevouch_lab.apiserver.request import RequestInfo, UserInfo
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.objects import Object, name_of

Rule = dict[str, list[str]]
_GROUP = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class Grant:
    """One rule that applies to a user, and the text of why; rule is None for a role that is not there (`why` says it)."""

    rule: Rule | None
    why: str


def decide(store: Store, info: RequestInfo) -> tuple[bool, str]:
    """Whether some rule allows it. The reason names the binding, or the roles that a binding names in vain."""
    missing: list[str] = []
    for grant in grants(store, info.user, info.namespace):
        if grant.rule is None:
            missing.append(grant.why)
        elif allows(grant.rule, info):
            return True, f"RBAC: allowed by {grant.why}"
    missing = list(dict.fromkeys(missing))
    if not missing:
        return False, ""
    return False, "RBAC: " + (missing[0] if len(missing) == 1 else f"[{', '.join(missing)}]")


def grants(store: Store, user: UserInfo, namespace: str) -> Iterator[Grant]:
    """Every rule that a user has in a namespace ("": in all): those of cluster-wide bindings first."""
    for binding in store.list(CLUSTER_ROLE_BINDINGS):
        if subject := _subject(binding, user, ""):
            yield from _granted(store, binding, subject, "")
    if namespace:
        for binding in store.list(ROLE_BINDINGS, namespace):
            if subject := _subject(binding, user, namespace):
                yield from _granted(store, binding, subject, namespace)


def allows(rule: Rule, info: RequestInfo) -> bool:
    """Whether this rule covers the request."""
    if not _among(info.verb, rule.get("verbs")):
        return False
    if not info.is_resource:
        return any(url_matches(url, info.path) for url in rule.get("nonResourceURLs") or [])
    names = rule.get("resourceNames") or []
    return (
        _among(info.group, rule.get("apiGroups"))
        and _resource_matches(rule.get("resources") or [], info)
        and (not names or info.name in names)
    )


def _granted(store: Store, binding: Object, subject: Object, namespace: str) -> Iterator[Grant]:
    reference = binding["roleRef"]
    kind, name = reference["kind"], reference["name"]
    role = (
        store.find(CLUSTER_ROLES, name)
        if kind == "ClusterRole"
        else store.find(ROLES, name, namespace)
    )
    if role is None:
        yield Grant(None, f'{kind.lower()}.{_GROUP} "{name}" not found')
        return
    own = name_of(binding)
    what = f'RoleBinding "{own}/{namespace}"' if namespace else f'ClusterRoleBinding "{own}"'
    why = f'{what} of {kind} "{name}" to {_described(subject, namespace)}'
    for rule in role.get("rules") or []:
        yield Grant(rule, why)


def _subject(binding: Object, user: UserInfo, namespace: str) -> Object | None:
    """The first subject of the binding that is this user."""
    return next(
        (each for each in binding.get("subjects") or [] if _is(each, user, namespace)), None
    )


def _is(subject: Object, user: UserInfo, namespace: str) -> bool:
    kind, name = subject.get("kind"), subject.get("name", "")
    if kind == "User":
        return bool(user.name == name)
    if kind == "Group":
        return name in user.groups
    space = subject.get("namespace") or namespace
    return bool(
        kind == "ServiceAccount" and space and user.name == f"system:serviceaccount:{space}:{name}"
    )


def _described(subject: Object, namespace: str) -> str:
    kind, name = subject["kind"], subject["name"]
    if kind == "ServiceAccount":
        return f'{kind} "{name}/{subject.get("namespace") or namespace}"'
    return f'{kind} "{name}"'


def _among(wanted: str, listed: list[str] | None) -> bool:
    return listed is not None and ("*" in listed or wanted in listed)


def _resource_matches(resources: list[str], info: RequestInfo) -> bool:
    return (
        "*" in resources
        or info.attribute in resources
        or bool(info.subresource and f"*/{info.subresource}" in resources)
    )


def url_matches(url: str, path: str) -> bool:
    """Whether a rule's nonResourceURL covers a path: all, exactly, or up to a star at its end."""
    return url in {"*", path} or (url.endswith("*") and path.startswith(url.rstrip("*")))
