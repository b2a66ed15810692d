"""Bytes that somebody else chose: an answer, a plugin's output, a URL, a path. A value or an error of ours, no trace."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.errors import KubevouchError
from kubevouch.kube.access import cluster_access
from kubevouch.kube.api_call import api_call
from kubevouch.kube.decode import RawObject
from kubevouch.kube.errors import CredentialError, KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.credentials import Credential
from kubevouch.kube.io.exec_plugin import ExecPlugin
from kubevouch.kube.io.transport import ResponseLimits
from kubevouch.kube.kubeconfig import ExecConfig, User
from kubevouch.kube.proxy import environment_proxy
from kubevouch.kube.refusals import refusal
from kubevouch.kube.resources import LEASES
from tests.support.apiservers import MOMENT, access_to, client_of
from tests.support.authority import Authority
from tests.support.clocks import WoundClock
from tests.support.kubeconfigs import write_kubeconfig
from tests.support.scripted.apiserver import ScriptedApiServer

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=8,
)
_STATUS = st.fixed_dictionaries(
    {"kind": st.just("Status")},
    optional={
        "message": _VALUES,
        "reason": _VALUES,
        "details": _VALUES
        | st.fixed_dictionaries({}, optional={"causes": _VALUES, "retryAfterSeconds": _VALUES}),
    },
).map(lambda found: json.dumps(found).encode())


@given(
    st.integers(100, 999),
    st.binary(max_size=100) | _STATUS,
    st.dictionaries(
        st.sampled_from(["content-type", "location", "retry-after"]), st.text(max_size=30)
    ),
)
def test_any_refusal_is_an_error_of_ours(code: int, body: bytes, headers: dict[str, str]) -> None:
    error = refusal("https://api", api_call("GET", "/api/v1/nodes"), code, headers, body)
    assert isinstance(error, KubeError)
    assert str(error).startswith("https://api: ")
    assert str(error).isprintable()
    assert len(str(error)) < 2000


@given(st.text(max_size=40), st.text(max_size=60))
def test_any_path_says_something(method: str, path: str) -> None:
    assert api_call(method, path).verb in (
        method.lower(),
        "get",
        "list",
        "create",
        "update",
        "patch",
        "delete",
    )


@pytest.fixture(scope="module")
def plugin() -> ExecPlugin:
    config = ExecConfig(command="plugin", api_version="client.authentication.k8s.io/v1")
    authority = Authority()
    user = User(where="users[test]", exec=config)
    access = access_to(ScriptedApiServer(None, WoundClock(MOMENT)), authority, user)
    return ExecPlugin(access, config, WoundClock(MOMENT), {})


_CREDENTIAL = st.fixed_dictionaries(
    {
        "kind": st.just("ExecCredential"),
        "apiVersion": st.just("client.authentication.k8s.io/v1"),
        "status": _VALUES
        | st.fixed_dictionaries(
            {},
            optional={
                "token": _VALUES,
                "clientCertificateData": _VALUES,
                "clientKeyData": _VALUES,
                "expirationTimestamp": _VALUES
                | st.datetimes().map(lambda moment: moment.isoformat() + "Z")
                | st.just("0001-01-01T00:00:00+23:59"),
            },
        ),
    }
).map(lambda found: json.dumps(found).encode())


@given(st.binary(max_size=100) | _CREDENTIAL)
def test_whatever_a_plugin_prints_is_a_credential_or_its_error(
    plugin: ExecPlugin, printed: bytes
) -> None:
    with contextlib.suppress(CredentialError):
        credential, _ = plugin._read(printed)
        assert isinstance(credential, Credential)


@given(
    st.text(max_size=40),
    st.text(max_size=40),
    st.sampled_from(["https://a.b:1", "http://[::1]", "https://10.0.0.1"]),
)
def test_any_environment_names_a_proxy_or_is_refused(
    proxy: str, excepted: str, server: str
) -> None:
    with contextlib.suppress(KubevouchError):
        environ = {"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "NO_PROXY": excepted}
        found = environment_proxy(server, environ)
        assert found == "" or found.startswith(("http://", "https://"))


@given(st.dictionaries(st.sampled_from(["metadata", "spec", "status", "x"]), _VALUES))
def test_any_object_that_can_be_read_can_be_written_back(thing: dict[str, Any]) -> None:
    raw = RawObject(LEASES, msgspec.json.encode(thing), "https://api")
    with contextlib.suppress(KubeError):
        raw.read()
        assert raw.whole() == {
            **thing,
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
        }


URLS = [
    "https://a..b:1",
    "https://" + "a" * 300,
    "https://.:1",
    "https://[::1",
    "https://[v1.a]:1",
    "https://127.0.0.1:99999",
    "https://127.1:1",
    "https://*:1",
    "https://\u2025:1",
    "https://a\u3002b:1",
    "https://%41:1",
    "https:///x",
    "https:127.0.0.1",
    "\\\\host",
    "https://a\\b:1",
    "https://127.0.0.1:1/%zz/../\u00e9\\",
]


@pytest.mark.parametrize("url", URLS)
async def test_a_strange_url_is_refused_or_cannot_be_reached(url: str, tmp_path: Any) -> None:
    file = write_kubeconfig(tmp_path / "config", url)
    with pytest.raises(KubevouchError) as caught:
        await _reach(str(file))
    assert str(caught.value).isprintable()


async def _reach(kubeconfig: str) -> None:
    access = cluster_access({}, kubeconfig=kubeconfig)
    async with client_of(access, limits=ResponseLimits(connect=30, total=60)) as api:
        await api.version()


async def test_nothing_secret_goes_over_plain_http(authority: Authority) -> None:
    # Not even if an access says so: a kubeconfig with http:// keeps no credential to begin with.
    async with ScriptedApiServer(None, WoundClock(MOMENT)) as server:
        async with client_of(access_to(server, authority)) as api:
            assert isinstance(api, ApiClient)
            await api.version()
        assert "Authorization" not in server.requests[0].headers
