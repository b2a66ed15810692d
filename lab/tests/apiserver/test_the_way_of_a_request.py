"""Who asks, whether they may, what admission makes of it, who else answers, and what is written down of it."""

import asyncio
import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request
from cryptography import x509

from kubevouch_lab.apiserver.audit import AuditLog
from kubevouch_lab.apiserver.client import LocalClient
from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, DEPLOYMENTS, NODES
from kubevouch_lab.apiserver.request import (
    ANONYMOUS,
    LOOPBACK,
    Presented,
    RequestInfo,
    UserInfo,
    asked,
)
from kubevouch_lab.apiserver.status import StatusError, forbidden
from lab.tests.apiserver.bench import Bench, bench
from lab.tests.bodies import deployment
from tests.support.authority import Authority, Pair

MAPS = "/api/v1/namespaces/default/configmaps"
PARTS = ("verb", "group", "version", "resource", "subresource", "namespace", "name")


def _by_token(presented: Presented) -> UserInfo | None:
    """`Bearer NAME` is NAME; no token is nobody; `wrong` is not known."""
    scheme, _, name = presented.headers.get("Authorization", "").partition(" ")
    if not scheme:
        return ANONYMOUS
    return None if name == "wrong" else UserInfo(name, groups=("system:authenticated",))


def _readers_only(info: RequestInfo) -> tuple[bool, str]:
    return info.verb in {"get", "list", "watch"}, "" if info.user.name == "bob" else "because"


def _audited(lab: Bench) -> list[Any]:
    return [json.loads(line) for line in (lab.folder / "audit.log").read_text().splitlines()]


ASKED = {
    "GET /api/v1/nodes": "list - v1 nodes - - -",
    "GET /api/v1/nodes/n": "get - v1 nodes - - n",
    "GET /api/v1/nodes?watch=true": "watch - v1 nodes - - -",
    "GET /api/v1/nodes?watch=0": "list - v1 nodes - - -",
    "GET /api/v1/nodes?watch=1&fieldSelector=metadata.name%3Dn": "watch - v1 nodes - - n",
    "GET /api/v1/namespaces/s": "get - v1 namespaces - s s",
    "PUT /api/v1/namespaces/s/status": "update - v1 namespaces status s s",
    "GET /api/v1/namespaces/s/pods/p/log": "get - v1 pods log s p",
    "POST /api/v1/namespaces/s/pods": "create - v1 pods - s -",
    "DELETE /api/v1/nodes": "deletecollection - v1 nodes - - -",
    "PATCH /apis/apps/v1/namespaces/s/deployments/d": "patch apps v1 deployments - s d",
    "GET /api/v1/nodes/n/proxy/metrics/x": "get - v1 nodes proxy - n",
    "GET /apis/apps/v1": "get - - - - - -",
    "GET /version": "get - - - - - -",
}
"""Verb, group, version, resource, subresource, namespace and name."""


@pytest.mark.parametrize("line", ASKED)
def test_a_path_says_what_is_asked(line: str) -> None:
    method, _, target = line.partition(" ")
    url = urlsplit(target)
    info = asked(method, url.path, dict(parse_qsl(url.query)), LOOPBACK)
    assert " ".join(getattr(info, each) or "-" for each in PARTS) == ASKED[line]


