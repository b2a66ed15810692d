"""The scripted API server behaves as the real one does, as far as its tests rely on it.

The oracles are the RFCs' own examples and Kubernetes' sources (see the modules of tests.support.scripted).
"""

import json
from typing import Any

import pytest
from multidict import CIMultiDict

from kubevouch_lab.apiserver import status
from tests.support.clocks import WoundClock
from tests.support.scripted import kinds, reviews
from tests.support.scripted.answers import Answers
from tests.support.scripted.seen import Seen, Subject

NODE = kinds.KINDS["", "v1", "nodes"]
CONFIG_MAP = kinds.KINDS["", "v1", "configmaps"]
CSR = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


@pytest.fixture
def server() -> Answers:
    return Answers(WoundClock())


def _ask(
    server: Answers,
    method: str,
    path: str,
    body: Any = None,
    form: str = "application/json",
    query: dict[str, str] | None = None,
    token: str = "",
) -> tuple[int, Any]:
    headers: CIMultiDict[str] = CIMultiDict({"Content-Type": form})
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = b"" if body is None else json.dumps(body).encode()
    answer = server.answer(Seen(method, path, query or {}, headers, None, data))
    if answer.content_type != "application/json":
        return answer.code, answer.body.decode()
    return answer.code, json.loads(answer.body)


# RFC 7386, appendix A.
def test_a_field_that_is_not_indexed_is_refused(server: Answers) -> None:
    code, body = _ask(
        server, "GET", "/api/v1/nodes", query={"fieldSelector": "spec.unschedulable=x,a.b=c"}
    )
    assert (code, body["message"]) == (400, "field label not supported: a.b")


@pytest.mark.parametrize(
    "path", ["/", "/api", "/apis/x/v1", "/api/v1/limitranges", "/api/v1/nodes/n/exec", "/metrics"]
)
def test_what_is_not_known_is_not_found(server: Answers, path: str) -> None:
    assert _ask(server, "GET", path) == (404, "404 page not found\n")


def test_an_object_gets_uid_time_version_and_kind(server: Answers) -> None:
    code, made = _ask(
        server, "POST", "/api/v1/namespaces/s/configmaps", {"metadata": {"generateName": "c-"}}
    )
    assert code == 201
    assert made["metadata"]["name"].startswith("c-")
    assert made["metadata"]["namespace"] == "s"
    assert (made["kind"], made["apiVersion"]) == ("ConfigMap", "v1")
    assert made["metadata"]["creationTimestamp"] == "2026-11-24T12:00:00Z"
    _, other = _ask(
        server, "POST", "/api/v1/namespaces/s/configmaps", {"metadata": {"generateName": "c-"}}
    )
    for field in ("name", "uid", "resourceVersion"):
        assert made["metadata"][field] != other["metadata"][field]
    code, body = _ask(server, "POST", "/api/v1/namespaces/s/configmaps", {})
    assert (code, body["details"]["causes"][0]["field"]) == (422, "metadata.name")


