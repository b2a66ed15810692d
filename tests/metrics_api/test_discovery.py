"""What kubectl and the API server's aggregator look for."""

import json
from typing import Any

from kubevouch.metrics.serving.discovery import Discovery
from kubevouch.metrics.serving.openapi import openapi
from kubevouch.metrics.serving.path_index import PathIndex
from kubevouch.serve.messages import HttpRequest, HttpResponse

# As kube-aggregator sends it (pkg/apiserver/handler_discovery.go, 1.36).
AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)


INDEX = PathIndex(["/livez"])
apis = Discovery(lambda: ":10250", INDEX.missing).answer


def request(path: str, accept: str = "", **headers: str) -> HttpRequest:
    named = {"accept": (accept,)} if accept else {}
    return HttpRequest("GET", path, {}, {**named, **{k: (v,) for k, v in headers.items()}})


def body(answer: HttpResponse) -> Any:
    assert answer.code == 200
    return json.loads(answer.body)


async def test_the_lists_of_old() -> None:
    found = body(await apis(request("/apis")))
    assert found["kind"] == "APIGroupList"
    [group] = found["groups"]
    assert group["preferredVersion"] == {
        "groupVersion": "metrics.k8s.io/v1beta1",
        "version": "v1beta1",
    }
    here = [{"clientCIDR": "0.0.0.0/0", "serverAddress": ":10250"}]
    assert group["serverAddressByClientCIDRs"] == here
    assert body(await apis(request("/apis/metrics.k8s.io")))["name"] == "metrics.k8s.io"
    # The minimum that metrics-server serves (pkg/api/install.go).
    assert body(await apis(request("/apis/metrics.k8s.io/v1beta1/", AGGREGATED))) == {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "metrics.k8s.io/v1beta1",
        "resources": [
            {
                "name": "nodes",
                "singularName": "",
                "namespaced": False,
                "kind": "NodeMetrics",
                "verbs": ["get", "list"],
            },
            {
                "name": "pods",
                "singularName": "",
                "namespaced": True,
                "kind": "PodMetrics",
                "verbs": ["get", "list"],
            },
        ],
    }
    missing = await apis(request("/apis/other"))
    assert missing.code == 404
    assert "/apis/metrics.k8s.io/v1beta1" in json.loads(missing.body)["paths"]
    missing = await apis(request("/apis/metrics.k8s.io/v1"))
    assert json.loads(missing.body)["message"] == (
        "the server could not find the requested resource"
    )


async def test_the_aggregated_form_and_its_tag() -> None:
    answer = await apis(request("/apis", AGGREGATED))
    form = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    assert answer.content_type == form
    found = body(answer)
    assert (found["kind"], found["apiVersion"]) == (
        "APIGroupDiscoveryList",
        "apidiscovery.k8s.io/v2",
    )
    [version] = found["items"][0]["versions"]
    assert (version["version"], version["freshness"]) == ("v1beta1", "Current")
    scopes = {each["resource"]: each["scope"] for each in version["resources"]}
    assert scopes == {"nodes": "Cluster", "pods": "Namespaced"}
    tag = answer.headers["ETag"]
    again = await apis(request("/apis", AGGREGATED, **{"if-none-match": tag}))
    assert (again.code, again.body) == (304, b"")
    older = AGGREGATED.partition(",")[2]
    assert body(await apis(request("/apis", older)))["kind"] == "APIGroupList"
    refused = await apis(request("/apis", older.partition(",")[0]))
    assert refused.code == 406
    text = "only the following media types are accepted: application/json"
    assert json.loads(refused.body)["message"] == text


async def test_open_api_names_every_kind_and_leads_nowhere_else() -> None:
    index = body(await openapi(request("/openapi/v3")))
    url = index["paths"]["apis/metrics.k8s.io/v1beta1"]["serverRelativeURL"]
    path, _, tag = url.partition("?hash=")
    answer = await openapi(request(path))
    assert answer.headers["ETag"] == f'"{tag}"'
    third = body(answer)
    second = body(await openapi(request("/openapi/v2")))
    assert (second["swagger"], third["openapi"]) == ("2.0", "3.0.0")
    for document, schemas, place in (
        (second, second["definitions"], "#/definitions/"),
        (third, third["components"]["schemas"], "#/components/schemas/"),
    ):
        kinds = {
            group["kind"]
            for schema in schemas.values()
            for group in schema.get("x-kubernetes-group-version-kind", ())
        }
        assert kinds == {"NodeMetrics", "PodMetrics", "NodeMetricsList", "PodMetricsList"}
        for reference in _references(document):
            assert reference.removeprefix(place) in schemas
    assert (await openapi(request("/openapi/v3/other"))).code == 404
    protobuf = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
    assert (await openapi(request("/openapi/v2", protobuf))).code == 406


def _references(thing: Any) -> list[str]:
    if isinstance(thing, dict):
        own = [thing["$ref"]] if "$ref" in thing else []
        return own + [found for inner in thing.values() for found in _references(inner)]
    if isinstance(thing, list):
        return [found for inner in thing for found in _references(inner)]
    return []
