"""/openapi/v2 and /openapi/v3: the aggregator merges them into the API server's own, and kubectl explain reads them.

They describe the kinds of this group only. Metadata is a plain object, so that no definition here can clash with one
of the API server's.
"""

import hashlib
from typing import Any, Final

import msgspec

from kubevouch import __version__
from kubevouch.metrics.serving.objects import API_VERSION, GROUP, VERSION
from kubevouch.serve.messages import HttpRequest, HttpResponse, json_response
from kubevouch.serve.negotiation import accepted, not_accepted
from kubevouch.serve.statuses import no_such_method, no_such_path

Schema = dict[str, Any]

_PREFIX: Final = "io.k8s.metrics.pkg.apis.metrics.v1beta1"
_TITLE: Final = {"title": "Kubernetes metrics-server", "version": f"v{__version__}"}
_TEXT: Final = {"type": "string"}
_USAGE: Final = {
    "type": "object",
    "description": "The memory usage is the memory working set.",
    "additionalProperties": {"type": "string", "description": "A quantity."},
}
_MEASURED: Final[Schema] = {
    "apiVersion": _TEXT,
    "kind": _TEXT,
    "metadata": {"type": "object"},
    "timestamp": {
        "type": "string",
        "format": "date-time",
        "description": "The end of the window that usage was measured in.",
    },
    "window": {"type": "string", "description": "The length of that window, such as 15.02s."},
}


async def openapi(request: HttpRequest) -> HttpResponse:
    """The response for /openapi/v2, /openapi/v3 and the one document that v3 lists."""
    if request.method != "GET":
        return no_such_method()
    if accepted(request, ()) is None:
        return not_accepted(request)
    document = f"/openapi/v3/apis/{API_VERSION}"
    match request.path:
        case "/openapi/v2":
            return _tagged(request, _V2)
        case "/openapi/v3":
            url = f"{document}?hash={_hash(_V3)}"
            return json_response({"paths": {f"apis/{API_VERSION}": {"serverRelativeURL": url}}})
        case path if path == document:
            return _tagged(request, _V3)
    return no_such_path()


def _tagged(request: HttpRequest, document: Schema) -> HttpResponse:
    tag = f'"{_hash(document)}"'
    headers = {"ETag": tag, "Vary": "Accept"}
    if request.header("if-none-match") == tag:
        return HttpResponse(304, b"", headers=headers)
    answer = json_response(document)
    return HttpResponse(200, answer.body, answer.content_type, headers)


def _hash(document: Schema) -> str:
    return hashlib.sha512(msgspec.json.encode(document)).hexdigest().upper()


def _definitions(place: str) -> Schema:
    """The definition of each kind, by its full name. place: the prefix of references."""

    def kind(name: str, properties: Schema, required: list[str], description: str) -> Schema:
        group = {"group": GROUP, "kind": name, "version": VERSION}
        return {
            "type": "object",
            "description": description,
            "required": required,
            "properties": properties,
            "x-kubernetes-group-version-kind": [group],
        }

    def items(name: str) -> Schema:
        of = {"type": "array", "items": {"$ref": f"{place}/{_PREFIX}.{name}"}}
        return {"apiVersion": _TEXT, "kind": _TEXT, "metadata": {"type": "object"}, "items": of}

    measured = ["timestamp", "window"]
    containers = {"type": "array", "items": {"$ref": f"{place}/{_PREFIX}.ContainerMetrics"}}
    found = {
        "ContainerMetrics": {
            "type": "object",
            "description": "The usage of one container.",
            "required": ["name", "usage"],
            "properties": {"name": _TEXT, "usage": _USAGE},
        },
        "NodeMetrics": kind(
            "NodeMetrics",
            {**_MEASURED, "usage": _USAGE},
            [*measured, "usage"],
            "The usage of a node.",
        ),
        "PodMetrics": kind(
            "PodMetrics",
            {**_MEASURED, "containers": containers},
            [*measured, "containers"],
            "The usage of a pod.",
        ),
        "NodeMetricsList": kind(
            "NodeMetricsList", items("NodeMetrics"), ["items"], "A list of NodeMetrics."
        ),
        "PodMetricsList": kind(
            "PodMetricsList", items("PodMetrics"), ["items"], "A list of PodMetrics."
        ),
    }
    return {f"{_PREFIX}.{name}": schema for name, schema in found.items()}


_PATHS: Final = {
    f"/apis/{API_VERSION}/nodes": ("listMetricsV1beta1NodeMetrics", "NodeMetricsList", ()),
    f"/apis/{API_VERSION}/nodes/{{name}}": (
        "readMetricsV1beta1NodeMetrics",
        "NodeMetrics",
        ("name",),
    ),
    f"/apis/{API_VERSION}/pods": (
        "listMetricsV1beta1PodMetricsForAllNamespaces",
        "PodMetricsList",
        (),
    ),
    f"/apis/{API_VERSION}/namespaces/{{namespace}}/pods": (
        "listMetricsV1beta1NamespacedPodMetrics",
        "PodMetricsList",
        ("namespace",),
    ),
    f"/apis/{API_VERSION}/namespaces/{{namespace}}/pods/{{name}}": (
        "readMetricsV1beta1NamespacedPodMetrics",
        "PodMetrics",
        ("namespace", "name"),
    ),
}


def _operation(name: str, kind: str) -> Schema:
    """The fields of an operation in both versions. kubectl explain finds a resource's kind by the last field."""
    return {
        "operationId": name,
        "tags": ["metrics_v1beta1"],
        "x-kubernetes-action": "get" if name.startswith("read") else "list",
        "x-kubernetes-group-version-kind": {
            "group": GROUP,
            "kind": kind.removesuffix("List"),
            "version": VERSION,
        },
    }


def _v2() -> Schema:
    paths = {
        path: {
            "get": {
                **_operation(operation, kind),
                "produces": ["application/json"],
                "schemes": ["https"],
                "parameters": [
                    {"name": name, "in": "path", "required": True, "type": "string"}
                    for name in names
                ],
                "responses": {
                    "200": {
                        "description": "OK",
                        "schema": {"$ref": f"#/definitions/{_PREFIX}.{kind}"},
                    }
                },
            }
        }
        for path, (operation, kind, names) in _PATHS.items()
    }
    definitions = _definitions("#/definitions")
    return {"swagger": "2.0", "info": _TITLE, "paths": paths, "definitions": definitions}


def _v3() -> Schema:
    place = "#/components/schemas"
    paths = {
        path: {
            "get": {
                **_operation(operation, kind),
                "parameters": [
                    {"name": name, "in": "path", "required": True, "schema": _TEXT}
                    for name in names
                ],
                "responses": {
                    "200": {
                        "description": "OK",
                        "content": {
                            "application/json": {"schema": {"$ref": f"{place}/{_PREFIX}.{kind}"}}
                        },
                    }
                },
            }
        }
        for path, (operation, kind, names) in _PATHS.items()
    }
    schemas = {"schemas": _definitions(place)}
    return {"openapi": "3.0.0", "info": _TITLE, "paths": paths, "components": schemas}


_V2: Final = _v2()
_V3: Final = _v3()
