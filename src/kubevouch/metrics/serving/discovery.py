"""Discovery (/apis and below), for kubectl and for the API server's aggregator.

In both forms: the classic lists, and the aggregated one that the aggregator prefers and reads about once a minute
(kube-aggregator's pkg/apiserver/handler_discovery.go).
"""

import hashlib
from typing import Any, Final

import msgspec

from kubevouch.metrics.serving.objects import API_VERSION, GROUP, VERSION
from kubevouch.serve.messages import HttpRequest, HttpResponse, json_response
from kubevouch.serve.negotiation import accepted
from kubevouch.serve.statuses import (
    no_such_method,
    no_such_path,
    no_such_resource,
    not_acceptable,
)

_RESOURCES: Final = (("nodes", "NodeMetrics", False), ("pods", "PodMetrics", True))
_VERBS: Final = ("get", "list")
_AGGREGATED: Final = {
    f"APIGroupDiscoveryList.{version}.apidiscovery.k8s.io": version for version in ("v2", "v2beta1")
}
_GROUP_VERSION: Final = {"groupVersion": API_VERSION, "version": VERSION}
_GROUP: Final[dict[str, Any]] = {
    "name": GROUP,
    "versions": [_GROUP_VERSION],
    "preferredVersion": _GROUP_VERSION,
}
_DOCUMENTS: Final[dict[str, dict[str, Any]]] = {
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_GROUP]},
    f"/apis/{GROUP}": {"kind": "APIGroup", "apiVersion": "v1", **_GROUP},
    f"/apis/{API_VERSION}": {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": API_VERSION,
        "resources": [
            {
                "name": name,
                "singularName": "",
                "namespaced": namespaced,
                "kind": kind,
                "verbs": list(_VERBS),
            }
            for name, kind, namespaced in _RESOURCES
        ],
    },
}


async def apis(request: HttpRequest) -> HttpResponse:
    """The response for /apis, /apis/metrics.k8s.io or /apis/metrics.k8s.io/v1beta1; 404 for paths below them."""
    path = request.path.rstrip("/")
    document = _DOCUMENTS.get(path)
    if document is None:
        # Go has two routers: only below the group does the API's own one answer what does not exist.
        return no_such_resource() if path.startswith(f"/apis/{GROUP}/") else no_such_path()
    if request.method != "GET":
        return no_such_method()
    form = accepted(request, tuple(_AGGREGATED) if path == "/apis" else ())
    if form is None:
        return not_acceptable(("application/json",))
    if form.converts_to:
        return _aggregated(request, _AGGREGATED[form.converts_to])
    return json_response(document)


def _aggregated(request: HttpRequest, version: str) -> HttpResponse:
    body = msgspec.json.encode({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": GROUP, "creationTimestamp": None},
                "versions": [
                    {
                        "version": VERSION,
                        "resources": [_discovered(*each) for each in _RESOURCES],
                        "freshness": "Current",
                    }
                ],
            }
        ],
    })  # fmt: skip
    tag = f'"{hashlib.sha512(body).hexdigest().upper()}"'
    headers = {"ETag": tag, "Vary": "Accept"}
    if request.header("if-none-match") == tag:
        return HttpResponse(304, b"", headers=headers)
    said = f"g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
    return HttpResponse(200, body + b"\n", f"application/json;{said}", headers)


def _discovered(name: str, kind: str, namespaced: bool) -> dict[str, Any]:  # noqa: FBT001
    return {
        "resource": name,
        "responseKind": {"group": GROUP, "version": VERSION, "kind": kind},
        "scope": "Namespaced" if namespaced else "Cluster",
        "singularResource": "",
        "verbs": list(_VERBS),
    }
