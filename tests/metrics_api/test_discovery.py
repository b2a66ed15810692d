"""What kubectl and the API server's aggregator look for."""

import json
import re
from typing import Any

import pytest

from kubevouch.metrics.serving.discovery import Discovery, openapi
from kubevouch.serve.messages import HttpRequest, HttpResponse
from tests.metrics_api.comparison import RECORDED

# As kube-aggregator sends it (pkg/apiserver/handler_discovery.go, 1.36).
AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)


apis = Discovery(":10250").answer


def request(path: str, accept: str = "", **headers: str) -> HttpRequest:
    named = {"accept": (accept,)} if accept else {}
    return HttpRequest("GET", path, {}, {**named, **{k: (v,) for k, v in headers.items()}})


def body(answer: HttpResponse) -> Any:
    assert answer.code == 200
    return json.loads(answer.body)


async def test_who_asks_for_all_at_once_gets_the_groups_or_is_told_so() -> None:
    """Then the aggregator asks for the group's version, as it does of servers that do not know this form."""
    assert body(await apis(request("/apis", AGGREGATED)))["kind"] == "APIGroupList"
    refused = await apis(request("/apis", AGGREGATED.partition(",")[0]))
    assert refused.code == 406


async def test_open_api_leads_nowhere_else() -> None:
    index = body(await openapi(request("/openapi/v3")))
    for name, said in index["paths"].items():
        path, _, tag = said["serverRelativeURL"].partition("?hash=")
        assert path == f"/openapi/v3/{name}"
        answer = await openapi(request(path))
        assert answer.headers["ETag"] == f'"{tag}"'
        again = await openapi(request(path, **{"if-none-match": f'"{tag}"'}))
        assert (again.code, again.body) == (304, b"")
        third = body(answer)
        assert third["openapi"] == "3.0.0"
        schemas = third["components"]["schemas"]
        for reference in _references(third):
            assert reference.removeprefix("#/components/schemas/") in schemas
    second = body(await openapi(request("/openapi/v2")))
    assert second["swagger"] == "2.0"
    for reference in _references(second):
        assert reference.removeprefix("#/definitions/") in second["definitions"]
    protobuf = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
    assert (await openapi(request("/openapi/v2", protobuf))).code == 406


DOCUMENTS = {
    "/openapi/v2": "openapi: the second, JSON",
    "/openapi/v3/apis/metrics.k8s.io/v1beta1": "openapi: the group's version",
    "/openapi/v3/apis": "openapi: the groups, too",
}


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_open_api_is_metrics_servers_but_for_its_texts_and_other_forms(path: str) -> None:
    lines = map(json.loads, RECORDED.read_text(encoding="utf-8").splitlines())
    [theirs] = [each["body"] for each in lines if each["request"] == DOCUMENTS[path]]
    ours = _without_v1(body(await openapi(request(path))))
    assert _without_texts(ours, ours) == _without_texts(theirs, theirs)


async def test_open_api_of_v1_is_that_of_v1beta1() -> None:
    second = body(await openapi(request("/openapi/v2")))
    assert _without_v1(second) != second
    texts = [
        json.dumps(body(await openapi(request(f"/openapi/v3/apis/metrics.k8s.io/{version}"))))
        for version in ("v1", "v1beta1")
    ]
    assert "beta" not in texts[0]
    assert re.sub("([vV]1)beta1", r"\1", texts[1]) == texts[0]


def _without_v1(document: Any) -> Any:
    """Without what metrics-server does not have yet."""
    return {
        part: {key: value for key, value in content.items() if not re.search(_OF_V1, key)}
        if part in ("paths", "definitions")
        else content
        for part, content in document.items()
    }


_OF_V1 = r"metrics\.k8s\.io/v1/|\.metrics\.v1\."


def _text(thing: Any) -> str:
    return json.dumps(thing, sort_keys=True)


def _without_texts(thing: Any, whole: Any) -> Any:
    """An OpenAPI document, or a part of it, without what people read and without other forms than JSON."""
    if isinstance(thing, list):
        plain = [_without_texts(each, whole) for each in thing]
        return sorted(plain, key=_text) if plain and isinstance(plain[0], dict) else plain
    if not isinstance(thing, dict):
        return thing
    if thing.get("$ref", "").startswith("#/parameters/"):
        thing = whole["parameters"][thing["$ref"].removeprefix("#/parameters/")]
    if len(thing.get("allOf", ())) == 1:
        # One of the two ways to say more about a reference.
        thing = {**thing, **thing["allOf"][0]}
    left_out = {"info", "consumes", "produces", "allOf", "parameters"} - (
        {"parameters"} if isinstance(thing.get("parameters"), list) else set()
    )
    return {
        key: _without_texts(value, whole)
        for key, value in thing.items()
        if key not in left_out
        and not (key == "description" and isinstance(value, str))
        and not (key.startswith("application/") and key != "application/json")
    }


def _references(thing: Any) -> list[str]:
    if isinstance(thing, dict):
        own = [thing["$ref"]] if "$ref" in thing else []
        return own + [found for inner in thing.values() for found in _references(inner)]
    if isinstance(thing, list):
        return [found for inner in thing for found in _references(inner)]
    return []
