"""Discovery (/apis and below), for kubectl and for the API server's aggregator.

These are the unaggregated lists, with the same fields as metrics-server's. The aggregator first
requests a single document (APIGroupDiscoveryList). It falls back to these lists if the response has
another type (kube-aggregator's pkg/apiserver/handler_discovery.go).
"""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

from kubevouch import __version__
from kubevouch.kube.resources import METRICS_GROUP, METRICS_VERSIONS
from kubevouch.serve.messages import HttpRequest, HttpResponse, json_response
from kubevouch.serve.negotiation import accepted, not_accepted
from kubevouch.serve.statuses import (
    no_such_method,
    no_such_path,
    no_such_resource,
)

_RESOURCES: Final = (("nodes", "NodeMetrics", False), ("pods", "PodMetrics", True))
_VERSIONS: Final = [
    {"groupVersion": f"{METRICS_GROUP}/{each}", "version": each} for each in METRICS_VERSIONS
]
_GROUP: Final[dict[str, Any]] = {
    "name": METRICS_GROUP,
    "versions": _VERSIONS,
    "preferredVersion": _VERSIONS[0],
}
_DOCUMENTS: Final[dict[str, dict[str, Any]]] = {
    # Without apiVersion, like apiserver's.
    "/apis": {"kind": "APIGroupList", "groups": [_GROUP]},
    f"/apis/{METRICS_GROUP}": {"kind": "APIGroup", "apiVersion": "v1", **_GROUP},
    **{
        f"/apis/{each['groupVersion']}": {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": each["groupVersion"],
            "resources": [
                {
                    "name": name,
                    "singularName": "",
                    "namespaced": namespaced,
                    "kind": kind,
                    "verbs": ["get", "list"],
                }
                for name, kind, namespaced in _RESOURCES
            ],
        }
        for each in _VERSIONS
    },
}


class Discovery:
    """Serves /apis, /apis/metrics.k8s.io and each version of the group.

    address: this server's address, for serverAddressByClientCIDRs in the response for /apis.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """The response to a request."""
        path = request.path.removesuffix("/")
        document = _DOCUMENTS.get(path)
        if document is None:
            # Go has two routers: the API's own one answers unknown paths only below the group.
            return (
                no_such_resource() if path.startswith(f"/apis/{METRICS_GROUP}/") else no_such_path()
            )
        if request.method != "GET":
            return no_such_method()
        if accepted(request, ()) is None:
            return not_accepted()
        return json_response(self._with_address() if path == "/apis" else document)

    def _with_address(self) -> dict[str, Any]:
        """The list of groups, with this server's address. The document of a single group has no address."""
        here = [{"clientCIDR": "0.0.0.0/0", "serverAddress": self._address}]
        return {**_DOCUMENTS["/apis"], "groups": [{**_GROUP, "serverAddressByClientCIDRs": here}]}


_INFO: Final = {"info": {"title": "Kubernetes metrics-server", "version": f"v{__version__}"}}


async def openapi(request: HttpRequest) -> HttpResponse:
    """The response for /openapi/v2, /openapi/v3 and the documents that v3 lists."""
    if accepted(request, ()) is None:
        return not_accepted()
    name = request.path.partition("/openapi/")[2].removesuffix("/")
    body = _bodies().get(name)
    if body is None:
        # apiserver's answer for a missing v3 document is an empty one.
        return HttpResponse(200, b"", "") if name.startswith("v3/") else no_such_path()
    tag = f'"{_hash(body)}"'
    headers = {"ETag": tag, "Vary": "Accept"}
    if request.header("if-none-match") == tag:
        return HttpResponse(304, b"", headers=headers)
    return HttpResponse(200, body, "application/json", headers)


@cache
def _bodies() -> dict[str, bytes]:
    """The response bodies, by path below /openapi/."""
    written = files(__package__).joinpath("openapi.json").read_text(encoding="utf-8")
    documents: dict[str, Any] = {"v2": {}}
    for version in METRICS_VERSIONS:
        # The file is v1beta1's; the versions differ only by name.
        text = written.replace("v1beta1", version).replace("V1beta1", version.capitalize())
        read = msgspec.json.decode(text)
        documents |= {f"v3/{name}": each for name, each in read["v3"].items()}
        for part, content in read["v2"].items():
            merged = isinstance(content, dict)
            documents["v2"][part] = documents["v2"].get(part, {}) | content if merged else content
    found = {name: msgspec.json.encode({**each, **_INFO}) for name, each in documents.items()}
    paths = {
        name.removeprefix("v3/"): {"serverRelativeURL": f"/openapi/{name}?hash={_hash(body)}"}
        for name, body in sorted(found.items())
        if name != "v2"
    }
    return {**found, "v3": msgspec.json.encode({"paths": paths})}


def _hash(body: bytes) -> str:
    return hashlib.sha512(body).hexdigest().upper()
