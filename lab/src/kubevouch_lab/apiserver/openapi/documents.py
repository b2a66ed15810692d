"""The OpenAPI documents as they go out.

/openapi/v2 is one document, in protobuf for kubectl; /openapi/v3 names one document a group version. Both have an
ETag (kube-openapi's pkg/handler and pkg/handler3).
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cache

from kubevouch_lab.apiserver.kinds import KINDS, Kind
from kubevouch_lab.apiserver.openapi import gnostic
from kubevouch_lab.apiserver.openapi.definitions import V2, V3, definitions
from kubevouch_lab.apiserver.openapi.paths import paths
from kubevouch_lab.objects import Object

JSON = "application/json"
# The older name is what kubectl sends, and is no legal media type.
_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_PROTOBUF_NAMES = (_PROTOBUF, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
_INFO = {"title": "Kubernetes", "version": "v1.36.3"}


@dataclass(frozen=True)
class Served:
    """A document: its bytes, their media type, the quoted ETag."""

    body: bytes
    media_type: str
    etag: str


def document(path: str, accept: str) -> Served | None:
    """What a GET of /openapi/v2, /openapi/v3 or /openapi/v3/<group version> gives; None for every other path.

    accept: the header. Version 3 is served as JSON only: every client that asks for protobuf takes JSON too.
    """
    path = path.rstrip("/")
    if path == "/openapi/v2":
        wanted = [choice.partition(";")[0].strip() for choice in accept.split(",")]
        first = next((one for one in wanted if one in {*_PROTOBUF_NAMES, JSON, "*/*"}), JSON)
        return _v2(protobuf=first in _PROTOBUF_NAMES)
    if path == "/openapi/v3":
        return _root()
    return _v3(path.removeprefix("/openapi/v3/")) if path.startswith("/openapi/v3/") else None


@cache
def version_2() -> Object:
    """The whole of OpenAPI 2."""
    found: Object = {}
    for kind in KINDS.values():
        found.update(paths(kind, V2))
    return {
        "swagger": "2.0",
        "info": _INFO,
        "paths": found,
        "definitions": definitions(KINDS.values(), V2),
    }


@cache
def version_3(group_version: str) -> Object | None:
    """OpenAPI 3 of `api/v1` or `apis/<group>/<version>`; None for what there is not."""
    kinds = [kind for kind in KINDS.values() if _place(kind) == group_version]
    if not kinds:
        return None
    found: Object = {}
    for kind in kinds:
        found.update(paths(kind, V3))
    schemas = definitions(kinds, V3)
    schemas["io.k8s.apimachinery.pkg.apis.meta.v1.Patch"] = {"type": "object"}
    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": found,
        "components": {"schemas": schemas},
    }


@cache
def _v2(*, protobuf: bool) -> Served:
    whole = version_2()
    body = gnostic.encoded(whole) if protobuf else _json(whole)
    return Served(body, _PROTOBUF if protobuf else JSON, _etag(body))


@cache
def _root() -> Served:
    places = sorted({_place(kind) for kind in KINDS.values()})
    listed = {}
    for place in places:
        served = _v3(place)
        tag = served.etag.strip('"') if served else ""
        listed[place] = {"serverRelativeURL": f"/openapi/v3/{place}?hash={tag}"}
    body = _json({"paths": listed})
    return Served(body, JSON, _etag(body))


@cache
def _v3(group_version: str) -> Served | None:
    whole = version_3(group_version)
    if whole is None:
        return None
    body = _json(whole)
    return Served(body, JSON, _etag(body))


def _place(kind: Kind) -> str:
    return f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"


def _json(document: Object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha512(body).hexdigest().upper()}"'
