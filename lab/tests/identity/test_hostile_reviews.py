"""Reviews and token requests of any shape: an answer or a clear refusal, over HTTP."""

import json
from typing import Any

import pytest

from kubevouch_lab.apiserver.kinds import SERVICE_ACCOUNTS
from lab.tests.plane import Plane

REVIEWS = (
    "/apis/authentication.k8s.io/v1/tokenreviews",
    "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    "/apis/authorization.k8s.io/v1/subjectaccessreviews",
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    "/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews",
    "/api/v1/namespaces/default/serviceaccounts/robot/token",
)
RUBBISH: tuple[Any, ...] = (
    None,
    [],
    "x",
    7,
    {},
    {"spec": None},
    {"spec": []},
    {"spec": 7},
    {"spec": {}},
    {"spec": {"token": 7, "audiences": "x"}},
    {"spec": {"token": "x" * 100_000, "audiences": [None]}},
    {"spec": {"user": 7, "groups": {}, "extra": [], "resourceAttributes": []}},
    {"spec": {"user": "a", "extra": {"a": "b"}, "resourceAttributes": {"verb": 7}}},
    {"spec": {"user": "a", "resourceAttributes": {}, "nonResourceAttributes": {}}},
    {"spec": {"user": "a", "nonResourceAttributes": {"path": None, "verb": {}}}},
    {"spec": {"namespace": 7}},
    {"spec": {"expirationSeconds": -1}},
    {"spec": {"expirationSeconds": "x", "boundObjectRef": "x"}},
    {"spec": {"expirationSeconds": 10**30}},
    {"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": {}, "uid": []}}},
    {"spec": {"boundObjectRef": {"kind": "Toaster", "apiVersion": "v1"}}},
)


@pytest.mark.parametrize("path", REVIEWS, ids=lambda path: path.rpartition("/")[2])
async def test_no_body_brings_the_server_down(running: Plane, path: str) -> None:
    running.admin.create(SERVICE_ACCOUNTS, {"metadata": {"name": "robot", "namespace": "default"}})
    pair = running.authority.client("kubernetes-admin", "system:masters")
    for body in (*map(json.dumps, RUBBISH), "{", "\0", "[" * 50_000):
        code, said = await running.ask_showing(
            pair, "POST", path, body.encode(), Content_Type="application/json"
        )
        assert code in {200, 201, 400, 404, 422}, (body[:80], said)
        if code > 201:
            assert said["kind"] == "Status" and said["message"], said
    other = json.dumps({"kind": "Pod"}).encode()
    code, said = await running.ask_showing(
        pair, "POST", path, other, Content_Type="application/json"
    )
    assert (code, said["reason"]) == (400, "BadRequest")
