"""Delegated authentication and authorization, seen from both ends of real TLS: the client's and the API server's."""

import asyncio
import gc
import json
import ssl
from dataclasses import replace
from datetime import timedelta

import aiohttp
import pytest
import trustme

from kubevouch.serve.authorization import Attributes
from kubevouch.serve.messages import HttpRequest
from tests.serve.conftest import Served
from tests.support.authority import Authority
from tests.support.front_proxy import client_context
from tests.support.reviews import ACCESS_REVIEWS, TOKEN_REVIEWS
from tests.support.scripted import faults
from tests.support.tangled_chain import overlong_certificate
from tests.support.unhurried import GENEROUS

UNAUTHORIZED = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": "Unauthorized",
    "reason": "Unauthorized",
    "code": 401,
}
ALICE = [
    ("X-Remote-User", "alice"),
    ("X-Remote-Group", "dev"),
    ("X-Remote-Group", "ops"),
    ("X-Remote-Extra-Example.org%2fscopes", "read"),
    ("X-Remote-Extra-Example.org%2fscopes", "write"),
]


async def test_the_front_proxys_word_is_taken_and_the_api_server_is_asked(served: Served) -> None:
    path = "/apis/g/v1/namespaces/ns/things/one"
    answer = await served.get(path, pair=served.authorities.front_proxy, headers=ALICE)
    assert (answer.code, json.loads(answer.text)) == (200, {"user": "alice"})
    assert served.reviews.access_reviews == [
        {
            "user": "alice",
            "groups": ["dev", "ops", "system:authenticated"],
            "extra": {"example.org/scopes": ["read", "write"]},
            "resourceAttributes": {
                "namespace": "ns",
                "verb": "get",
                "group": "g",
                "version": "v1",
                "resource": "things",
                "name": "one",
            },
        }
    ]


async def test_another_name_of_the_front_proxys_authority_is_nobody(served: Served) -> None:
    pair = served.authorities.proxy.client("somebody-else")
    answer = await served.get("/thing", pair=pair, headers=ALICE)
    assert (answer.code, json.loads(answer.text)) == (401, UNAUTHORIZED)
    assert "x509: subject with cn=somebody-else is not in the allowed list" in served.lines[-1]
    assert '"Unable to authenticate the request" err="[' in served.lines[-1]
    assert not served.seen
    assert not served.reviews.access_reviews


async def test_a_users_certificate_gives_no_headers_a_meaning(served: Served) -> None:
    """Even with the front proxy's name: the two authorities are two pools."""
    pair = served.authorities.cluster.client("front-proxy-client", "system:nodes")
    answer = await served.get("/thing", pair=pair, headers=ALICE)
    assert answer.code == 200
    assert served.seen[-1].user.name == "front-proxy-client"
    assert served.reviews.access_reviews[-1]["groups"] == ["system:nodes", "system:authenticated"]


async def test_what_is_presented_beside_a_signed_certificate_is_not_read(served: Served) -> None:
    """A hundred connections with a node's certificate and 58 KB of anything kept everybody waiting for ten seconds."""
    node = served.authorities.cluster.client("system:node:n1", "system:nodes")
    leaf = ssl.PEM_cert_to_DER_cert(node.chain.decode())
    request = HttpRequest("GET", "/thing", certificates=(leaf, b"this is no certificate"))
    assert not served.reloader.authentication.is_front_proxy(request.certificates)
    found = await served.reloader.authentication.authenticate(request)
    assert found.name == "system:node:n1"


async def test_an_authority_in_between_is_known_by_what_is_presented(
    served: Served,
) -> None:
    """Also where the authority of users has signed the front proxy's leaf, and its own is the root above it."""
    root = trustme.CA()
    between = root.create_child_ca()
    signed = between.issue_cert("a.example", common_name="front-proxy-client").cert_chain_pems
    chain = tuple(ssl.PEM_cert_to_DER_cert(each.bytes().decode()) for each in signed)
    authentication = served.reloader.authentication
    authentication.trust = replace(authentication.trust, proxy_ca=root.cert_pem.bytes())
    assert authentication.is_front_proxy((*chain, overlong_certificate(58_000)))
    authentication.trust = replace(authentication.trust, client_ca=between.cert_pem.bytes())
    assert authentication.is_front_proxy(chain)


