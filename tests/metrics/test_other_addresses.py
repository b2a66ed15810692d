"""A certificate need not cover the address that is preferred: another one of the node's is used, and must prove as much."""

import contextlib
import socket
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from kubevouch.kubelet.io.names import Place
from kubevouch.kubelet.io.trust import KubeletRoots
from kubevouch.metrics.fleet import KubeletAddressing
from kubevouch.metrics.scraping import ScrapeSettings
from tests.metrics.conftest import PATH, Cluster, Live, Page
from tests.support.authority import Authority
from tests.support.contexts import server_context
from tests.support.scripted.kubelet import SILENCE, ScriptedKubelet, Serve

BOTH = KubeletAddressing(address_types=("InternalIP", "ExternalIP"), use_status_port=True)
ADDRESSES = {"InternalIP": "127.0.0.2", "ExternalIP": "127.0.0.1"}


def claim(
    cluster: Cluster, running: ScriptedKubelet, addresses: dict[str, str] = ADDRESSES
) -> None:
    """The Node n1 says that its kubelet is at these addresses, at the port of the running one."""

    def status(thing: dict[str, Any]) -> dict[str, Any]:
        return {**thing, "status": cluster._node("n1", running, addresses=addresses)["status"]}

    cluster.change_node("n1", status)


async def test_an_address_that_the_certificate_covers_is_used_and_told_of(cluster: Cluster) -> None:
    running = await cluster.add("n1", host="0.0.0.0", addresses=ADDRESSES)
    async with cluster.collecting(addressing=BOTH) as collector:
        for _ in range(3):
            assert await cluster.round() == {"n1": None}
        assert collector.store.node("n1") is not None
        result = collector.results["n1"]
        assert result.reached.address == "127.0.0.1"
        assert result.reached.instead == (
            f'Get "https://127.0.0.2:{running.port}/metrics/resource": tls: failed to verify certificate: '
            "x509: certificate is valid for 127.0.0.1, ::1, not 127.0.0.2"
        )
        [(name, before, now)] = cluster.heard.changes
        assert (name, before, now.reached) == ("n1", None, result.reached)
    # Looked at, and looked at again for its reason, at the preferred one; then one connection for all scrapes.
    assert [bool(each.sent) for each in running.seen] == [False, False, True]
    assert running.sent.count(b"Host: 127.0.0.1:") == 3


async def test_the_preferred_address_is_used_again_once_it_is_covered(cluster: Cluster) -> None:
    running = await cluster.add("n1", host="0.0.0.0", addresses=ADDRESSES)
    async with cluster.collecting(addressing=BOTH) as collector:
        await cluster.round()
        assert collector.results["n1"].reached.address == "127.0.0.1"
        running.behaviour = cluster.serve("n1", "127.0.0.1", "127.0.0.2")
        await cluster.round(seconds=600)
        assert collector.results["n1"].reached.address == "127.0.0.2"
        assert collector.results["n1"].reached.instead == ""


async def test_another_address_that_the_next_certificate_does_not_cover_is_left_at_once(
    cluster: Cluster,
) -> None:
    """As after `kubevouch apply`: the kubelet comes back with a certificate for the preferred address alone."""
    running = await cluster.add("n1", host="0.0.0.0", addresses=ADDRESSES)
    async with cluster.collecting(addressing=BOTH) as collector:
        await cluster.round()
        assert collector.results["n1"].reached.address == "127.0.0.1"
        running.behaviour = cluster.serve("n1", "127.0.0.2")
        running.cut()
        assert await cluster.round() == {"n1": None}
        assert collector.results["n1"].reached.address == "127.0.0.2"


async def test_another_address_at_which_nobody_answers_in_time_is_left_for_the_next_scrape(
    cluster: Cluster,
) -> None:
    running = await cluster.add("n1", host="0.0.0.0", addresses=ADDRESSES)
    settings = ScrapeSettings(timeout=0.5)
    async with cluster.collecting(addressing=BOTH, settings=settings) as collector:
        await cluster.round()
        running.behaviour = SILENCE
        running.cut()
        failures = await cluster.round()
        assert failures["n1"] is not None
        assert failures["n1"].reason == "deadline"
        running.behaviour = cluster.serve("n1", "127.0.0.2")
        assert await cluster.round() == {"n1": None}
        assert collector.results["n1"].reached.address == "127.0.0.2"


