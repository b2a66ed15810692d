"""Discovery: which groups, versions and resources there are, group by group.

Shapes: metav1 APIVersions, APIGroupList, APIGroup, APIResourceList. There is no aggregated form of it: kubectl then asks
for each version.
"""

from collections.abc import Iterable
from typing import Any

from kubevouch_lab.apiserver.kinds import KINDS, Kind, Subresource
from kubevouch_lab.objects import Object

SERVED = {(kind.group, kind.version) for kind in KINDS.values()}
GroupVersion = tuple[str, str]


def document(path: str, *, address: str, others: Iterable[GroupVersion] = ()) -> Object | None:
    """What a GET of /api, /apis, /api/v1, /apis/<group> or /apis/<group>/<version> gives.

    None for every other path, for groups that there are not, and for versions that another server serves (others).
    address: host and port of this server.
    """
    match path.strip("/").split("/"):
        case ["api"]:
            return _versions(address)
        case ["apis"]:
            groups = list(_groups(others).values())
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["api", version]:
            return _resources("", version)
        case ["apis", name]:
            group = _groups(others).get(name)
            return group and {"kind": "APIGroup", "apiVersion": "v1", **group}
        case ["apis", name, version]:
            return _resources(name, version)
    return None


def _versions(address: str) -> Object:
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def _groups(others: Iterable[GroupVersion]) -> dict[str, Object]:
    """Every group but the core one, by name."""
    found: dict[str, Any] = {}
    own = ((kind.group, kind.version) for kind in KINDS.values() if kind.group)
    for name, version in dict.fromkeys((*own, *others)):
        listed = {"groupVersion": f"{name}/{version}", "version": version}
        group = found.setdefault(name, {"name": name, "versions": [], "preferredVersion": listed})
        group["versions"].append(listed)
    return found


def _resources(group: str, version: str) -> Object | None:
    if (group, version) not in SERVED:
        return None
    listed = []
    for kind in KINDS.values():
        if (kind.group, kind.version) == (group, version):
            listed.append(_resource(kind))
            listed += [_subresource(kind, sub) for sub in kind.subresources]
    header = {"kind": "APIResourceList", "apiVersion": "v1"}
    if not group:
        header.pop("apiVersion")  # the legacy API leaves it out
    name = f"{group}/{version}" if group else version
    return {**header, "groupVersion": name, "resources": listed}


def _resource(kind: Kind) -> Object:
    made: Object = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        made["shortNames"] = list(kind.short_names)
    return made


def _subresource(kind: Kind, sub: Subresource) -> Object:
    foreign = {"group": sub.group, "version": sub.version} if sub.group else {}
    return {
        "name": f"{kind.plural}/{sub.name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        **foreign,
        "kind": sub.kind or kind.kind,
        "verbs": list(sub.verbs),
    }
