"""Roles, bindings and API services: pkg/registry/rbac, pkg/apis/rbac/validation, kube-aggregator's validation."""

from datetime import datetime

from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.registry.fields import (
    below,
    default,
    immutable,
    items,
    refused,
    required,
)
from kubevouch_lab.apiserver.registry.strategy import Strategy
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.apiserver.validation import Cause
from kubevouch_lab.objects import Object, name_of

_RBAC = "rbac.authorization.k8s.io"


class Roles(Strategy):
    """Roles and ClusterRoles."""

    creates_on_update = True

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """Rules are always there, if only as null."""
        return {"rules": None, **super().create(kind, info, new, now)}

    def causes(self, kind: Kind, old: Object | None, new: Object) -> list[Cause]:
        """Each rule has verbs, and resources or paths."""
        del kind, old
        causes: list[Cause] = []
        for index, rule in enumerate(items(new, "rules")):
            where = f"rules[{index}]"
            if not rule.get("verbs"):
                causes.append(required(f"{where}.verbs", "verbs must contain at least one value"))
            if rule.get("nonResourceURLs"):
                continue
            if not rule.get("apiGroups"):
                why = "resource rules must supply at least one api group"
                causes.append(required(f"{where}.apiGroups", why))
            if not rule.get("resources"):
                why = "resource rules must supply at least one resource"
                causes.append(required(f"{where}.resources", why))
        return causes


class Bindings(Strategy):
    """Who has a role. The role stays."""

    creates_on_update = True

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """API groups of role and subjects are filled in."""
        return _default_binding(super().create(kind, info, new, now))

    def main(self, kind: Kind, old: Object, new: Object) -> Object:
        """The same."""
        return super().main(kind, old, _default_binding(new))

    def causes(self, kind: Kind, old: Object | None, new: Object) -> list[Cause]:
        """There is a role, of a kind that can be bound, and it is the one it was."""
        role = new.get("roleRef") or {}
        causes: list[Cause] = []
        known = ("ClusterRole",) if kind.kind == "ClusterRoleBinding" else ("Role", "ClusterRole")
        if role.get("kind") not in known:
            listed = ", ".join(f'"{each}"' for each in known)
            text = f'Unsupported value: "{role.get("kind", "")}": supported values: {listed}'
            causes.append(("FieldValueNotSupported", "roleRef.kind", text))
        if not role.get("name"):
            causes.append(required("roleRef.name"))
        if old is not None:
            causes += immutable("roleRef", old.get("roleRef"), role, "cannot change roleRef")
        for index, subject in enumerate(items(new, "subjects")):
            if not subject.get("name"):
                causes.append(required(f"subjects[{index}].name"))
            if subject.get("kind") == "ServiceAccount" and not subject.get("namespace"):
                causes.append(required(f"subjects[{index}].namespace"))
        return causes


def _default_binding(new: Object) -> Object:
    default(below(new, "roleRef"), apiGroup=_RBAC)
    for subject in items(new, "subjects"):
        if subject.get("kind") in {"User", "Group"}:
            default(subject, apiGroup=_RBAC)
    return new


class ApiServices(Strategy):
    """Who serves a group and version."""

    unconditional_update = False

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """Whether it is available is found out later."""
        return {**_default_service(super().create(kind, info, new, now)), "status": {}}

    def main(self, kind: Kind, old: Object, new: Object) -> Object:
        """Defaults are no change."""
        return super().main(kind, old, _default_service(new))

    def causes(self, kind: Kind, old: Object | None, new: Object) -> list[Cause]:
        """Its name says what it serves; trust is either by CA or not at all."""
        del kind, old
        spec, name = new["spec"], name_of(new)
        wanted = f"{spec.get('version', '')}.{spec.get('group', '')}"
        causes: list[Cause] = []
        if name != wanted:
            why = f'must be `spec.version+"."+spec.group`: "{wanted}"'
            causes.append(refused("metadata.name", name, why))
        if spec.get("service") is not None:
            causes += [
                required(f"spec.service.{key}")
                for key in ("namespace", "name")
                if not spec["service"].get(key)
            ]
            if spec.get("caBundle") and spec.get("insecureSkipTLSVerify"):
                why = "may not be true if caBundle is present"
                causes.append(refused("spec.insecureSkipTLSVerify", True, why))  # noqa: FBT003 - JSON
        for key in ("groupPriorityMinimum", "versionPriority"):
            if not 0 < spec.get(key, 0) <= 20000:
                why = (
                    "must be positive and less than 20000"
                    if key[0] == "g"
                    else "must be positive and less than 1000"
                )
                causes.append(refused(f"spec.{key}", spec.get(key, 0), why))
        return causes


def _default_service(new: Object) -> Object:
    service = below(new, "spec").get("service")
    if service is not None:
        default(service, port=443)
    return new
