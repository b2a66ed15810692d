"""Nobody grants by RBAC what they do not hold: writes of roles and bindings.

Sources: pkg/registry/rbac/{clusterrole,role,clusterrolebinding,rolebinding}/policybased/storage.go,
ConfirmNoEscalation in pkg/registry/rbac/validation/rule.go, and policy_comparator.go beside it.
"""

from collections.abc import Iterator
from itertools import product

from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.kinds import CLUSTER_ROLES, ROLES
from kubevouch_lab.apiserver.request import Authorizer, RequestInfo
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.identity.authorization import MASTERS
from kubevouch_lab.identity.rbac import Rule, grants, url_matches
from kubevouch_lab.objects import Object

GROUP = "rbac.authorization.k8s.io"
_ROLES = {"clusterroles", "roles"}
_BINDINGS = {"clusterrolebindings", "rolebindings"}


class Escalation:
    """`escalation(info, old, new)`: the role or binding as it is, or a 403 that lists what is not held."""

    def __init__(self, store: Store, authorize: Authorizer) -> None:
        self._store = store
        self._authorize = authorize

    def __call__(self, info: RequestInfo, old: Object | None, new: Object | None) -> Object | None:
        """Roles and bindings only; everything else passes, and so does system:masters."""
        if info.group != GROUP or new is None or MASTERS in info.user.groups:
            return new
        if info.resource in _ROLES:
            same = old is not None and (old.get("rules") or []) == (new.get("rules") or [])
            if not same and not self._may("escalate", info, info.resource, _name(new)):
                self._check(info, new, new.get("rules") or [])
        elif info.resource in _BINDINGS:
            same = old is not None and _grants(old) == _grants(new)
            if not same and not self._may_bind(info, new):
                self._check(info, new, self._bound(info, new))
        return new

    def _may(self, verb: str, info: RequestInfo, resource: str, name: str) -> bool:
        space = info.namespace if resource == "roles" else ""
        asked = RequestInfo(verb, "", info.user, GROUP, "*", resource, "", space, name)
        return self._authorize(asked)[0]

    def _may_bind(self, info: RequestInfo, binding: Object) -> bool:
        reference = binding.get("roleRef") or {}
        resource = "roles" if reference.get("kind") == "Role" else "clusterroles"
        name = reference.get("name", "")
        asked = RequestInfo("bind", "", info.user, GROUP, "*", resource, "", info.namespace, name)
        return self._authorize(asked)[0]

    def _bound(self, info: RequestInfo, binding: Object) -> list[Rule]:
        """The rules of the role that is bound; 404 if it is not there."""
        reference = binding.get("roleRef") or {}
        name = reference.get("name", "")
        role = (
            self._store.get(ROLES, name, info.namespace)
            if reference.get("kind") == "Role"
            else self._store.get(CLUSTER_ROLES, name)
        )
        rules: list[Rule] = role.get("rules") or []
        return rules

    def _check(self, info: RequestInfo, new: Object, rules: list[Rule]) -> None:
        held = [
            each.rule
            for each in grants(self._store, info.user, info.namespace)
            if each.rule is not None
        ]
        missing = [
            part
            for rule in rules
            for part in _parts(rule)
            if not any(_covers(h, part) for h in held)
        ]
        if not missing:
            return
        groups = " ".join(f'"{group}"' for group in info.user.groups)
        why = (
            f'user "{info.user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n'
            + "\n".join(sorted(map(str, missing)))
        )
        raise status.forbidden(info.group, info.resource, _name(new), why)


def _parts(rule: Rule) -> Iterator[Rule]:
    """A rule as rules of one verb, group, resource and name each; an empty list of names is all names."""
    for verb in rule.get("verbs") or []:
        for url in rule.get("nonResourceURLs") or []:
            yield {"verbs": [verb], "nonResourceURLs": [url]}
        names: list[list[str]] = [[name] for name in rule.get("resourceNames") or []] or [[]]
        lists = rule.get("apiGroups") or [], rule.get("resources") or [], names
        for group, resource, name in product(*lists):
            part: Rule = {"verbs": [verb], "apiGroups": [group], "resources": [resource]}
            yield part | ({"resourceNames": name} if name else {})


def _covers(held: Rule, part: Rule) -> bool:
    verbs = held.get("verbs") or []
    if part["verbs"][0] not in verbs and "*" not in verbs:
        return False
    if "nonResourceURLs" in part:
        wanted = part["nonResourceURLs"][0]
        return any(url_matches(url, wanted) for url in held.get("nonResourceURLs") or [])
    names = held.get("resourceNames") or []
    return (
        _has(held.get("apiGroups"), part["apiGroups"][0])
        and _has_resource(held.get("resources"), part["resources"][0])
        and (not names or (bool(part.get("resourceNames")) and part["resourceNames"][0] in names))
    )


def _has(listed: list[str] | None, wanted: str) -> bool:
    return listed is not None and ("*" in listed or wanted in listed)


def _has_resource(listed: list[str] | None, wanted: str) -> bool:
    below = wanted.partition("/")[2]
    return _has(listed, wanted) or bool(below and listed and f"*/{below}" in listed)


def _grants(binding: Object) -> tuple[object, object]:
    return binding.get("roleRef"), binding.get("subjects") or []


def _name(thing: Object) -> str:
    return str(thing["metadata"].get("name", ""))