async def test_who_is_not_known_is_a_401_and_who_may_not_a_403_in_the_real_words(
    tmp_path: Path, authority: Authority
) -> None:
    async with bench(tmp_path, authority, authenticate=_by_token, authorize=_readers_only) as lab:

        async def told(method: str, path: str, name: str, body: Any = None) -> tuple[int, Any]:
            async with lab.session.request(
                method,
                lab.server.url + path,
                json=body,
                headers={"Authorization": f"Bearer {name}"} if name else {},
            ) as answer:
                return answer.status, await answer.json()

        code, status = await told("GET", MAPS, "wrong")
        assert (code, status["reason"], status["message"]) == (401, "Unauthorized", "Unauthorized")
        assert (await told("GET", MAPS, "bob"))[0] == 200
        code, status = await told("POST", MAPS, "bob", {"metadata": {"name": "a"}})
        assert code == 403
        assert status["message"] == (
            'configmaps is forbidden: User "bob" cannot create resource "configmaps" in API group "" '
            'in the namespace "default"'
        )
        assert status["details"] == {"kind": "configmaps"}
        code, status = await told("PUT", "/api/v1/nodes/n/status", "", {})
        assert status["message"] == (
            'nodes "n" is forbidden: User "system:anonymous" cannot update resource "nodes/status" in API '
            'group "" at the cluster scope: because'
        )
        code, status = await told("POST", "/nothing", "bob", {})
        assert (code, status["message"]) == (
            403,
            'forbidden: User "bob" cannot post path "/nothing"',
        )
        lines = _audited(lab)
    assert [(line["verb"], line["user"].get("username"), line["responseStatus"]["code"]) for line in lines] == [
        ("list", "system:anonymous", 401),
        ("list", "bob", 200),
        ("create", "bob", 403),
        ("update", "system:anonymous", 403),
        ("post", "bob", 403),
    ]  # fmt: skip
    assert lines[3]["objectRef"] == {
        "resource": "nodes",
        "name": "n",
        "apiVersion": "v1",
        "subresource": "status",
    }
    assert {line["stage"] for line in lines} == {"ResponseComplete"}
    assert len({line["auditID"] for line in lines}) == 5
    assert "objectRef" not in lines[4]


async def test_a_watch_is_written_down_when_it_begins_and_when_it_ends(lab: Bench) -> None:
    async with lab.session.get(
        lab.server.url + MAPS, params={"watch": "1", "timeoutSeconds": "1"}
    ) as answer:
        await answer.read()
    async with lab.session.get(lab.server.url + MAPS, params={"watch": "1"}) as answer:
        assert answer.status == 200
        assert [(line["verb"], line["stage"]) for line in _audited(lab)] == [
            ("watch", "ResponseStarted"),
            ("watch", "ResponseComplete"),
            ("watch", "ResponseStarted"),
        ]
    await lab.server.stop()
    assert [line["stage"] for line in _audited(lab)[3:]] == ["ResponseComplete"]


def test_an_audit_log_keeps_within_its_bound(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    log = AuditLog(file, lambda: "id", lambda: moment, largest=2_000)
    info = asked("GET", "/api/v1/nodes/n", {}, LOOPBACK)
    for number in range(20):
        log.answered(info, make_mocked_request("GET", str(number)), moment, 200)
    log.close()
    old = [json.loads(line) for line in (tmp_path / "audit.log.1").read_text().splitlines()]
    new = [json.loads(line) for line in file.read_text().splitlines()]
    uris = [int(line["requestURI"]) for line in old + new]
    assert uris == list(range(uris[0], 20))
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) < 5_000


async def test_a_certificate_is_handed_over_whatever_its_dates_are(
    tmp_path: Path, authority: Authority
) -> None:
    seen: list[bytes | None] = []

    def authenticate(presented: Presented) -> UserInfo | None:
        seen.append(presented.certificate)
        return UserInfo("somebody")

    past = datetime(2001, 1, 1, tzinfo=UTC)
    expired = authority.serving("client.invalid", not_before=past, not_after=past + timedelta(1))
    stranger = Authority("somebody else").client("mallory")
    async with bench(tmp_path, authority, authenticate=authenticate) as lab:

        async def show(pair: Pair) -> int:
            return (await lab.ask_showing(pair, "GET", "/version"))[0]

        assert await show(authority.client("alice", "people")) == 200
        assert await show(expired) == 200
        with pytest.raises((aiohttp.ClientError, ssl.SSLError, OSError)):
            await show(stranger)
        assert (await lab.ask("GET", "/version"))[0] == 200
    first = x509.load_der_x509_certificate(seen[0] or b"")
    assert first.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value == "alice"
    assert [certificate is None for certificate in seen] == [False, False, True]


