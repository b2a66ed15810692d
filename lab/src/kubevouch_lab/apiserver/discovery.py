"""Discovery: which groups, versions and resources there are, group by group and all at once (aggregated).

Shapes: metav1 APIVersions, APIGroupList, APIGroup, APIResourceList; apidiscovery.k8s.io/v2 APIGroupDiscoveryList.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kubevouch_lab.apiserver.accept import JSON
from kubevouch_lab.apiserver.kinds import KINDS, Kind, Subresource
from kubevouch_lab.objects import Object

SERVED = {(kind.group, kind.version) for kind in KINDS.values()}
AGGREGATED = f"{JSON};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@dataclass(frozen=True)
class OtherVersion:
    """A group and version that another server serves. resources: of its APIResourceList; None while it does not answer."""

    group: str
    version: str
    resources: tuple[Any, ...] | None = None


def document(
    path: str, accept: str, *, address: str, others: Iterable[OtherVersion] = ()
) -> tuple[Object, str] | None:
    """What a GET of /api, /apis, /api/v1, /apis/<group> or /apis/<group>/<version> gives, and its media type.

    None for every other path, for groups that there are not, and for versions that another server serves.
    accept: the header. address: host and port of this server.
    """
    first = accept.replace(" ", "").partition(",")[0]
    if path in {"/api", "/apis"} and first == AGGREGATED:
        return _aggregated(others, core=path == "/api"), AGGREGATED
    found = _plain(path, address, others)
    return None if found is None else (found, JSON)


def _plain(path: str, address: str, others: Iterable[OtherVersion]) -> Object | None:
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


def _groups(others: Iterable[OtherVersion]) -> dict[str, Object]:
    """Every group but the core one, by name."""
    found: dict[str, Any] = {}
    own = ((kind.group, kind.version) for kind in KINDS.values() if kind.group)
    foreign = ((other.group, other.version) for other in others)
    for name, version in dict.fromkeys((*own, *foreign)):
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
    if kind.categories:
        made["categories"] = list(kind.categories)
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


def _aggregated(others: Iterable[OtherVersion], *, core: bool) -> Object:
    versions = [
        OtherVersion(group, version, tuple((_resources(group, version) or {})["resources"]))
        for group, version in dict.fromkeys((kind.group, kind.version) for kind in KINDS.values())
    ]
    items: dict[str, Object] = {}
    for each in (*versions, *others):
        if bool(each.group) == core:
            continue
        metadata = {"name": each.group, "creationTimestamp": None}
        item = items.setdefault(each.group, {"metadata": metadata, "versions": []})
        freshness = "Stale" if each.resources is None else "Current"
        listed = _converted(each.resources or (), each.group, each.version)
        version = {"version": each.version, "resources": listed, "freshness": freshness}
        item["versions"].append(version)
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": list(items.values()),
    }


def _converted(listed: Iterable[Any], group: str, version: str) -> list[Object]:
    """An APIResourceList's resources in the aggregated form (apiserver's pkg/endpoints/installer.go).

    Another server's are taken as far as they are shaped like that.
    """
    made: dict[str, Object] = {}
    for one in listed:
        if not isinstance(one, Mapping):
            continue
        kind = {
            "group": one.get("group") or group,
            "version": one.get("version") or version,
            "kind": one.get("kind", ""),
        }
        verbs = one.get("verbs") or []
        name, _, sub = str(one.get("name", "")).partition("/")
        if not sub:
            made[name] = {
                "resource": name,
                "responseKind": kind,
                "scope": "Namespaced" if one.get("namespaced") else "Cluster",
                "singularResource": one.get("singularName", ""),
                "verbs": verbs,
                "shortNames": one.get("shortNames") or [],
                "categories": one.get("categories") or [],
            }
        elif name in made:
            below = {"subresource": sub, "responseKind": kind, "verbs": verbs}
            made[name].setdefault("subresources", []).append(below)
    return list(made.values())
