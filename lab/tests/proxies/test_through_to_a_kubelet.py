"""nodes/proxy and pods/log by real kubectl, through to kubelets that answer, and to some that do not."""

import asyncio

import pytest

from kubevouch.system_clock import SystemClock
from kubevouch_lab.apiserver.kinds import NODES, PODS
from lab.tests.bodies import pod
from lab.tests.plane import Plane
from tests.support.authority import Authority
from tests.support.contexts import server_context
from tests.support.scripted.kubelet import (
    NO_CERTIFICATE,
    PLAIN_HTTP,
    RESET,
    Behaviour,
    ScriptedKubelet,
    Serve,
    alert,
)

# kubectl writes the query anew, as Go does: a blank becomes a plus.
RAW = ("get", "--raw", "/api/v1/nodes/n1/proxy/metrics/resource?a=b%20c")


def with_node(running: Plane, port: int) -> None:
    addresses = [
        {"type": "Hostname", "address": "n1.invalid"},
        {"type": "InternalIP", "address": "127.0.0.1"},
    ]
    status = {"addresses": addresses, "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}
    running.admin.create(NODES, {"metadata": {"name": "n1"}})
    running.admin.patch(NODES, "n1", {"status": status}, subresource="status")


def with_pod(running: Plane, *containers: str) -> None:
    running.admin.create(PODS, pod("p", *containers, nodeName="n1"))


async def test_a_request_is_handed_on_with_the_servers_own_certificate(running: Plane) -> None:
    # Of another CA, and for another name: nobody looks, as on a kubeadm cluster.
    served = server_context(Authority().serving("elsewhere"), client_ca=running.authority.pem)
    answers = {"/metrics/resource?a=b+c": (200, b"node_cpu 1\n")}
    async with ScriptedKubelet(Serve(served, answers), SystemClock()) as kubelet:
        with_node(running, kubelet.port)
        assert await running.does(*RAW) == "node_cpu 1\n"
        missing = await running.kubectl("get", "--raw", "/api/v1/nodes/n1/proxy/other")
    assert "(NotFound)" in missing.err
    (shown, _) = kubelet.seen
    assert shown.client_certificate
    assert b"kube-apiserver-kubelet-client" in shown.client_certificate
    assert b"authorization" not in kubelet.sent.lower()


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (NO_CERTIFICATE, "remote error: tls: internal error"),
        (alert(40), "remote error: tls: handshake failure"),
        (PLAIN_HTTP, "tls: first record does not look like a TLS handshake"),
        (RESET, "connection reset by peer"),
    ],
)
async def test_a_dark_kubelet_is_told_in_gos_words(
    running: Plane, behaviour: Behaviour, why: str
) -> None:
    async with ScriptedKubelet(behaviour, SystemClock()) as kubelet:
        with_node(running, kubelet.port)
        with_pod(running, "c")
        refused = await running.kubectl(*RAW)
        no_log = await running.kubectl("logs", "p", "--tail=12")
        where = f"https://127.0.0.1:{kubelet.port}/containerLogs/default/p/c?tailLines=12"
    assert refused.code == no_log.code == 1
    assert refused.err.startswith(
        "Error from server (ServiceUnavailable): error trying to reach service: "
    )
    assert why in refused.err
    assert no_log.err.startswith(f'Error from server: Get "{where}": ')
    assert why in no_log.err


async def test_nobody_listens(running: Plane) -> None:
    async with ScriptedKubelet(RESET, SystemClock()) as kubelet:
        port = kubelet.port
    with_node(running, port)
    refused = await running.kubectl(*RAW)
    assert (
        f"error trying to reach service: dial tcp 127.0.0.1:{port}: connect: connection refused"
        in refused.err
    )


async def test_a_log_is_of_one_container(running: Plane) -> None:
    served = server_context(running.authority.serving("127.0.0.1"))
    answers = {"/containerLogs/default/p/b?timestamps=true": (200, b"one line\n")}
    async with ScriptedKubelet(Serve(served, answers), SystemClock()) as kubelet:
        with_node(running, kubelet.port)
        with_pod(running, "a", "b")
        assert await running.does("logs", "p", "-c", "b", "--timestamps") == "one line\n"
        raw = "/api/v1/namespaces/default/pods/p/log"
        several = await running.kubectl("get", "--raw", raw)
        unknown = await running.kubectl("get", "--raw", f"{raw}?container=x")
    assert "a container name must be specified for pod p, choose one of: [a b]" in several.err
    assert "container x is not valid for pod p" in unknown.err


async def test_whoever_may_not_is_not_let_through(running: Plane) -> None:
    running.knows("eve", running.authority.client("eve"))
    async with ScriptedKubelet(NO_CERTIFICATE, SystemClock()) as kubelet:
        with_node(running, kubelet.port)
        refused = await running.kubectl(*RAW, user="eve")
    assert 'User "eve" cannot get resource "nodes/proxy" in API group ""' in refused.err
    assert kubelet.seen == []


async def test_half_an_answer_is_not_taken_for_a_whole_one(running: Plane) -> None:
    served = server_context(running.authority.serving("127.0.0.1"))

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this")
        await writer.drain()
        writer.transport.abort()

    server = await asyncio.start_server(half, "127.0.0.1", 0, ssl=served)
    async with server:
        with_node(running, server.sockets[0].getsockname()[1])
        with_pod(running, "c")
        for words in (RAW, ("logs", "p")):
            ran = await running.kubectl(*words)
            assert ran.code == 1, ran
            assert "EOF" in ran.err or "connection reset" in ran.err, ran
    assert (await running.does("get", "nodes", "-o", "name")) == "node/n1\n", "the server lives on"


async def test_a_log_that_goes_on_is_followed(running: Plane) -> None:
    served = server_context(running.authority.serving("127.0.0.1"))
    seen, go_on = asyncio.Event(), asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert b"follow=true" in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst\n\r\n")
        await go_on.wait()
        writer.write(b"7\r\nsecond\n\r\n0\r\n\r\n")
        await writer.drain()
        writer.close()
        seen.set()

    server = await asyncio.start_server(slow, "127.0.0.1", 0, ssl=served)
    async with server:
        with_node(running, server.sockets[0].getsockname()[1])
        with_pod(running, "c")
        process = await running.start("logs", "-f", "p")
        assert process.stdout
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"first\n"
            go_on.set()
            assert await process.stdout.read() == b"second\n"
            await seen.wait()
            assert await process.wait() == 0
