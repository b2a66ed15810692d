"""Which kinds of objects an API server has in namespaces, also those that nobody here knows of."""

import json

import pytest

from kubevouch.kube.errors import KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.discovery import namespaced_kinds
from tests.support.scripted import faults
from tests.support.scripted.apiserver import ScriptedApiServer


def _groups(**versions: list[str]) -> str:
    groups = [
        {"name": name.replace("_", "."), "versions": [{"version": each} for each in found]}
        for name, found in versions.items()
    ]
    return json.dumps({"kind": "APIGroupList", "groups": groups})


def _kinds(*plurals: str, namespaced: bool = True, verbs: tuple[str, ...] = ("list",)) -> str:
    found = [
        {"name": each, "kind": each.title(), "namespaced": namespaced, "verbs": verbs}
        for each in plurals
    ]
    return json.dumps({"kind": "APIResourceList", "resources": found})


def _says(server: ScriptedApiServer, path: str, text: str) -> None:
    server.faults.on(path, faults.answer(200, text, Content_Type="application/json"))


async def test_each_is_asked_for_in_the_first_version_that_has_it(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    _says(server, "/apis", _groups(example_com=["v2", "v1"]))
    _says(server, "/api/v1", _kinds("secrets"))
    _says(server, "/apis/example.com/v2", _kinds("widgets"))
    _says(server, "/apis/example.com/v1", _kinds("widgets", "gadgets"))
    found = [each.path("space") for each in await namespaced_kinds(api)]
    assert found == [
        "/api/v1/namespaces/space/secrets",
        "/apis/example.com/v2/namespaces/space/widgets",
        "/apis/example.com/v1/namespaces/space/gadgets",
    ]


async def test_what_lies_in_no_namespace_or_cannot_be_listed_is_none(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    _says(server, "/apis", _groups(a=["v1"], b=["v1"]))
    _says(server, "/api/v1", _kinds())
    _says(server, "/apis/a/v1", _kinds("nodes", namespaced=False))
    _says(server, "/apis/b/v1", _kinds("bindings", verbs=("create",)))
    assert await namespaced_kinds(api) == ()


async def test_a_metrics_api_that_does_not_answer_hides_nothing(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    """Nothing is stored in it, and it is often away on the very clusters that this product is for."""
    _says(server, "/apis", _groups(metrics_k8s_io=["v1beta1"]))
    _says(server, "/api/v1", _kinds("secrets"))
    server.faults.on("/apis/metrics.k8s.io/*", faults.answer(503, "service unavailable"))
    assert [each.kind for each in await namespaced_kinds(api)] == ["Secrets"]


async def test_any_other_api_that_does_not_answer_may_hide_something(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    _says(server, "/apis", _groups(example_com=["v1"]))
    _says(server, "/api/v1", _kinds("secrets"))
    server.faults.on("/apis/example.com/*", faults.answer(500, "no"))
    with pytest.raises(KubeError):
        await namespaced_kinds(api)
