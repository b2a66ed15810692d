"""OpenAPI 3, as far as kubectl asks for it before it writes: which query parameters the patch of a kind takes.

cli-runtime's pkg/resource/query_param_verifier_v3.go. There are no schemas: `kubectl explain` finds none. Version 2,
with which kubectl validates a List itself, defines no kind, and kubectl passes over what is not defined there.
"""

from functools import cache

import msgspec

from kubevouch_lab.apiserver.accept import JSON
from kubevouch_lab.apiserver.kinds import KINDS, Kind
from kubevouch_lab.objects import Object

_ROOT = "/openapi/v3"
_V2 = "/openapi/v2"
_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_ONLY_SWAGGER = b"\n\x032.0"
"""A Document of gnostic's OpenAPIv2.proto that says no more than its field swagger, 2.0."""
_INFO = {"title": "Kubernetes", "version": "v1.36.3"}
_PARAMETERS = [
    {"in": "query", "name": name, "schema": {"type": "string", "uniqueItems": True}}
    for name in ("dryRun", "fieldManager", "fieldValidation")
]


@cache
def document(path: str) -> tuple[bytes, str] | None:
    """What a GET of /openapi/v2, /openapi/v3 or /openapi/v3/<group version> gives, and its media type; None for any other."""
    if path == _V2:
        return _ONLY_SWAGGER, _PROTOBUF
    places: dict[str, Object] = {}
    for kind in KINDS.values():
        places.setdefault(_place(kind), {}).update(_patch(kind))
    if path == _ROOT:
        listed = {place: {"serverRelativeURL": f"{_ROOT}/{place}"} for place in places}
        return msgspec.json.encode({"paths": listed}), JSON
    paths = places.get(path.removeprefix(f"{_ROOT}/"))
    if paths is None:
        return None
    empty: Object = {"schemas": {}}  # so that kubectl explain says what it misses
    whole = {"openapi": "3.0.0", "info": _INFO, "paths": paths, "components": empty}
    return msgspec.json.encode(whole), JSON


def _place(kind: Kind) -> str:
    return f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"


def _patch(kind: Kind) -> Object:
    named = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    patch = {"parameters": _PARAMETERS, "x-kubernetes-group-version-kind": named}
    return {f"/{_place(kind)}/{kind.plural}/{{name}}": {"patch": patch}}
