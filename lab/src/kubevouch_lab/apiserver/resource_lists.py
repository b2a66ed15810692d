"""Discovery of one version of a group: the resources of the table of kinds (metav1 APIResourceList)."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from kubevouch_lab.apiserver.kinds import KINDS, Kind, Subresource
from kubevouch_lab.objects import Object


def resources(group: str, version: str) -> Object | None:
    """`/api/v1` and `/apis/<group>/<version>` of what is served here, None for what is not."""
    kinds = _kinds(group, version)
    if not kinds:
        return None
    listed = []
    for kind in kinds:
        listed.append(_resource(kind))
        listed += [_subresource(kind, sub) for sub in kind.subresources]
    header = {"kind": "APIResourceList", "apiVersion": "v1"}
    if not group:
        header.pop("apiVersion")  # the legacy API leaves it out
    name = f"{group}/{version}" if group else version
    return {**header, "groupVersion": name, "resources": sorted(listed, key=_name)}


def _kinds(group: str, version: str) -> list[Kind]:
    return [kind for kind in KINDS.values() if (kind.group, kind.version) == (group, version)]


def _name(resource: Mapping[str, Any]) -> str:
    return str(resource["name"])


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
    if kind.stored:
        made["storageVersionHash"] = _storage_version(kind)
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


def _storage_version(kind: Kind) -> str:
    """As apiserver's pkg/endpoints/discovery/storageversionhash.go makes it."""
    group, version, _ = kind.stored_as or (kind.group, kind.version, "")
    digest = hashlib.sha256(f"{group}/{version}/{kind.kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()
