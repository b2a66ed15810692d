"""Discovery: which groups, versions and resources there are, group by group and all at once (aggregated).

Shapes: metav1 APIVersions, APIGroupList, APIGroup, APIResourceList; apidiscovery.k8s.io v2 and v2beta1
APIGroupDiscoveryList. Order: by the priorities of APIServices, kubernetes' pkg/controlplane/apiserver/aggregator.go
and kube-aggregator's pkg/apiserver (handler_apis.go, handler_discovery.go).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from kubevouch_lab.apiserver.kinds import KINDS
from kubevouch_lab.apiserver.resource_lists import resources
from kubevouch_lab.objects import Object

AggregatedVersion = Literal["v2", "v2beta1"]

_REGISTRATION = "apiregistration.k8s.io"
# group: groupPriorityMinimum and versionPriority of its APIServices
_PRIORITIES: Mapping[str, tuple[int, int]] = {
    "": (18000, 1),
    _REGISTRATION: (20000, 0),
    "apps": (17800, 15),
    "events.k8s.io": (17750, 15),
    "authentication.k8s.io": (17700, 15),
    "authorization.k8s.io": (17600, 15),
    "autoscaling": (17500, 30),
    "batch": (17400, 15),
    "certificates.k8s.io": (17300, 15),
    "networking.k8s.io": (17200, 15),
    "policy": (17100, 15),
    "rbac.authorization.k8s.io": (17000, 15),
    "admissionregistration.k8s.io": (16700, 15),
    "apiextensions.k8s.io": (16700, 15),
    "scheduling.k8s.io": (16600, 40),
    "coordination.k8s.io": (16500, 15),
    "discovery.k8s.io": (16200, 15),
}


@dataclass(frozen=True)
class GroupVersion:
    """A version of a group with its place among others.

    priority: groupPriorityMinimum and versionPriority of its APIService. resources: as aggregated discovery lists
    them (APIResourceDiscovery). fresh: False where the server behind it did not answer when last asked; resources
    are then what it said before, or nothing.
    """

    group: str
    version: str
    priority: tuple[int, int]
    resources: tuple[Mapping[str, Any], ...] = ()
    fresh: bool = True


@cache
def own() -> tuple[GroupVersion, ...]:
    """What the table of kinds serves."""
    found = sorted({(kind.group, kind.version) for kind in KINDS.values()})
    return tuple(
        GroupVersion(group, version, priority_of(group), _discovered(group, version))
        for group, version in found
    )


def priority_of(group: str) -> tuple[int, int]:
    """What APIServices of a group say: groupPriorityMinimum, versionPriority; low ones for a group not known here."""
    return _PRIORITIES.get(group, (1000, 15))


def remote(
    service: Mapping[str, Any], answer: Mapping[str, Any] | None, *, fresh: bool
) -> GroupVersion:
    """The group version of an APIService that has a service.

    answer: what its server gave for `/apis` (APIGroupDiscoveryList, either version) or for
    `/apis/<group>/<version>` (APIResourceList), now or earlier; None if it never answered. fresh: whether it
    answered when last asked.
    """
    spec = service["spec"]
    group, version = spec.get("group", ""), spec["version"]
    priority = (spec.get("groupPriorityMinimum", 0), spec.get("versionPriority", 0))
    resources = _answered(answer, group, version) if isinstance(answer, Mapping) else ()
    return GroupVersion(group, version, priority, resources, fresh)


@dataclass(frozen=True)
class Document:
    """A discovery document as it goes out. etag is empty for the plain ones, which have none."""

    body: Object
    media_type: str = "application/json"
    etag: str = ""


def document(
    path: str, accept: str, *, address: str, others: Iterable[GroupVersion] = ()
) -> Document | None:
    """What a GET of /api, /apis, /api/v1, /apis/<group> or /apis/<group>/<version> gives.

    None for every other path, for groups that there are not, and for versions that another server serves.
    accept: the header. address: host and port of this server.
    """
    steps = path.strip("/").split("/")
    if steps in (["api"], ["apis"]):
        core = steps == ["api"]
        if (form := wants_aggregated(accept)) is not None:
            body = aggregated(form, core=core, others=others)
            return Document(body, content_type(form), etag(body))
        return Document(versions(address) if core else groups(others))
    found = None
    if steps[0] == "api" and len(steps) == 2:
        found = resources("", steps[1])
    elif steps[0] == "apis" and len(steps) == 2:
        found = group(steps[1], others)
    elif steps[0] == "apis" and len(steps) == 3:
        found = resources(steps[1], steps[2])
    return None if found is None else Document(found)


def versions(address: str) -> Object:
    """`/api`. address: host and port of this server."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def groups(others: Iterable[GroupVersion] = ()) -> Object:
    """`/apis`: every group but the core one, apiregistration.k8s.io first."""
    listed = [_group(name, members) for name, members in _sorted(others) if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def group(name: str, others: Iterable[GroupVersion] = ()) -> Object | None:
    """`/apis/<group>`, None for a group that there is not."""
    for listed, members in _sorted(others):
        if name and listed == name:
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, members)}
    return None


