"""Certificates, tokens and whom they act as: real kubectl asks, `auth whoami` tells."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch_lab.apiserver.kinds import PODS, SECRETS, SERVICE_ACCOUNTS
from kubevouch_lab.apiserver.request import ANONYMOUS, Presented, UserInfo
from kubevouch_lab.identity import jwt
from kubevouch_lab.identity.tokens import InvalidToken
from lab.tests.bodies import pod
from lab.tests.plane import NOW, Plane, _key
from tests.support.authority import Authority


async def whoami(running: Plane, user: str, *more: str) -> Any:
    said = await running.does("auth", "whoami", "-o", "json", *more, user=user)
    return json.loads(said)["status"]["userInfo"]


def bearer(token: str) -> Presented:
    return Presented({"Authorization": f"Bearer {token}"})


async def test_a_client_certificate_names_user_and_group(running: Plane) -> None:
    running.knows("node", running.authority.client("system:node:n1", "system:nodes"))
    found = await whoami(running, "node")
    assert found["username"] == "system:node:n1"
    assert found["groups"] == ["system:nodes", "system:authenticated"]
    (credential,) = found["extra"]["authentication.kubernetes.io/credential-id"]
    assert credential.startswith("X509SHA256=")


async def test_a_service_account_token_is_asked_for_and_used(running: Plane) -> None:
    running.admin.create(SERVICE_ACCOUNTS, {"metadata": {"name": "robot", "namespace": "default"}})
    token = (await running.does("create", "token", "robot")).strip()
    running.config("robot", {"token": token})
    found = await whoami(running, "robot")
    assert found["username"] == "system:serviceaccount:default:robot"
    assert found["groups"] == [
        "system:serviceaccounts",
        "system:serviceaccounts:default",
        "system:authenticated",
    ]
    refused = await running.kubectl("get", "nodes", user="robot")
    assert refused.err == (
        'Error from server (Forbidden): nodes is forbidden: User "system:serviceaccount:default:robot" '
        'cannot list resource "nodes" in API group "" at the cluster scope\n'
    )


async def test_a_token_ends_with_its_time_its_account_and_its_pod(running: Plane) -> None:
    account = {"metadata": {"name": "robot", "namespace": "default"}}
    tokens = running.authentication.tokens
    running.admin.create(SERVICE_ACCOUNTS, account)
    running.admin.create(PODS, pod(serviceAccountName="robot"))
    bound = ["--bound-object-kind=Pod", "--bound-object-name=p"]
    free = (await running.does("create", "token", "robot", "--duration=20m")).strip()
    held = (await running.does("create", "token", "robot", *bound)).strip()
    assert tokens.user(held) and tokens.user(free)
    running.admin.delete(PODS, "p", "default")
    with pytest.raises(InvalidToken, match="has been invalidated"):
        tokens.user(held)
    await running.clock.wind(timedelta(minutes=21))
    with pytest.raises(InvalidToken, match="service account token has expired"):
        tokens.user(free)
    assert running.authentication(bearer(free)) is None, "never anonymous"
    fresh = (await running.does("create", "token", "robot")).strip()
    running.admin.delete(SERVICE_ACCOUNTS, "robot", "default")
    running.admin.create(SERVICE_ACCOUNTS, account)
    with pytest.raises(InvalidToken, match="has been invalidated"):
        tokens.user(fresh)


def bootstrap_token(**data: str) -> dict[str, Any]:
    whole = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
        **data,
    }
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in whole.items()}
    return {
        "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"},
        "type": "bootstrap.kubernetes.io/token",
        "data": encoded,
    }


def test_a_bootstrap_token_joins_until_it_ends(running: Plane) -> None:
    ends = NOW + timedelta(hours=1)
    running.admin.create(SECRETS, bootstrap_token(expiration=f"{ends:%Y-%m-%dT%H:%M:%SZ}"))
    shown = bearer("abcdef.0123456789abcdef")
    assert running.authentication(shown) == UserInfo(
        "system:bootstrap:abcdef",
        groups=(
            "system:bootstrappers",
            "system:bootstrappers:kubeadm:default-node-token",
            "system:authenticated",
        ),
    )
    assert running.authentication(bearer("abcdef.0123456789abcdeX")) is None
    running.clock._at = ends
    assert running.authentication(shown) is None


def test_who_shows_nothing_is_anonymous_and_who_shows_rubbish_is_nobody(running: Plane) -> None:
    assert running.authentication(Presented({})) == ANONYMOUS
    assert running.authentication(bearer("rubbish")) is None
    assert running.authentication(Presented({"Authorization": "Basic YTpi"})) == ANONYMOUS


def test_a_certificate_out_of_its_dates_is_nobody(running: Plane) -> None:
    pair = running.authority.client("kubernetes-admin", "system:masters")
    shown = Presented({}, certificate=der(pair.chain))
    found = running.authentication(shown)
    assert found and found.name == "kubernetes-admin"
    running.clock._at = datetime(1999, 12, 31, tzinfo=UTC)
    assert running.authentication(shown) is None


def test_a_certificate_of_another_ca_or_for_servers_only_is_nobody(running: Plane) -> None:
    other = Authority().client("kubernetes-admin", "system:masters")
    assert running.authentication(Presented({}, certificate=der(other.chain))) is None


def der(chain: bytes) -> bytes:
    body = chain.split(b"-----BEGIN CERTIFICATE-----\n")[1].split(b"-----END")[0]
    return base64.b64decode(body)


async def test_acting_as_somebody_else_is_a_permission(running: Plane) -> None:
    found = await whoami(running, "admin", "--as", "eve", "--as-group", "team")
    assert (found["username"], found["groups"]) == ("eve", ["team", "system:authenticated"])
    account = await whoami(running, "admin", "--as", "system:serviceaccount:a:b")
    assert "system:serviceaccounts:a" in account["groups"]
    running.knows("eve", running.authority.client("eve"))
    refused = await running.kubectl("get", "--raw", "/api/v1/nodes", "--as", "boss", user="eve")
    assert (
        'users "boss" is forbidden: User "eve" cannot impersonate resource "users" '
        'in API group "" at the cluster scope'
    ) in refused.err


def test_a_token_review_says_who_and_why_not(running: Plane) -> None:
    from kubevouch_lab.apiserver.request import LOOPBACK, RequestInfo
    from kubevouch_lab.identity.reviews import Reviews

    reviews = Reviews(running.store, running.authentication, running.authorize, running.clock)
    info = RequestInfo("create", "", LOOPBACK, "authentication.k8s.io", "v1", "tokenreviews")
    running.admin.create(SECRETS, bootstrap_token())
    good = reviews(info, {"spec": {"token": "abcdef.0123456789abcdef"}})["status"]
    assert good["authenticated"] is True
    assert good["user"]["username"] == "system:bootstrap:abcdef"
    bad = reviews(info, {"spec": {"token": "a.b.c"}})["status"]
    assert "authenticated" not in bad and bad["error"] == "invalid bearer token"


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_no_text_is_a_token_by_chance(text: str) -> None:
    assert jwt.verified(text, _key().public_key()) is None
    assert jwt.verified(f"{text}.{text}.{text}", _key().public_key()) is None


def test_a_token_of_another_key_or_without_one_is_refused() -> None:
    token = jwt.signed({"sub": "x"}, _key())
    assert jwt.verified(token, _key().public_key()) == {"sub": "x"}
    head, body, _ = token.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    for forged in (f"{head}.{body}.", f"{none}.{body}.", f"{none}.{body}.{token.split('.')[2]}"):
        assert jwt.verified(forged, _key().public_key()) is None
