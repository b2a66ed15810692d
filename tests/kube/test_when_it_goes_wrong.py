"""Everything that can go wrong between us and an API server: a class that says what to do, and no trace."""

import asyncio
import contextlib
import re
import socket
import threading
import traceback
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import AddrInfoType

from kubevouch.errors import ExitCode
from kubevouch.kube import errors
from kubevouch.kube.errors import (
    ApiTlsError,
    ApiUnreachable,
    BrokenOff,
    CredentialError,
    KubeconfigError,
    KubeError,
    NotAnApiServer,
    NotSent,
    TooManyRequests,
)
from kubevouch.kube.io import transport
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.transport import ResponseLimits, only_while
from kubevouch.kube.kubeconfig import User
from kubevouch.kube.resources import NODES
from kubevouch_lab.apiserver import status
from tests.kube.conftest import Reach, Version
from tests.support.apiservers import MOMENT, TOKEN, access_to, client_of
from tests.support.authority import Authority
from tests.support.bombs import gzip_bomb
from tests.support.clocks import WoundClock
from tests.support.connect_proxy import connect_proxy
from tests.support.contexts import server_context
from tests.support.scripted import faults
from tests.support.scripted.apiserver import ScriptedApiServer
from tests.support.scripted.faults import Play
from tests.support.scripted.kinds import KINDS

JSON = "application/json"
SMALL = ResponseLimits(connect=30, total=60, body=1024 * 1024)
PATH = "/api/v1/nodes/n"
NODE = KINDS["", "v1", "nodes"]

ANSWERS: dict[str, dict[str, Any]] = {
    **yaml.safe_load((Path(__file__).parent / "answers.yaml").read_text()),
    "forbidden to somebody with a strange name, and the authorizer says why": {
        "refuse": [
            "forbidden",
            "",
            "nodes",
            r"n\" 1" + "x" * 250,
            rf'User "{"a" * 300} \\ \"b cannot" cannot get resource "nodes" in API group "" at the cluster scope: RBAC: no',
        ],
        "error": "Forbidden",
        "text": 'a Role must allow "get" on "nodes"$',
    },
    "a gzip bomb": {
        "answer": [200, gzip_bomb(64, b" ")],
        "json": True,
        "encoding": "gzip",
        "error": "ResponseTooLarge",
        "text": "more than 1048576 bytes",
    },
    "an error without end": {
        "answer": [500, b"x" * 2 * 1024 * 1024],
        "error": "ResponseTooLarge",
        "text": "more than",
    },
}


def _play(case: dict[str, Any]) -> Play:
    [(name, words)] = ((name, case[name]) for name in PLAYS if name in case)
    if name == "refuse":
        return faults.refuse(getattr(status, words[0])(*words[1:]))
    headers = {"Content_Type": JSON if "json" in case else "text/plain"}
    if "encoding" in case:
        headers["Content_Encoding"] = case["encoding"]
    played: Play = getattr(faults, name)(*words, **(headers if name == "answer" else {}))
    return played


PLAYS = ("refuse", "answer", "html", "redirect", "flood")


@pytest.mark.parametrize("case", ANSWERS.values(), ids=list(ANSWERS))
async def test_an_answer_that_is_not_valid_is_an_error_of_its_kind(
    server: ScriptedApiServer, case: dict[str, Any], reach: Reach
) -> None:
    kind: type[KubeError] = getattr(errors, case["error"])
    server.faults.on(PATH, _play(case))
    async with reach(SMALL) as api:
        with pytest.raises(kind) as caught:
            await api.get(NODES, "n")
    error = caught.value
    assert type(error) is kind
    assert re.search(case["text"], str(error))
    assert str(error).startswith(server.url)
    assert str(error).isprintable()
    assert error.exit_code is ExitCode.COULD_NOT_TELL
    # No redirect was followed, and nothing was sent twice.
    assert len(server.requests) == 1


async def test_a_get_comes_back_when_the_server_says(
    api: ApiClient, server: ScriptedApiServer, clock: WoundClock
) -> None:
    server.store.create(NODE, {"metadata": {"name": "n"}})
    server.faults.on(PATH, faults.refuse(status.too_many_requests(7)), times=1)
    unavailable = status.StatusError(503, "ServiceUnavailable", "x", {"retryAfterSeconds": 3})
    server.faults.on(PATH, faults.refuse(unavailable), times=1)
    assert (await api.get(NODES, "n")).name == "n"
    assert clock.now() - MOMENT == timedelta(seconds=10)
    assert len(server.requests) == 3