async def test_headers_without_a_certificate_are_nobodys(served: Served) -> None:
    await served.get("/thing", headers=ALICE)
    assert served.seen[-1].user.name == "system:anonymous"
    assert served.reviews.access_reviews[-1] == {
        "user": "system:anonymous",
        "groups": ["system:unauthenticated"],
        "nonResourceAttributes": {"path": "/thing", "verb": "get"},
    }


async def test_a_strangers_certificate_ends_the_handshake(served: Served) -> None:
    with pytest.raises((aiohttp.ClientError, ssl.SSLError, ConnectionError)):
        await served.get("/thing", pair=Authority("stranger").client("front-proxy-client"))
    assert not served.seen


async def test_what_has_expired_by_our_clock_is_nobody(served: Served) -> None:
    served.clock.jump(timedelta(days=366 * 1100))
    answer = await served.get("/thing", pair=served.authorities.front_proxy, headers=ALICE)
    assert answer.code == 401
    assert "certificate has expired or is not yet valid" in served.lines[-1]


async def test_a_token_is_asked_about_once_and_kept_for_ten_seconds(served: Served) -> None:
    bearer = [("Authorization", "Bearer good")]
    user = {"username": "sa", "uid": "7", "groups": ["g"], "extra": {"k": ["v"]}}
    served.reviews.tokens["good"] = user
    answers = await asyncio.gather(*(served.get("/thing", headers=bearer) for _ in range(5)))
    assert {answer.code for answer in answers} == {200}
    assert served.reviews.token_reviews == [{"token": "good"}]
    assert served.reviews.access_reviews == [
        {
            "user": "sa",
            "uid": "7",
            "groups": ["g", "system:authenticated"],
            "extra": {"k": ["v"]},
            "nonResourceAttributes": {"path": "/thing", "verb": "get"},
        }
    ]
    served.clock.jump(timedelta(seconds=11))
    del served.reviews.tokens["good"]
    assert (await served.get("/thing", headers=bearer)).code == 401
    assert len(served.reviews.token_reviews) == 2


async def test_a_token_that_is_nobodys_is_a_401(served: Served) -> None:
    answer = await served.get("/readyz", headers=[("Authorization", "bearer bad")])
    assert (answer.code, json.loads(answer.text)) == (401, UNAUTHORIZED)
    assert "invalid bearer token" in served.lines[-1]


async def test_a_no_is_a_403_with_the_api_servers_words(served: Served) -> None:
    served.reviews.allow = lambda _: False
    answer = await served.get("/thing")
    assert (answer.code, json.loads(answer.text)) == (
        403,
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": 'forbidden: User "system:anonymous" cannot get path "/thing"',
            "reason": "Forbidden",
            "details": {},
            "code": 403,
        },
    )
    served.reviews.reason = "RBAC: no"
    answer = await served.get("/apis/g/v1/namespaces/ns/things")
    status = json.loads(answer.text)
    assert status["message"] == (
        'things.g is forbidden: User "system:anonymous" cannot list resource "things" '
        'in API group "g" in the namespace "ns": RBAC: no'
    )
    assert status["details"] == {"group": "g", "kind": "things"}
    assert not served.seen


@pytest.mark.parametrize("path", ["/apis/g/v1/things", "/readyz"])
@pytest.mark.parametrize("name", ["User", "Group", "Uid", "Extra-Scopes"])
async def test_nobody_is_answered_as_another_user(served: Served, path: str, name: str) -> None:
    """Whoever asks through an API server is impersonated there, which takes these headers away."""
    masters = [("X-Remote-User", "alice"), ("X-Remote-Group", "system:masters")]
    headers = [*masters, (f"impersonate-{name}", "bob")]
    answer = await served.get(path, pair=served.authorities.front_proxy, headers=headers)
    assert answer.code == 403
    subject = 'users "bob"' if name == "User" else "users"
    assert json.loads(answer.text)["message"] == (
        f'{subject} is forbidden: User "alice" cannot impersonate resource "users" in API group "" at the cluster scope: '
        "send the request to the API server"
    )
    assert not served.seen


async def test_of_what_was_asked_nothing_is_kept_but_the_answer(served: Served) -> None:
    """Thousands of paths, each of 32 KB with one emoji in it, made a metrics server of 60 MB one of 400."""
    served.reviews.allow = lambda _: False
    path = f"/{'a' * 5000}"
    for _ in range(2):
        assert (await served.get(path)).code == 403
    assert len(served.reviews.access_reviews) == 1
    gc.collect()
    assert not [
        each for each in gc.get_objects() if isinstance(each, Attributes) and each.path == path
    ]