def aggregated(
    version: AggregatedVersion, *, core: bool, others: Iterable[GroupVersion] = ()
) -> Object:
    """APIGroupDiscoveryList: of `/api` (core) or of `/apis`."""
    items = [
        {
            "metadata": {**({"name": name} if name else {}), "creationTimestamp": None},
            "versions": [_version(one) for one in members],
        }
        for name, members in _sorted(others)
        if bool(name) != core
    ]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def content_type(version: AggregatedVersion) -> str:
    """The media type of an aggregated document."""
    return f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"


def wants_aggregated(accept: str) -> AggregatedVersion | None:
    """The aggregated form that an Accept header asks for before a plain one, None for a plain one."""
    for choice in accept.split(","):
        media, *parameters = (part.strip() for part in choice.split(";"))
        if media not in {"application/json", "*/*", "application/*"}:
            continue
        given = dict(part.partition("=")[::2] for part in parameters)
        if "as" not in given:
            return None
        if given["as"] == "APIGroupDiscoveryList" and given.get("g") == "apidiscovery.k8s.io":
            known: dict[str | None, AggregatedVersion] = {"v2": "v2", "v2beta1": "v2beta1"}
            if given.get("v") in known:
                return known[given.get("v")]
    return None


def etag(document: Mapping[str, Any]) -> str:
    """The quoted ETag of an aggregated document; If-None-Match with the same gets a 304."""
    text = json.dumps(document, separators=(",", ":"), sort_keys=True)
    return f'"{hashlib.sha512(text.encode()).hexdigest().upper()}"'


def _sorted(others: Iterable[GroupVersion]) -> list[tuple[str, list[GroupVersion]]]:
    by_group: dict[str, list[GroupVersion]] = {}
    for one in (*own(), *others):
        by_group.setdefault(one.group, []).append(one)
    for members in by_group.values():
        members.sort(key=lambda one: (-one.priority[1], one.version))
    return sorted(
        by_group.items(), key=lambda item: (-max(one.priority[0] for one in item[1]), item[0])
    )


def _group(name: str, members: list[GroupVersion]) -> Object:
    listed = [{"groupVersion": f"{name}/{one.version}", "version": one.version} for one in members]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _version(one: GroupVersion) -> Object:
    freshness = "Current" if one.fresh else "Stale"
    listed = {"resources": list(one.resources)} if one.resources else {}
    return {"version": one.version, **listed, "freshness": freshness}


def _discovered(group: str, version: str) -> tuple[Object, ...]:
    plain = resources(group, version)
    return _converted(plain["resources"], group, version) if plain else ()


def _converted(listed: Iterable[Any], group: str, version: str) -> tuple[Object, ...]:
    """An APIResourceList's resources in the aggregated form (apiserver's pkg/endpoints/installer.go)."""
    made: dict[str, Object] = {}
    for one in sorted((one for one in listed if isinstance(one, Mapping)), key=_depth):
        kind = {
            "group": one.get("group") or group,
            "version": one.get("version") or version,
            "kind": one.get("kind", ""),
        }
        verbs = list(one.get("verbs") or [])
        name, _, sub = str(one.get("name", "")).partition("/")
        parent = made.setdefault(
            name,
            {
                "resource": name,
                "responseKind": kind,
                "scope": "Namespaced" if one.get("namespaced") else "Cluster",
                "singularResource": one.get("singularName", ""),
                "verbs": [] if sub else verbs,
                **{key: one[key] for key in ("shortNames", "categories") if one.get(key)},
            },
        )
        if sub:
            below = {"subresource": sub, "responseKind": kind, "verbs": verbs}
            parent.setdefault("subresources", []).append(below)
    return tuple(made.values())


def _depth(resource: Mapping[str, Any]) -> int:
    return str(resource.get("name", "")).count("/")


def _answered(answer: Mapping[str, Any], group: str, version: str) -> tuple[Object, ...]:
    """Only what is shaped like discovery is taken from another server's answer."""
    if answer.get("kind") == "APIResourceList":
        listed = answer.get("resources")
        return _converted(listed if isinstance(listed, list) else (), group, version)
    items = answer.get("items")
    for item in items if isinstance(items, list) else ():
        metadata = item.get("metadata") if isinstance(item, Mapping) else None
        if not isinstance(metadata, Mapping) or metadata.get("name") != group:
            continue
        for one in item.get("versions") or ():
            if isinstance(one, Mapping) and one.get("version") == version:
                found = one.get("resources")
                return tuple(found) if isinstance(found, list) else ()
    return ()