async def test_what_the_node_itself_answers_at_another_address_counts(cluster: Cluster) -> None:
    """A refused token is renewed there, too, and the log has the kubelet's 403 and nothing about its certificate."""
    running = await cluster.add("n1", host="0.0.0.0", addresses=ADDRESSES)
    serving = running.behaviour
    assert isinstance(serving, Serve)
    running.behaviour = Serve(serving.context, {PATH: (403, b"Forbidden")})
    async with cluster.collecting(addressing=BOTH) as collector:
        failures = await cluster.round()
        assert failures["n1"] is not None
        assert failures["n1"].reason == "http-403"
        assert collector.results["n1"].reached.address == "127.0.0.1"


async def test_who_answers_at_the_other_address_must_be_the_node_too(cluster: Cluster) -> None:
    """The Node says which addresses it has, and whatever it says proves nothing."""
    wrong = await cluster.add("n1", cluster.serve("n1", "127.0.0.1"), host="127.0.0.2")
    stranger = await cluster.add("n2", cluster.serve("n2", "127.0.0.1"), port=wrong.port)

    claim(cluster, wrong)
    async with cluster.collecting(addressing=BOTH):
        await cluster.round("n1", "n2")
        failure = cluster.heard.failure("n1")
        assert failure is not None
        assert failure.reason == "address-not-covered"
        assert "valid for 127.0.0.1, not 127.0.0.2" in failure.text
        assert cluster.heard.failure("n2") is None
    assert wrong.sent == b""
    assert stranger.sent.count(b"GET ") == 1


@pytest.mark.parametrize(
    "addresses",
    [
        {"InternalIP": "127.0.0.2", "ExternalIP": "127.0.0.3"},
        {"InternalIP": "127.0.0.2", "InternalDNS": "127.0.0.1"},
    ],
    ids=["not covered either", "not of a preferred type"],
)
async def test_no_other_address_is_dialled(cluster: Cluster, addresses: dict[str, str]) -> None:
    running = await cluster.add("n1", host="0.0.0.0", addresses=addresses)
    async with cluster.collecting(addressing=BOTH):
        await cluster.round()
        failure = cluster.heard.failure("n1")
        assert failure is not None
        assert "not 127.0.0.2" in failure.text
    assert len(running.seen) == 2
    assert running.sent == b""


async def test_a_certificate_that_is_not_trusted_is_not_tried_elsewhere(cluster: Cluster) -> None:
    other = cluster.stranger("n1", "127.0.0.1")
    running = await cluster.add("n1", other, host="0.0.0.0", addresses=ADDRESSES)
    async with cluster.collecting(addressing=BOTH):
        await cluster.round()
    assert len(running.seen) == 2
    assert running.sent == b""


@pytest.mark.parametrize("signed_for", [False, True])
async def test_whoever_cannot_be_verified_is_asked_only_where_the_kubelet_is_at_no_other_address(
    cluster: Cluster, signed_for: bool
) -> None:
    impostor = await cluster.add("n1", cluster.stranger("n1", "127.0.0.2"), host="127.0.0.2")
    own = await cluster.add("n2", cluster.serve("n1", "127.0.0.1"), port=impostor.port)

    claim(cluster, impostor)
    settings = ScrapeSettings(
        insecure_everywhere=not signed_for, insecure_nodes=frozenset(["n1"] * signed_for)
    )
    async with cluster.collecting(addressing=BOTH, settings=settings) as collector:
        await cluster.round("n1")
        assert cluster.heard.failure("n1") is None
        assert collector.results["n1"].reached.address == "127.0.0.1"
        assert collector.results["n1"].reached.doubt == ""
    assert impostor.sent == b""
    assert own.sent.count(b"Authorization: Bearer first-token\r\n") >= 1


