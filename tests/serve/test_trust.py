"""Whom a server believes: what is published, what is given by flag, and what is neither."""

import pytest

from kubevouch.serve.client_trust import (
    ClientTrust,
    HeaderNames,
    TrustError,
    read_client_trust,
    user_from_headers,
)
from kubevouch.serve.messages import HttpRequest
from kubevouch.x509 import X509Error
from tests.support.front_proxy import Authorities

AUTHORITIES = Authorities()
PUBLISHED = AUTHORITIES.config_map()["data"]


def test_what_the_api_server_publishes_is_read_as_it_is() -> None:
    found = read_client_trust(PUBLISHED)
    assert found.client_ca == AUTHORITIES.cluster.pem
    assert found.proxy_ca == AUTHORITIES.proxy.pem
    assert found.allowed_names == ("front-proxy-client",)
    names = ("X-Remote-User",), ("X-Remote-Group",), ("X-Remote-Extra-",), ()
    assert found.headers == HeaderNames(*names)
    assert read_client_trust({}) == ClientTrust(headers=HeaderNames((), (), (), ()))


BROKEN = {
    "requestheader-allowed-names": "front-proxy-client",
    "requestheader-username-headers": '{"a": 1}',
    "requestheader-group-headers": "[1]",
    "client-ca-file": "-----BEGIN nothing",
}


@pytest.mark.parametrize("key", BROKEN)
def test_what_is_not_valid_is_an_error_with_its_place(key: str) -> None:
    with pytest.raises(X509Error if key == "client-ca-file" else TrustError, match=key):
        read_client_trust({**PUBLISHED, key: BROKEN[key]})


def test_flags_come_before_what_is_published_and_a_proxys_go_together() -> None:
    published = read_client_trust(PUBLISHED)
    assert ClientTrust().completed_by(published) == published
    other = ClientTrust(client_ca=b"theirs").completed_by(published)
    assert (other.client_ca, other.proxy_ca) == (b"theirs", published.proxy_ca)
    # Without names of its own a given authority does not get the published ones: any name would do, as upstream.
    given = ClientTrust(proxy_ca=b"p", headers=HeaderNames(("U",))).completed_by(published)
    assert (given.proxy_ca, given.allowed_names, given.headers.user) == (b"p", (), ("U",))
    assert given.client_ca == published.client_ca


def headers(**named: str) -> HttpRequest:
    return HttpRequest("GET", "/", {}, {k.replace("_", "-"): (v,) for k, v in named.items()})


DECODED = {
    "x_remote_extra_scopes": "scopes",
    "x_remote_extra_example.org%2fthe%20key": "example.org/the key",
    "x_remote_extra_100%": "100%",
    "x_remote_extra_a%zz": "a%zz",
    "x_remote_extra_%e4%bd%a0": "\u4f60",
}


@pytest.mark.parametrize("name", DECODED)
def test_extra_keys_are_decoded_or_left_as_they_are(name: str) -> None:
    found = user_from_headers(headers(x_remote_user="a", **{name: "v"}), HeaderNames())
    assert found
    assert found.extra == {DECODED[name]: ("v",)}


def test_without_a_name_nobody_is_meant() -> None:
    assert user_from_headers(headers(x_remote_group="system:masters"), HeaderNames()) is None
    assert user_from_headers(headers(x_remote_user=""), HeaderNames()) is None
    # The first header that says something.
    names = HeaderNames(user=("X-A", "X-B"))
    found = user_from_headers(headers(x_b="b"), names)
    assert found and found.name == "b"