async def test_masters_and_probes_are_let_through_unasked(served: Served) -> None:
    masters = [("X-Remote-User", "system:kube-aggregator"), ("X-Remote-Group", "system:masters")]
    answer = await served.get("/thing", pair=served.authorities.front_proxy, headers=masters)
    assert answer.code == 200
    assert (await served.get("/readyz")).code == 200
    assert not served.reviews.access_reviews
    # Only the page itself: what is below it is asked about.
    await served.get("/readyz/ping")
    assert served.reviews.access_reviews[-1]["nonResourceAttributes"]["path"] == "/readyz/ping"


async def test_without_an_api_server_there_is_no_yes(served: Served) -> None:
    for path in (TOKEN_REVIEWS, ACCESS_REVIEWS):
        served.api_server.faults.clear()
        served.api_server.faults.on(path, faults.answer(503, "down"))
    answer = await served.get("/thing")
    assert answer.code == 500
    assert answer.text.startswith('Internal Server Error: "/thing": ')
    served.api_server.faults.on(TOKEN_REVIEWS, faults.answer(503, "down"))
    answer = await served.get("/thing", headers=[("Authorization", "Bearer any")])
    assert answer.code == 401
    assert not served.seen


async def test_unknown_paths_are_unknown_only_to_those_who_may_ask(served: Served) -> None:
    answer = await served.get("/elsewhere")
    assert (answer.code, answer.text) == (404, "404 page not found\n")
    served.reviews.allow = lambda _: False
    assert (await served.get("/elsewhere2")).code == 403


ODD = [
    b"GET /thing%ff HTTP/1.1",
    b"GET /thing\xff HTTP/1.1",
    b"GET /apis/g/v1/namespaces/%00/things/%0a%22 HTTP/1.1",
    b"GET /apis/g/v1/things?fieldSelector=%ff&watch=%00 HTTP/1.1",
    b"GET //readyz HTTP/1.1",
    b"GET /readyz/../thing HTTP/1.1",
    b"GET /readyz%2f..%2fthing HTTP/1.1",
    b"GET https://elsewhere/thing HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"BREW /thing HTTP/1.1",
    b"HEAD /thing HTTP/1.1",
]


async def answer_to(served: Served, sent: bytes) -> bytes:
    """All that comes for these bytes, until the connection ends."""
    context = client_context(served.source.read().chain)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=context)
    writer.write(sent)
    async with asyncio.timeout(GENEROUS):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("line", ODD)
async def test_however_a_path_is_written_nobody_gets_by_the_question(
    served: Served, line: bytes
) -> None:
    """Whatever is answered: nothing was served, and what was asked is what would have been served."""
    served.reviews.allow = lambda _: False
    odd = b"\r\nHost: a\r\nX-Odd: \xff\xfe\r\nAuthorization: \xff\r\nConnection: close\r\n\r\n"
    answer = await answer_to(served, line + odd)
    assert answer.split(b" ")[1] in {b"400", b"403", b"404"}, answer
    assert not served.seen
    assert "Observed a panic" not in "".join(served.lines)


@pytest.mark.parametrize("line", [b"OPTIONS *", b"CONNECT 127.0.0.1:6443"])
async def test_what_names_no_path_is_a_request_as_any_other(served: Served, line: bytes) -> None:
    """It is asked about, takes its turn and ends a stranger's connection: else it would be free of every bound."""
    served.reviews.allow = lambda _: False
    answer = await answer_to(served, line + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.split(b" ")[1] == b"403", answer
    assert b"aiohttp" not in answer


async def test_an_anonymous_clients_connection_ends_with_its_answer_and_nobody_elses(
    served: Served,
) -> None:
    """Whom nobody knows keeps no connection; an API server does, for all whom it speaks for."""
    nobody = [("X-Remote-User", "system:anonymous"), ("X-Remote-Group", "system:unauthenticated")]
    front = served.authorities.front_proxy
    assert (await served.get("/readyz")).headers["Connection"] == "close"
    bad = [("Authorization", "Bearer bad")]
    assert (await served.get("/readyz", headers=bad)).headers["Connection"] == "close"
    assert "Connection" not in (await served.get("/thing", pair=front, headers=nobody)).headers
    assert served.seen[-1].user.name == "system:anonymous"
    served.reviews.allow = lambda _: False
    assert "Connection" not in (await served.get("/thing", pair=front, headers=ALICE)).headers