@pytest.mark.parametrize("how", ["a minute later", "at a new preferred address"])
async def test_where_the_kubelet_can_be_verified_by_now_nobody_else_is_asked(
    cluster: Cluster, how: str
) -> None:
    """Whom an operator signed for gets a token only as long as the node can be verified at no other of its addresses."""
    impostor = await cluster.add("n1", cluster.stranger("n1", "127.0.0.2"), host="127.0.0.2")
    addresses = dict(ADDRESSES)
    claim(cluster, impostor, addresses)
    settings = ScrapeSettings(insecure_nodes=frozenset(["n1"]))
    async with cluster.collecting(addressing=BOTH, settings=settings) as collector:
        await cluster.round("n1")
        assert collector.results["n1"].reached.credential == "token"
        await cluster.add("n2", cluster.serve("n1", "127.0.0.1"), port=impostor.port)
        if how == "a minute later":
            await cluster.round("n1", seconds=60)
        else:
            other = await cluster.add(
                "n3", cluster.stranger("n1", "127.0.0.3"), host="127.0.0.3", port=impostor.port
            )
            addresses["InternalIP"] = "127.0.0.3"
            claim(cluster, impostor, addresses)
            await cluster.heard.until(lambda: collector.fleet.nodes["n1"].address == "127.0.0.3")
            await cluster.round("n1")
            assert b"Authorization" not in other.sent
        reached = collector.results["n1"].reached
        assert (reached.address, reached.doubt) == ("127.0.0.1", "")
    assert impostor.sent.count(b"Authorization: ") == 1


async def test_at_another_port_the_kubelet_is_sought_anew_before_an_impostor_gets_a_token(
    cluster: Cluster,
) -> None:
    """That it could be verified nowhere was so at the port before."""
    stranger = await cluster.add("n1", cluster.stranger("n1", "127.0.0.2"), host="127.0.0.2")
    claim(cluster, stranger)
    settings = ScrapeSettings(insecure_nodes=frozenset(["n1"]))
    async with cluster.collecting(addressing=BOTH, settings=settings) as collector:
        await cluster.round("n1")
        assert collector.results["n1"].reached.credential == "token"
        own = await cluster.add("n2", cluster.serve("n1", "127.0.0.1"))
        impostor = await cluster.add(
            "n3", cluster.stranger("n1", "127.0.0.2"), host="127.0.0.2", port=own.port
        )
        port = stranger.port = own.port
        claim(cluster, stranger)
        await cluster.heard.until(lambda: collector.fleet.nodes["n1"].port == port)
        await cluster.round("n1")
        assert collector.results["n1"].reached.address == "127.0.0.1"
    assert impostor.sent == b""


async def test_where_a_connection_to_an_unverified_kubelet_ends_it_is_sought_anew(
    cluster: Cluster,
) -> None:
    """Whoever can end it may be who answers there next."""
    impostor = await cluster.add("n1", cluster.stranger("n1", "127.0.0.2"), host="127.0.0.2")

    claim(cluster, impostor)
    settings = ScrapeSettings(insecure_nodes=frozenset(["n1"]))
    async with cluster.collecting(addressing=BOTH, settings=settings) as collector:
        await cluster.round("n1")
        assert collector.results["n1"].reached.credential == "token"
        given = impostor.sent.count(b"Authorization")
        impostor.cut()
        await cluster.add("n2", cluster.serve("n1", "127.0.0.1"), port=impostor.port)
        assert (await cluster.round("n1"))["n1"] is None
        assert collector.results["n1"].reached.address == "127.0.0.1"
    assert impostor.sent.count(b"Authorization") == given


async def test_with_other_authorities_the_kubelet_is_sought_anew(cluster: Cluster) -> None:
    impostor = await cluster.add("n1", cluster.stranger("n1", "127.0.0.2"), host="127.0.0.2")
    newer = Authority("newer")
    context = server_context(newer.serving("127.0.0.1", node="n1"))
    await cluster.add("n2", Serve(context, Live(Page("n1"))), port=impostor.port)

    claim(cluster, impostor)
    settings = ScrapeSettings(insecure_nodes=frozenset(["n1"]))
    async with cluster.collecting(addressing=BOTH, settings=settings) as collector:
        await cluster.round("n1")
        assert collector.results["n1"].reached.credential == "token"
        given = impostor.sent.count(b"Authorization")
        cluster.roots = KubeletRoots(newer.pem)
        await cluster.round("n1")
        assert collector.results["n1"].reached.address == "127.0.0.1"
    assert impostor.sent.count(b"Authorization") == given