def test_versions_rise_and_what_nothing_changes_keeps_its_own(server: Answers) -> None:
    path = "/api/v1/namespaces/s/configmaps"
    _, made = _ask(server, "POST", path, {"metadata": {"name": "c"}, "data": {"a": "1"}})
    _, same = _ask(server, "PUT", f"{path}/c", made)
    assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    _, changed = _ask(server, "PUT", f"{path}/c", {**made, "data": {"a": "2"}})
    assert int(changed["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    code, body = _ask(server, "PUT", f"{path}/c", {**made, "data": {"a": "3"}})
    assert (code, body["reason"]) == (409, "Conflict")
    assert body["message"] == f'Operation cannot be fulfilled on configmaps "c": {status.STALE}'
    unbound = {"metadata": {"name": "c"}, "data": {"a": "4"}}
    assert _ask(server, "PUT", f"{path}/c", unbound)[0] == 200
    assert server.store.get(CONFIG_MAP, "c", "s")["metadata"]["uid"] == made["metadata"]["uid"]


def test_pages_of_a_list_are_of_one_moment(server: Answers) -> None:
    for index in range(5):
        server.store.create(NODE, {"metadata": {"name": f"n{index}"}})
    _, first = _ask(server, "GET", "/api/v1/nodes", query={"limit": "2"})
    assert first["metadata"]["remainingItemCount"] == 3
    server.store.delete(NODE, "n4")
    server.store.create(NODE, {"metadata": {"name": "n9"}})
    names = [item["metadata"]["name"] for item in first["items"]]
    page = first
    while token := page["metadata"].get("continue"):
        _, page = _ask(server, "GET", "/api/v1/nodes", query={"limit": "2", "continue": token})
        assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        names += [item["metadata"]["name"] for item in page["items"]]
    assert names == ["n0", "n1", "n2", "n3", "n4"]
    assert all("kind" not in item for item in first["items"])

    _, first = _ask(server, "GET", "/api/v1/nodes", query={"limit": "2"})
    server.store.compact()
    token = first["metadata"]["continue"]
    code, body = _ask(server, "GET", "/api/v1/nodes", query={"continue": token})
    assert (code, body["reason"]) == (410, "Expired")
    assert _ask(server, "GET", "/api/v1/nodes", query={"continue": "junk"})[0] == 400


def test_the_main_path_leaves_status_alone_and_status_the_rest(server: Answers) -> None:
    server.store.create(NODE, {"metadata": {"name": "n"}, "spec": {"a": 1}, "status": {"b": 1}})
    form = "application/merge-patch+json"
    patch = {"spec": {"a": 2}, "status": {"b": 2}}
    _, main = _ask(server, "PATCH", "/api/v1/nodes/n", patch, form)
    assert (main["spec"], main["status"]) == ({"a": 2}, {"b": 1})
    patch = {"spec": {"a": 3}, "status": {"b": 3}}
    _, sub = _ask(server, "PATCH", "/api/v1/nodes/n/status", patch, form)
    assert (sub["spec"], sub["status"]) == ({"a": 2}, {"b": 3})


def test_an_approval_takes_conditions_only_and_keeps_decisions(server: Answers) -> None:
    spec = {"signerName": "kubernetes.io/kubelet-serving", "username": "u"}
    _, made = _ask(server, "POST", CSR, {"metadata": {"name": "c"}, "spec": spec})
    decision = {"type": "Approved", "status": "True", "reason": "r"}
    body = {
        **made,
        "spec": {"username": "evil"},
        "status": {"certificate": "eA==", "conditions": [decision]},
    }
    code, approved = _ask(server, "PUT", f"{CSR}/c/approval", body)
    assert code == 200
    assert approved["spec"] == spec
    assert "certificate" not in approved["status"]
    assert approved["status"]["conditions"][0]["lastUpdateTime"] == "2026-11-24T12:00:00Z"

    def refused(conditions: list[dict[str, str]]) -> list[str]:
        current = server.store.get(kinds.CSRS, "c")
        current["status"]["conditions"] = conditions
        code, answer = _ask(server, "PUT", f"{CSR}/c/approval", current)
        assert code == 422
        return [cause["message"] for cause in answer["details"]["causes"]]

    assert refused([]) == ['Forbidden: updates may not remove a condition of type "Approved"']
    assert "mutually exclusive" in refused([decision, {"type": "Denied", "status": "True"}])[0]
    assert refused([{"type": "Approved", "status": "False"}]) == [
        'Unsupported value: "False": supported values: "True"'
    ]
    assert refused([decision, decision]) == ['Duplicate value: "Approved"']
    assert "Required value" in refused([decision, {"type": "X", "status": ""}])


def test_a_signer_is_selected_by_its_field(server: Answers) -> None:
    for name, signer in (("a", "kubernetes.io/kubelet-serving"), ("b", "kubernetes.io/other")):
        server.store.create(
            kinds.CSRS, {"metadata": {"name": name}, "spec": {"signerName": signer}}
        )
    query = {"fieldSelector": "spec.signerName=kubernetes.io/kubelet-serving"}
    _, listed = _ask(server, "GET", CSR, query=query)
    assert [item["metadata"]["name"] for item in listed["items"]] == ["a"]


def test_who_asks_is_told_by_token_or_certificate_and_may_be_refused(server: Answers) -> None:
    seen: list[reviews.Attributes] = []

    def authorize(attributes: reviews.Attributes) -> bool:
        seen.append(attributes)
        return attributes.user != "bob"

    server.tokens = {"a": "alice", "b": "bob"}
    server.authorize = authorize
    assert _ask(server, "GET", "/api/v1/nodes", token="x")[1]["reason"] == "Unauthorized"
    assert _ask(server, "GET", "/api/v1/nodes", token="a")[0] == 200
    code, body = _ask(server, "GET", "/api/v1/namespaces/s/pods/p/log", token="b")
    assert code == 403
    assert body["message"] == (
        'pods "p" is forbidden: User "bob" cannot get resource "pods/log" in API group "" in the namespace "s"'
    )
    subject = Subject("carol", ("system:masters",))
    server.answer(Seen("GET", "/api/v1/nodes", {}, CIMultiDict(), subject, b""))
    _ask(server, "GET", "/api/v1/nodes")
    assert [attributes.user for attributes in seen] == ["alice", "bob", "carol", "system:anonymous"]


def test_a_review_asks_the_same_authorizer(server: Answers) -> None:
    server.authorize = lambda asked: (asked.user, asked.resource) == ("carol", "pods/log")
    spec = {
        "user": "carol",
        "resourceAttributes": {"verb": "get", "resource": "pods", "subresource": "log"},
    }
    for kind, allowed in (("subjectaccessreviews", True), ("selfsubjectaccessreviews", False)):
        path = f"/apis/authorization.k8s.io/v1/{kind}"
        code, body = _ask(server, "POST", path, {"spec": spec})
        assert (code, body["status"]["allowed"]) == (201, allowed)
    code, _ = _ask(
        server, "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": {}}
    )
    assert code == 400


@pytest.mark.parametrize(
    ("method", "form", "code"),
    [
        ("PATCH", "application/json", 415),
        ("PATCH", "application/strategic-merge-patch+json", 415),
        ("PUT", "application/vnd.kubernetes.protobuf", 415),
        ("PUT", "application/json; charset=utf-8", 200),
    ],
)
def test_a_body_in_another_form_is_refused_and_never_guessed(
    server: Answers, method: str, form: str, code: int
) -> None:
    server.store.create(NODE, {"metadata": {"name": "n"}})
    assert _ask(server, method, "/api/v1/nodes/n", {"metadata": {"name": "n"}}, form)[0] == code


def test_a_method_that_is_not_served_is_refused(server: Answers) -> None:
    code, body = _ask(server, "DELETE", "/api/v1/nodes")
    assert (code, body["reason"]) == (405, "MethodNotAllowed")