async def test_admission_changes_refuses_and_hears_of_deletes(
    tmp_path: Path, authority: Authority
) -> None:
    heard: list[tuple[str, str, bool, bool]] = []

    def admit(info: RequestInfo, old: Any, new: Any) -> Any:
        if info.resource != "configmaps":
            return new
        heard.append((info.verb, info.user.name, old is not None, new is not None))
        if new and new["metadata"]["name"] == "bad":
            raise forbidden("", "configmaps", "bad", "not that")
        return new and {**new, "data": {**new.get("data", {}), "admitted": "yes"}}

    async with bench(tmp_path, authority, admit=admit) as lab:
        code, made = await lab.ask("POST", MAPS, {"metadata": {"name": "a"}})
        assert (code, made["data"]) == (201, {"admitted": "yes"})
        code, status = await lab.ask("POST", MAPS, {"metadata": {"name": "bad"}})
        assert (code, status["message"]) == (403, 'configmaps "bad" is forbidden: not that')
        await lab.ask("PATCH", f"{MAPS}/a", {"data": {"k": "v"}}, "application/merge-patch+json")
        await lab.ask("DELETE", f"{MAPS}/a")
        lab.local.create(CONFIG_MAPS, {"metadata": {"name": "b"}}, "default")
    admin, apiserver = "kubernetes-admin", "system:apiserver"
    assert heard == [
        ("create", admin, False, True),
        ("create", admin, False, True),
        ("patch", admin, True, True),
        ("delete", admin, True, False),
        ("create", apiserver, False, True),
    ]


async def test_what_runs_inside_has_the_same_verbs(lab: Bench) -> None:
    local = LocalClient(lab.server.resources, UserInfo("controller"))
    made = local.create(DEPLOYMENTS, deployment("d", replicas=1))
    made["spec"]["replicas"] = 9
    assert local.get(DEPLOYMENTS, "d", "default")["spec"]["replicas"] == 1
    kept = local.update(DEPLOYMENTS, made)
    assert (kept["spec"]["replicas"], kept["metadata"]["generation"]) == (9, 2)
    with pytest.raises(StatusError) as caught:
        local.update(DEPLOYMENTS, made)
    assert (caught.value.code, caught.value.reason) == (409, "Conflict")
    local.patch(DEPLOYMENTS, "d", {"status": {"replicas": 9}}, "default", subresource="status")
    assert [each["status"] for each in local.list(DEPLOYMENTS)] == [{"replicas": 9}]
    assert local.list(DEPLOYMENTS, fields="metadata.name=x") == []
    with pytest.raises(StatusError) as caught:
        local.delete(DEPLOYMENTS, "d", "default", uid="other")
    assert caught.value.code == 409
    local.delete(DEPLOYMENTS, "d", "default", uid=made["metadata"]["uid"])
    assert local.find(DEPLOYMENTS, "d", "default") is None


async def test_a_watch_inside_begins_with_what_is_there_and_ends_when_closed(
    lab: Bench,
) -> None:
    lab.local.create(NODES, {"metadata": {"name": "a"}})
    with lab.local.watch(NODES) as events:
        seen = [(await anext(events)).object["metadata"]["name"]]
        lab.local.create(NODES, {"metadata": {"name": "b"}})
        seen.append((await anext(events)).object["metadata"]["name"])
        waiting = asyncio.create_task(anext(events))
        await asyncio.sleep(0)
        events.close()
        with pytest.raises(StopAsyncIteration):
            await waiting
    assert seen == ["a", "b"]


async def test_a_reader_that_does_not_read_is_cut_off(lab: Bench) -> None:
    lab.local.create(CONFIG_MAPS, {"metadata": {"name": "a"}}, "default")
    with lab.store.watch(CONFIG_MAPS) as watcher:
        for number in range(20_010):
            thing = lab.store.get(CONFIG_MAPS, "a", "default")
            lab.store.update(CONFIG_MAPS, {**thing, "data": {"n": str(number)}})
        got = [change async for change in watcher]
    assert len(got) == 20_001
    assert lab.store.compacted > 0
