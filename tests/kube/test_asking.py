"""What goes to the API server, and what comes back of it when all is well."""

import base64
import gzip
import json

import pytest

from kubevouch import __version__
from kubevouch.kube.api_call import api_call
from kubevouch.kube.errors import (
    Conflict,
    Forbidden,
    Gone,
    NotFound,
    ResponseTooLarge,
    ServerError,
)
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.transport import ResponseLimits
from kubevouch.kube.resources import (
    CONFIG_MAPS,
    CSRS,
    NODES,
    PODS,
    CsrCondition,
    ResourceAttributes,
)
from kubevouch_lab.apiserver import status
from tests.kube.conftest import Reach, Version
from tests.support.apiservers import TOKEN
from tests.support.scripted import faults, kinds, reviews
from tests.support.scripted.apiserver import ScriptedApiServer

NODE = kinds.KINDS["", "v1", "nodes"]
CONFIG_MAP = kinds.KINDS["", "v1", "configmaps"]


def _fill(server: ScriptedApiServer, count: int) -> list[str]:
    names = [f"node-{index:05d}" for index in range(count)]
    for name in names:
        server.store.create(NODE, {"metadata": {"name": name}})
    return names


async def test_a_request_says_who_we_are_and_asks_for_json_and_gzip(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    assert (await api.version()).git_version == "v1.36.3"
    headers = server.requests[0].headers
    assert headers["User-Agent"] == f"kubevouch/{__version__}"
    assert headers["Accept"] == "application/json"
    assert headers["Accept-Encoding"] == "gzip"
    assert headers["Authorization"] == f"Bearer {TOKEN}"


async def test_a_long_list_comes_page_by_page_and_whole(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    names = _fill(server, 2 * NODES.page + 1)
    assert [node.name for node in await api.list_all(NODES)] == names
    assert [request.query["limit"] for request in server.requests] == ["500"] * 3
    assert ["continue" in request.query for request in server.requests] == [False, True, True]


async def test_a_page_of_large_objects_is_asked_for_again_with_fewer_of_them(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    """Every node may create CSRs of a MiB: seventeen of them would hide all the others, and slow the list for good."""
    names = [f"csr-{number:02}" for number in range(30)]
    for name in names:
        large = base64.b64encode(b"x" * 1_000_000).decode()
        server.store.create(
            kinds.CSRS,
            {"metadata": {"name": name}, "spec": {"request": large, "signerName": "s"}},
        )
    assert [csr.name for csr in await api.list_all(CSRS)] == names
    limits = [request.query["limit"] for request in server.requests]
    assert limits == ["50", "6", "12", "24"]
    assert ["continue" in request.query for request in server.requests] == [False] * 2 + [True] * 2


async def test_the_versions_of_all_objects_come_in_one_answer_without_the_objects(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    _fill(server, 2 * NODES.page)
    versions = await api.versions(NODES)
    there = (each["metadata"] for each in server.store.list(NODE))
    assert versions == {each["name"]: (each["uid"], each["resourceVersion"]) for each in there}
    [asked] = server.requests
    assert asked.query == {}
    assert asked.headers["Accept"] == (
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
    )


async def test_versions_that_are_too_large_for_one_answer_come_page_by_page(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    names = _fill(server, NODES.page + 1)
    server.faults.on("/api/v1/nodes", faults.flood(17), where=lambda seen: not seen.query)
    assert list(await api.versions(NODES)) == names
    assert [request.query.get("limit") for request in server.requests] == [None, "500", "500"]


async def test_an_object_that_is_too_large_by_itself_ends_the_list(
    server: ScriptedApiServer, reach: Reach
) -> None:
    _fill(server, 1)
    server.faults.on("/api/v1/nodes", faults.flood(8))
    async with reach(ResponseLimits(body=1024 * 1024)) as api:
        with pytest.raises(ResponseTooLarge):
            await api.list_all(NODES)
    assert [request.query["limit"] for request in server.requests] == ["500", "62", "7", "1"]


async def test_a_list_whose_version_is_gone_begins_anew(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    names = _fill(server, NODES.page + 1)
    expired = faults.refuse(status.expired())
    server.faults.on("/api/v1/nodes", expired, times=1, where=lambda r: "continue" in r.query)
    assert [node.name for node in await api.list_all(NODES)] == names
    assert ["continue" in r.query for r in server.requests] == [False, True, False, True]


async def test_a_list_that_is_gone_again_and_again_is_given_up(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    _fill(server, NODES.page + 1)
    server.faults.on(
        "/api/v1/nodes", faults.refuse(status.expired()), where=lambda r: "continue" in r.query
    )
    with pytest.raises(Gone):
        await api.list_all(NODES)
    assert len(server.requests) == 8


async def test_selectors_and_namespaces_narrow_a_list(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    for space, name, labels in (
        ("a", "one", {"k": "v"}),
        ("a", "two", {}),
        ("b", "three", {"k": "v"}),
    ):
        server.store.create(CONFIG_MAP, {"metadata": {"name": name, "labels": labels}}, space)
    everywhere = await api.list_all(CONFIG_MAPS, label_selector="k=v")
    assert [found.name for found in everywhere] == ["one", "three"]
    assert [found.name for found in await api.list_all(CONFIG_MAPS, "a")] == ["one", "two"]
    chosen = await api.list_all(CONFIG_MAPS, "a", field_selector="metadata.name=two")
    assert [found.name for found in chosen] == ["two"]
    assert server.requests[-1].path == "/api/v1/namespaces/a/configmaps"


async def test_a_compressed_answer_is_read(api: ApiClient, server: ScriptedApiServer) -> None:
    body = gzip.compress(json.dumps({"metadata": {"name": "n"}}).encode())
    play = faults.answer(200, body, Content_Type="application/json", Content_Encoding="gzip")
    server.faults.on("/api/v1/nodes/n", play)
    assert (await api.get(NODES, "n")).name == "n"


async def test_a_patch_bound_to_a_version_is_refused_when_the_object_has_changed(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    patch = {"data": {"a": "2"}}
    made = server.store.create(CONFIG_MAP, {"metadata": {"name": "c"}, "data": {"a": "1"}}, "s")
    version = made["metadata"]["resourceVersion"]
    assert (await api.patch(CONFIG_MAPS, "c", patch, "s", resource_version=version)).data == {
        "a": "2"
    }
    assert server.requests[-1].headers["Content-Type"].startswith("application/merge-patch+json")
    with pytest.raises(Conflict) as caught:
        await api.patch(CONFIG_MAPS, "c", patch, "s", resource_version=version)
    assert caught.value.reason == "Conflict"
    assert server.store.get(CONFIG_MAP, "c", "s")["data"] == {"a": "2"}


async def test_making_what_is_there_is_a_conflict_that_says_so(api: ApiClient) -> None:
    made = await api.create(CONFIG_MAPS, {"metadata": {"name": "c"}, "data": {"k": "v"}}, "s")
    assert (made.name, made.namespace, made.data) == ("c", "s", {"k": "v"})
    with pytest.raises(Conflict) as caught:
        await api.create(CONFIG_MAPS, {"metadata": {"name": "c"}}, "s")
    assert caught.value.reason == "AlreadyExists"


async def test_deleting_may_be_bound_to_one_object(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    made = await api.create(CONFIG_MAPS, {"metadata": {"name": "c"}}, "s")
    with pytest.raises(Conflict):
        await api.delete(CONFIG_MAPS, "c", "s", uid="another")
    await api.delete(CONFIG_MAPS, "c", "s", uid=made.uid)
    with pytest.raises(NotFound) as caught:
        await api.get(CONFIG_MAPS, "c", "s")
    assert caught.value.message == 'configmaps "c" not found'
    with pytest.raises(NotFound):
        await api.delete(CONFIG_MAPS, "c", "s")


CSR = {
    "metadata": {"name": "csr-1", "labels": {"x": "y"}, "managedFields": [{"manager": "kubelet"}]},
    "spec": {
        "request": "eA==",
        "signerName": "kubernetes.io/kubelet-serving",
        "usages": ["digital signature", "server auth"],
        "fromTheFuture": {"big": 12345678901234567890, "float": 1.5, "null": None},
    },
    "status": {"alsoNew": "kept"},
    "unknown": [1, {"deep": True}],
}


async def test_an_approval_adds_one_condition_and_touches_nothing_else(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    server.store.create(kinds.CSRS, CSR)
    before = server.store.get(kinds.CSRS, "csr-1")
    found = await api.get(CSRS, "csr-1")
    condition = CsrCondition(type="Approved", status="True", reason="Vouched", message="all rules")
    approved = await api.patch_approval(found, condition)
    assert [each.type for each in approved.status.conditions] == ["Approved"]

    sent = server.requests[-1]
    assert (sent.method, sent.path.rpartition("/")[2]) == ("PATCH", "approval")
    added = {
        "type": "Approved",
        "status": "True",
        "reason": "Vouched",
        "message": "all rules",
        "lastUpdateTime": "2026-11-24T12:00:00Z",
    }
    version = {"resourceVersion": before["metadata"]["resourceVersion"]}
    assert json.loads(sent.body) == {"metadata": version, "status": {"conditions": [added]}}
    after = server.store.get(kinds.CSRS, "csr-1")
    conditions = after["status"].pop("conditions")
    assert [{key: each[key] for key in added} for each in conditions] == [added]
    assert after.pop("metadata") != before.pop("metadata")
    assert after == before


async def test_an_approval_of_what_has_changed_is_a_conflict(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    server.store.create(kinds.CSRS, CSR)
    found = await api.get(CSRS, "csr-1")
    await api.patch(CSRS, "csr-1", {"metadata": {"labels": {"x": "z"}}})
    with pytest.raises(Conflict):
        await api.patch_approval(found, CsrCondition(type="Approved"))
    assert "Approved" not in str(server.store.get(kinds.CSRS, "csr-1"))


async def test_what_somebody_has_decided_about_is_not_decided_again(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    """Nothing is sent: a merge patch with one condition would take the others away."""
    server.store.create(kinds.CSRS, CSR)
    await api.patch_approval(await api.get(CSRS, "csr-1"), CsrCondition(type="Denied"))
    denied = await api.get(CSRS, "csr-1")
    with pytest.raises(Conflict, match="the CSR is already decided"):
        await api.patch_approval(denied, CsrCondition(type="Approved"))
    assert server.requests[-1].method == "GET"


async def test_the_end_of_a_log_is_read(api: ApiClient, server: ScriptedApiServer) -> None:
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}, {"name": "d"}]}}
    server.store.create(kinds.PODS, pod, "s")
    server.logs["s", "p", "c"] = "".join(f"line {index}\n" for index in range(1000))
    server.logs["s", "p", "d"] = "\xff other\n"
    assert await api.pod_log("s", "p", tail_lines=2) == "line 998\nline 999\n"
    assert await api.pod_log("s", "p", "d") == "\xff other\n"
    assert server.requests[-1].query == {
        "tailLines": "200",
        "limitBytes": str(1024 * 1024),
        "container": "d",
    }


async def test_a_log_that_the_kubelet_does_not_give_says_why(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    text = 'Get "https://10.0.0.5:10250/containerLogs/s/p/c": remote error: tls: internal error'
    error = status.StatusError(500, "InternalError", text)
    server.faults.on("/api/v1/namespaces/s/pods/p/log", faults.refuse(error))
    with pytest.raises(ServerError) as caught:
        await api.pod_log("s", "p")
    assert caught.value.message == text
    assert caught.value.resource == "pods/log"


async def test_may_i_is_asked_with_what_is_asked_and_nothing_else(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    server.authorize = lambda api_call: api_call.resource == "nodes"
    yes = await api.self_subject_access_review(ResourceAttributes(verb="list", resource="nodes"))
    no = await api.self_subject_access_review(
        ResourceAttributes(verb="get", resource="pods", subresource="log", namespace="kube-system")
    )
    assert (yes.allowed, no.allowed) == (True, False)
    bodies = [json.loads(request.body)["spec"]["resourceAttributes"] for request in server.requests]
    assert bodies == [
        {"verb": "list", "resource": "nodes"},
        {"verb": "get", "resource": "pods", "subresource": "log", "namespace": "kube-system"},
    ]


async def test_what_is_forbidden_says_which_verb_on_what(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    server.authorize = reviews.nothing
    with pytest.raises(Forbidden) as listing:
        await api.list_all(NODES)
    assert (listing.value.verb, listing.value.resource) == ("list", "nodes")
    assert 'User "somebody" cannot list resource "nodes"' in listing.value.message
    with pytest.raises(Forbidden) as approving:
        await api.request("PUT", CSRS.path(name="c", subresource="approval"), body={})
    assert (approving.value.verb, approving.value.resource) == (
        "update",
        "certificatesigningrequests.certificates.k8s.io/approval",
    )
    with pytest.raises(Forbidden) as logs:
        await api.pod_log("s", "p")
    assert (logs.value.verb, logs.value.resource) == ("get", "pods/log")


async def test_a_path_of_the_server_goes_before_every_path(
    server: ScriptedApiServer, version: Version
) -> None:
    answer = faults.answer(200, "{}", Content_Type="application/json")
    server.faults.on("/clusters/one/version", answer)
    await version(server=f"{server.url}/clusters/one")


@pytest.mark.parametrize(
    ("path", "believed"),
    [
        ("/api/v1/nodes", True),
        ("/api/v1/nodes/n1", True),
        ("/apis/certificates.k8s.io/v1/certificatesigningrequests", True),
        ("/apis/coordination.k8s.io/v1/namespaces/s/leases/l", True),
        ("/apis/authentication.k8s.io/v1/tokenreviews", True),
        ("/api/v1/nodes/n1/proxy/healthz", False),
        ("/api/v1/namespaces/s/services/https:metrics:443/proxy/", False),
        ("/apis/metrics.k8s.io/v1beta1/nodes/n1", False),
        ("/apis/anybodys.example.com/v1/things", False),
    ],
)
async def test_what_the_api_server_passes_on_does_not_tell_what_its_clock_shows(
    api: ApiClient, server: ScriptedApiServer, path: str, believed: bool
) -> None:
    """A kubelet's answer by way of nodes/NAME/proxy has the kubelet's Date, an aggregated API's that of its pod."""
    date = "Tue, 24 Nov 2099 15:00:00 GMT"
    server.faults.on(path, faults.answer(200, "ok", Content_Type="text/plain", Date=date))
    await api.text(path)
    assert (api.server_clock.now().year == 2099) is believed


async def test_a_strange_name_reaches_the_server_as_it_is(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    for name in ("a/b", "../x", "a?b#c", "ä"):
        with pytest.raises(NotFound):
            await api.get(PODS, name, "s")
    assert [request.path for request in server.requests] == [
        f"/api/v1/namespaces/s/pods/{name}" for name in ("a/b", "../x", "a?b#c", "ä")
    ]


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("GET", "/api/v1/nodes", ("list", "nodes", "", "")),
        ("GET", "/api/v1/nodes/n%2Fx", ("get", "nodes", "", "n/x")),
        ("PATCH", "/api/v1/namespaces/s", ("patch", "namespaces", "", "s")),
        ("PUT", "/api/v1/namespaces/s/status", ("update", "namespaces/status", "", "s")),
        ("DELETE", "/api/v1/namespaces/s/pods/p", ("delete", "pods", "s", "p")),
        ("POST", "/apis/apps/v1/namespaces/s/deployments", ("create", "deployments.apps", "s", "")),
        ("GET", "/apis/apps/v1", ("get", "/apis/apps/v1", "", "")),
        ("GET", "/version", ("get", "/version", "", "")),
        ("GET", "/", ("get", "/", "", "")),
    ],
)
def test_a_request_is_told_in_the_words_of_rbac(
    method: str, path: str, told: tuple[str, ...]
) -> None:
    assert tuple(api_call(method, path)) == told