async def test_a_get_comes_back_a_few_times_only(api: ApiClient, server: ScriptedApiServer) -> None:
    server.faults.on(PATH, faults.refuse(status.too_many_requests(1)))
    with pytest.raises(TooManyRequests) as caught:
        await api.get(NODES, "n")
    assert caught.value.retry_after == 1
    assert len(server.requests) == 4


@pytest.mark.parametrize("after", ["3600", "Wed, 21 Oct 2026 07:28:00 GMT", "-1", "9" * 40, "1.5"])
async def test_a_get_does_not_wait_for_long_nor_for_nonsense(
    api: ApiClient, server: ScriptedApiServer, clock: WoundClock, after: str
) -> None:
    server.faults.on(PATH, faults.answer(429, "", Retry_After=after))
    with pytest.raises(TooManyRequests):
        await api.get(NODES, "n")
    assert len(server.requests) == 1
    assert clock.now() == MOMENT


@pytest.mark.parametrize(
    "play",
    [faults.reset(), faults.reset(b'{"meta'), faults.truncated(b'{"meta')],
    ids=["before the answer", "in the middle", "ended in the middle"],
)
async def test_a_get_is_sent_again_when_the_connection_breaks(
    api: ApiClient, server: ScriptedApiServer, play: Play
) -> None:
    server.store.create(NODE, {"metadata": {"name": "n"}})
    server.faults.on(PATH, play, times=2)
    assert (await api.get(NODES, "n")).name == "n"
    assert len(server.requests) == 3
    server.faults.on(PATH, play)
    with pytest.raises(BrokenOff):
        await api.get(NODES, "n")
    assert len(server.requests) == 7


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "play",
    [faults.reset(), faults.refuse(status.too_many_requests(1)), faults.reset(b"{")],
    ids=["reset", "429", "reset in the answer"],
)
async def test_a_write_is_never_sent_again(
    api: ApiClient, server: ScriptedApiServer, method: str, play: Play
) -> None:
    server.faults.on("*", play)
    with pytest.raises((ApiUnreachable, TooManyRequests)):
        await api.request(method, "/api/v1/namespaces/s/configmaps/c", body={})
    assert [request.method for request in server.requests] == [method]


