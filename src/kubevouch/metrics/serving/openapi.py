"""/openapi/v2 and /openapi/v3: the aggregator merges them into the API server's own, and kubectl explain reads them."""

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from kubevouch import __version__
from kubevouch.metrics.serving.objects import API_VERSION, GROUP, VERSION
from kubevouch.metrics.serving.schemas import Schema, Schemas
from kubevouch.serve.messages import HttpRequest, HttpResponse
from kubevouch.serve.negotiation import accepted, not_accepted
from kubevouch.serve.statuses import no_such_path

_JSON: Final = "application/json"
_TITLE: Final = {"title": "Kubernetes metrics-server", "version": f"v{__version__}"}
_OWN: Final = f"apis/{API_VERSION}"

# What a list may be asked for, by apiserver; most of it has no effect here (list_options.py).
_OPTIONS: Final = {
    **dict.fromkeys(("allowWatchBookmarks", "sendInitialEvents", "watch"), "boolean"),
    **dict.fromkeys(("limit", "timeoutSeconds"), "integer"),
    **dict.fromkeys(
        ("continue", "fieldSelector", "labelSelector", "pretty", "resourceVersion", "resourceVersionMatch", "shardSelector"),
        "string",
    ),
}  # fmt: skip
_Paths = dict[str, tuple[str, str, tuple[str, ...], str]]
# path: operation, kind of the answer, what stands in the path, tag
_DISCOVERY: Final[dict[str, _Paths]] = {
    "apis": {"/apis/": ("getAPIVersions", "APIGroupList", (), "apis")},
    f"apis/{GROUP}": {f"/apis/{GROUP}/": ("getMetricsAPIGroup", "APIGroup", (), "metrics")},
    "version": {"/version/": ("getCodeVersion", "Info", (), "version")},
}
_TAG: Final = "metrics_v1beta1"
_RESOURCES: Final[_Paths] = {
    f"/{_OWN}/": ("getMetricsV1beta1APIResources", "APIResourceList", (), _TAG),
    f"/{_OWN}/namespaces/{{namespace}}/pods": (
        *("listMetricsV1beta1NamespacedPodMetrics", "PodMetricsList"),
        *(("namespace",), _TAG),
    ),
    f"/{_OWN}/namespaces/{{namespace}}/pods/{{name}}": (
        *("readMetricsV1beta1NamespacedPodMetrics", "PodMetrics"),
        *(("name", "namespace"), _TAG),
    ),
    f"/{_OWN}/nodes": ("listMetricsV1beta1NodeMetrics", "NodeMetricsList", (), _TAG),
    f"/{_OWN}/nodes/{{name}}": ("readMetricsV1beta1NodeMetrics", "NodeMetrics", ("name",), _TAG),
    f"/{_OWN}/pods": (
        *("listMetricsV1beta1PodMetricsForAllNamespaces", "PodMetricsList"),
        *((), _TAG),
    ),
}


async def openapi(request: HttpRequest) -> HttpResponse:
    """The response for /openapi/v2, /openapi/v3 and the documents that v3 lists."""
    if accepted(request, ()) is None:
        return not_accepted(request)
    match request.path.partition("/openapi/")[2]:
        case "v2":
            return _tagged(request, _V2)
        case "v3" | "v3/":
            return _tagged(request, _INDEX)
        case path if path.startswith("v3/"):
            # apiserver's answer for a document that is not there is an empty one.
            found = _V3.get(path.removeprefix("v3/"))
            return HttpResponse(200, b"", "") if found is None else _tagged(request, found)
    return no_such_path()


def _tagged(request: HttpRequest, document: Schema) -> HttpResponse:
    body = msgspec.json.encode(document)
    tag = f'"{_hash(document)}"'
    headers = {"ETag": tag, "Vary": "Accept"}
    if request.header("if-none-match") == tag:
        return HttpResponse(304, b"", headers=headers)
    return HttpResponse(200, body, _JSON, headers)


def _hash(document: Schema) -> str:
    return hashlib.sha512(msgspec.json.encode(document)).hexdigest().upper()


def _operation(path: str, operation: str, kind: str, tag: str) -> Schema:
    """The fields of an operation in both versions. kubectl explain finds a resource's kind by the last one."""
    found: Schema = {"tags": [tag], "operationId": operation}
    if path.rpartition("/")[2]:
        found["x-kubernetes-action"] = "get" if operation.startswith("read") else "list"
        own = {"group": GROUP, "kind": kind.removesuffix("List"), "version": VERSION}
        found["x-kubernetes-group-version-kind"] = own
    return found


def _parameters(path: str, operation: str, names: Iterable[str], *, third: bool) -> Schema:
    """The parameters of a path, if there are any: those in it, and those of its query."""
    said = [(name, "string", "path") for name in names]
    if path.rpartition("/")[2]:
        asked = ("pretty",) if operation.startswith("read") else sorted(_OPTIONS)
        said += [(name, _OPTIONS[name], "query") for name in asked]
    found = []
    for name, kind, place in said:
        schema: Schema = {"type": kind, "uniqueItems": True}
        own = {"name": name, "in": place, **({"required": True} if place == "path" else {})}
        found.append({**own, "schema": schema} if third else {**own, **schema})
    return {"parameters": found} if found else {}


def _v2(paths: _Paths) -> Schema:
    schemas = Schemas("#/definitions", third=False)
    return {
        "swagger": "2.0",
        "info": _TITLE,
        "paths": {
            path: {
                "get": {
                    **_operation(path, operation, kind, tag),
                    "produces": [_JSON],
                    "schemes": ["https"],
                    "responses": {"200": {"description": "OK", "schema": schemas.reference(kind)}},
                },
                **_parameters(path, operation, names, third=False),
            }
            for path, (operation, kind, names, tag) in paths.items()
        },
        "definitions": schemas.of(*(kind for _, kind, _, _ in paths.values())),
    }


def _v3(paths: _Paths) -> Schema:
    schemas = Schemas("#/components/schemas", third=True)

    def answer(kind: str) -> Schema:
        content = {_JSON: {"schema": schemas.reference(kind)}}
        return {"200": {"description": "OK", "content": content}}

    return {
        "openapi": "3.0.0",
        "info": _TITLE,
        "paths": {
            path: {
                "get": {**_operation(path, operation, kind, tag), "responses": answer(kind)},
                **_parameters(path, operation, names, third=True),
            }
            for path, (operation, kind, names, tag) in paths.items()
        },
        "components": {"schemas": schemas.of(*(kind for _, kind, _, _ in paths.values()))},
    }


_ALL: Final[dict[str, _Paths]] = {**_DISCOVERY, _OWN: _RESOURCES}
_V2: Final = _v2({path: said for paths in _ALL.values() for path, said in paths.items()})
_V3: Final = {name: _v3(paths) for name, paths in _ALL.items()}
_INDEX: Final[Schema] = {
    "paths": {
        name: {"serverRelativeURL": f"/openapi/v3/{name}?hash={_hash(document)}"}
        for name, document in sorted(_V3.items())
    }
}