async def test_other_addresses_that_answer_nobody_leave_time_for_whom_an_operator_signed_for(
    cluster: Cluster,
) -> None:
    running = await cluster.add("n1", cluster.stranger("n1", "127.0.0.2"), host="127.0.0.2")
    await cluster.add("n2", SILENCE, port=running.port)

    claim(cluster, running)
    settings = ScrapeSettings(insecure_nodes=frozenset(["n1"]), timeout=6.0)
    async with cluster.collecting(addressing=BOTH, settings=settings) as collector:
        await cluster.round("n1")
        assert cluster.heard.failure("n1") is None
        assert collector.results["n1"].reached.credential == "token"


NAMES = KubeletAddressing(address_types=("Hostname", "InternalIP"), use_status_port=True)


def no_such_host(_: str) -> Sequence[Place]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def test_an_address_is_used_where_the_name_is_unknown(cluster: Cluster) -> None:
    addresses = {"Hostname": "n1.example", "InternalIP": "127.0.0.1"}
    running = await cluster.add("n1", addresses=addresses)
    async with cluster.collecting(addressing=NAMES, look_up=no_such_host) as collector:
        assert await cluster.round() == {"n1": None}
        reached = collector.results["n1"].reached
        assert reached.address == "127.0.0.1"
        assert reached.instead.endswith("dial tcp: lookup n1.example: no such host")
    assert running.sent.count(b"GET ") == 1


async def test_why_it_is_not_read_at_the_address_either_is_said_beside_the_unknown_name(
    cluster: Cluster,
) -> None:
    """Otherwise somebody would mend the names first, and in vain."""
    addresses = {"Hostname": "n1.example", "InternalIP": "127.0.0.1"}
    running = await cluster.add("n1", cluster.stranger("n1", "127.0.0.1"), addresses=addresses)
    async with cluster.collecting(addressing=NAMES, look_up=no_such_host) as collector:
        failure = (await cluster.round())["n1"]
    assert failure is not None
    name, _, address = failure.text.partition("; ")
    assert name.endswith("dial tcp: lookup n1.example: no such host")
    assert address.startswith('Get "https://127.0.0.1:')
    assert address.endswith("x509: certificate signed by unknown authority")
    assert failure.reason == collector.results["n1"].reason == "unknown-authority"
    assert not running.sent


async def test_names_that_resolve_slowly_delay_their_own_nodes_only(cluster: Cluster) -> None:
    """And a name that was resolved before goes on to be used."""
    let_go, asked = threading.Event(), []

    def look_up(host: str) -> Sequence[Place]:
        asked.append(host)
        if host.startswith("slow") or len(asked) > 50:
            assert let_go.wait(60)
        return [(socket.AF_INET, ("127.0.0.1", 0))]

    slow = [f"slow-{number}" for number in range(40)]
    for name in slow:
        await cluster.add(name, addresses={"Hostname": f"{name}.example"})
    by_name = cluster.serve("named", "named.example")
    await cluster.add("named", by_name, addresses={"Hostname": "named.example"})
    await cluster.add("addressed")
    settings = ScrapeSettings(timeout=2.0)
    with contextlib.ExitStack() as stack:
        stack.callback(let_go.set)
        async with cluster.collecting(
            settings=settings, addressing=NAMES, look_up=look_up
        ) as collector:
            for _ in range(3):
                await cluster.round("addressed")
            assert cluster.heard.failure("addressed") is None
            assert collector.store.node("addressed") is not None
            await cluster.heard.until(lambda: len(collector.results) == 42)
            assert {collector.results[name].reason for name in slow} <= {"deadline", "name-unknown"}
            # Each name takes one thread at most, however often it is asked for.
            assert sum(each.name.startswith("resolve slow") for each in threading.enumerate()) <= 40


async def test_the_path_and_port_are_the_same_at_the_other_address(cluster: Cluster) -> None:
    serve = cluster.serve("n1")
    annotations = {"metrics.k8s.io/resource-metrics-path": "/elsewhere"}
    answers = {"/elsewhere": (200, serve.answers.get(PATH)[1])}  # type: ignore[index]
    running = await cluster.add(
        "n1",
        Serve(serve.context, answers),
        host="0.0.0.0",
        addresses=ADDRESSES,
        annotations=annotations,
    )
    async with cluster.collecting(addressing=BOTH):
        assert await cluster.round() == {"n1": None}
    assert b"GET /elsewhere HTTP/1.1\r\nHost: 127.0.0.1:" in running.sent