async def test_a_write_that_is_not_wanted_any_more_once_its_bytes_could_go_is_not_sent(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    answers = iter([True, False])
    with (
        only_while(lambda: next(answers)),
        pytest.raises(NotSent, match="POST /api/v1/nodes was not"),
    ):
        await api.request("POST", "/api/v1/nodes", body={"metadata": {"name": "n"}})
    assert next(answers, None) is None
    assert server.requests == []
    assert (await api.version()).git_version  # by another connection


async def test_whether_a_write_is_wanted_is_asked_in_the_instant_in_which_its_bytes_are_sent(
    monkeypatch: pytest.MonkeyPatch, reach: Reach
) -> None:
    """With nothing of the event loop's in between: in a burst one turn of it takes milliseconds, in which a process may be stopped."""
    loop = asyncio.get_running_loop()
    seen: list[str] = []

    class Told(socket.socket):
        def send(self, *words: Any) -> int:
            seen.append("sent")
            return super().send(*words)

    def wanted() -> bool:
        seen.append("asked")
        loop.call_soon(seen.append, "a turn")
        return True

    monkeypatch.setattr(transport, "watchful_socket", lambda address: Told(*address[:3]))
    async with reach() as api:
        await api.version()  # the connection is there
        seen.clear()
        with only_while(wanted):
            await api.request("POST", "/api/v1/nodes", body={"metadata": {"name": "n"}})
    sent = seen.index("sent")
    assert seen[sent - 1] == "asked", seen


async def test_a_server_that_does_not_answer_is_given_up(
    server: ScriptedApiServer, reach: Reach
) -> None:
    server.faults.on("*", faults.silence())
    async with reach(ResponseLimits(connect=30, total=0.5)) as api:
        with pytest.raises(ApiUnreachable, match=r"no complete response within 0\.5 seconds"):
            await api.version()
    assert len(server.requests) == 1


async def test_a_time_out_may_be_given_with_a_request(
    api: ApiClient, server: ScriptedApiServer
) -> None:
    server.faults.on("*", faults.silence())
    with pytest.raises(ApiUnreachable, match=r"0\.3 seconds"):
        await api.request("GET", "/version", limits=ResponseLimits(total=0.3))


@contextlib.asynccontextmanager
async def _listener(answer: bytes | None) -> AsyncIterator[str]:
    """Accepts connections; says something, or nothing at all and waits."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            if answer is None:
                await over.wait()
                return
            await reader.read(1)
            writer.write(answer)
            with contextlib.suppress(OSError):
                await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"https://{host}:{port}"
        over.set()


async def test_a_server_that_accepts_and_does_not_shake_hands_is_given_up(
    server: ScriptedApiServer, reach: Reach
) -> None:
    limits = ResponseLimits(connect=0.5, total=30)
    async with _listener(None) as url, reach(limits, server=url) as api:
        with pytest.raises(ApiUnreachable, match=r"no connection within 0\.5 seconds"):
            await api.version()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", NotAnApiServer),
        (b"SSH-2.0-OpenSSH_9.2\r\n", NotAnApiServer),
        (b"\x15\x03\x01\x00\x02\x02\x50", ApiTlsError),
        (b"\x16\x03\x03\xff\xff" + b"\0" * 50, KubeError),
        (b"", ApiUnreachable),
    ],
    ids=["plain HTTP", "ssh", "an alert", "garbage", "nothing"],
)
async def test_what_does_not_speak_tls_is_told(
    server: ScriptedApiServer, answer: bytes, kind: type[KubeError], reach: Reach
) -> None:
    async with _listener(answer) as url, reach(server=url) as api:
        with pytest.raises(kind) as caught:
            await api.version()
    assert str(caught.value).startswith(url)


@pytest.mark.parametrize("answer", [b"hello\r\n\r\n", b"\0" * 100, b"HTTP/1.1 999999 x\r\n\r\n"])
async def test_what_does_not_speak_http_is_told(
    server: ScriptedApiServer, answer: bytes, reach: Reach
) -> None:
    async with _listener(answer) as url:
        plain = url.replace("https", "http")
        async with reach(server=plain) as api:
            with pytest.raises(NotAnApiServer, match="did not send valid HTTP"):
                await api.version()


async def test_nobody_listening_is_told(server: ScriptedApiServer, reach: Reach) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{free.getsockname()[1]}"
        async with reach(server=url) as api:
            with pytest.raises(ApiUnreachable, match="connection refused") as caught:
                await api.version()
    assert "the API server is down, or" in str(caught.value)


async def test_a_name_that_does_not_resolve_is_told(
    server: ScriptedApiServer, monkeypatch: pytest.MonkeyPatch, reach: Reach
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    async with reach(server="https://api.invalid:1") as api:
        with pytest.raises(ApiUnreachable, match=r"https://api\.invalid:1: no such host"):
            await api.version()


async def test_a_certificate_of_another_authority_is_told(
    server: ScriptedApiServer, authority: Authority, version: Version
) -> None:
    with pytest.raises(ApiTlsError, match="signed by the kubeconfig's certificate-authority"):
        await version(roots=Authority("another").pem)
    with pytest.raises(ApiTlsError, match=r"other\.example"):
        await version(server_name="other.example")
    await version(roots=None, verify=False)
    assert len(server.requests) == 1


async def test_an_expired_certificate_is_told(authority: Authority) -> None:
    pair = authority.serving(
        "127.0.0.1",
        not_before=datetime(2020, 1, 1, tzinfo=UTC),
        not_after=datetime(2021, 1, 1, tzinfo=UTC),
    )
    async with ScriptedApiServer(server_context(pair), WoundClock(MOMENT)) as server:
        with pytest.raises(ApiTlsError, match="expired"):
            async with client_of(access_to(server, authority)) as api:
                await api.version()
        assert server.requests == []


async def test_a_client_certificate_that_is_not_wanted_is_told(
    server: ScriptedApiServer, version: Version
) -> None:
    pair = Authority("another").client("me")
    user = User(where="users[test]", client_certificate_data=pair.chain, client_key_data=pair.key)
    # With TLS 1.3 the server hangs up after its handshake; what reaches us is a matter of timing.
    with pytest.raises((ApiTlsError, ApiUnreachable), match="client certificate"):
        await version(user=user)


async def test_a_ca_bundle_or_client_key_that_is_broken_is_told_before_anything_is_sent(
    server: ScriptedApiServer, authority: Authority, version: Version
) -> None:
    with pytest.raises(KubeconfigError, match="certificate-authority"):
        await version(roots=b"-----BEGIN CERTIFICATE-----\nx")
    one, other = authority.client("one"), authority.client("other")
    user = User(where="users[test]", client_certificate_data=one.chain, client_key_data=other.key)
    with pytest.raises(CredentialError, match="does not belong"):
        await version(user=user)
    assert server.requests == []


async def test_a_proxy_lets_us_through_and_a_proxy_that_does_not_is_told(
    server: ScriptedApiServer, version: Version
) -> None:
    async with connect_proxy() as proxy:
        await version(proxy=proxy.url)
        assert proxy.heads[0].startswith(f"CONNECT 127.0.0.1:{server.port} ")
        assert TOKEN not in proxy.heads[0]
        proxy.refuse = "407 Proxy Authentication Required"
        with pytest.raises(ApiUnreachable, match=r"the proxy .* answered HTTP 407"):
            await version(proxy=proxy.url)
    secret = proxy.url.replace("//", "//me:plugh@")
    with pytest.raises(ApiUnreachable, match="no connection to the proxy") as caught:
        await version(proxy=secret)
    assert "plugh" not in str(caught.value)
    assert len(server.requests) == 1


async def test_behind_a_proxy_the_server_is_verified_as_ever(version: Version) -> None:
    async with connect_proxy() as proxy:
        with pytest.raises(ApiTlsError):
            await version(proxy=proxy.url, roots=Authority("another").pem)
        with pytest.raises(ApiTlsError):
            await version(proxy=proxy.url, server_name="other.example")


async def test_a_proxy_may_speak_tls_itself(
    server: ScriptedApiServer, authority: Authority, version: Version
) -> None:
    async with connect_proxy(server_context(authority.serving("127.0.0.1"))) as proxy:
        await version(proxy=proxy.url)
    assert len(server.requests) == 1


async def test_no_error_and_no_trace_holds_the_token(
    server: ScriptedApiServer, reach: Reach
) -> None:
    plays = [faults.reset(), faults.html(200), faults.refuse(status.unauthorized())]
    bad_encoding = faults.answer(200, b"x", Content_Type=JSON, Content_Encoding="br")
    for play in [*plays, bad_encoding]:
        server.faults.clear()
        server.faults.on("*", play)
        async with reach() as api:
            with pytest.raises(KubeError) as caught:
                await api.version()
        assert TOKEN not in "".join(traceback.format_exception(caught.value))
        assert TOKEN not in repr(caught.value)


async def test_a_request_that_is_given_up_leaves_nothing_open(
    authority: Authority, reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, make = list[socket.socket](), transport.watchful_socket

    def noted(address: AddrInfoType) -> socket.socket:
        made.append(make(address))
        return made[-1]

    def serve(listening: socket.socket) -> None:
        """Does not read on after the request, so that the end of TLS has no answer."""
        accepted, _ = listening.accept()
        context = server_context(authority.serving("127.0.0.1"))
        with context.wrap_socket(accepted, server_side=True) as connection:
            connection.recv(1)
            received.set()
            left.wait(30)

    monkeypatch.setattr(transport, "watchful_socket", noted)
    received, left = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(asyncio.to_thread(serve, listening))
        async with reach(server=f"https://127.0.0.1:{listening.getsockname()[1]}") as api:
            asking = asyncio.create_task(api.version())
            await asyncio.to_thread(received.wait, 30)
            asking.cancel()
            await asyncio.wait([asking])
        await asyncio.sleep(0)
        open_still = [each for each in made if each.fileno() >= 0]
        left.set()
        await serving
    assert made
    assert not open_still
