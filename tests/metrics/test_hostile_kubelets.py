"""Whatever a kubelet does, or whoever stands in its place: it costs its own row only, and no stranger gets the token."""

import gc
import gzip
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import pytest

from kubevouch.kubelet.io.fetch import FetchFailed
from kubevouch.kubelet.io.stream import TlsStream
from kubevouch.kubelet.response import ResponseReader
from kubevouch.metrics.scraping import ScrapeSettings
from tests.metrics.conftest import ADDRESS, PATH, Cluster, Live, Page, nodes_served, pods_served
from tests.support.authority import Authority, Pair
from tests.support.bombs import gzip_bomb, gzip_of_nothing
from tests.support.contexts import server_context
from tests.support.scripted.kubelet import (
    HANG_UP,
    NO_CERTIFICATE,
    PLAIN_HTTP,
    SILENCE,
    Behaviour,
    Raw,
    Serve,
)

# Who says nothing is waited for so long; whoever answers has time enough on a machine with other work.
HASTY, PATIENT = ScrapeSettings(timeout=2.0), ScrapeSettings(timeout=60.0)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
DAY = timedelta(days=1)


def gzipped(body: bytes, length: int = 0) -> Raw:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    return Raw(head % (length or len(body)) + body, then="stay" if not length else "close")


ANSWERS: dict[str, tuple[str, tuple[int, bytes] | Raw]] = {
    "stalls in the page": ("deadline", Raw(CHUNKED + b"40\r\nnode_", then="hold")),
    "stalls in the head": ("deadline", Raw(b"HTTP/1.1 200 OK\r\nX", then="hold")),
    "half a page": ("no-answer", Raw(CHUNKED + b"40\r\nnode_", then="close")),
    "hangs up": ("no-answer", Raw(b"", then="close")),
    "100 MB": ("too-large", Raw(CHUNKED, b"10000\r\n" + b"#" * 65536 + b"\r\n", 1600)),
    "100 MB, told before": (
        "too-large",
        Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n", b"#" * 65536, 1600),
    ),
    "100 MB of head": (
        "too-large",
        Raw(b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 65536 + b"\r\n", 1600),
    ),
    "a gzip bomb": ("too-large", gzipped(gzip_bomb(100))),
    "a gzip of nothing": ("too-large", gzipped(gzip_of_nothing(3 << 20))),
    "half a gzip": ("no-answer", gzipped(gzip.compress(b"node_cpu 1\n" * 99)[:60], 200)),
    "a gzip cut short": ("no-answer", gzipped(gzip.compress(b"node_cpu 1\n" * 99)[:-8])),
    "not even gzip": ("no-answer", gzipped(b"node_cpu_usage_seconds_total 1 7\n")),
    "a million chunks": ("no-answer", Raw(CHUNKED, b"1\r\n#\r\n" * 1000, 1000)),
    "endless announcements": ("no-answer", Raw(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 100)),
    "another protocol": ("no-answer", Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")),
    "a web page": ("unreadable", (200, b"<html>hello</html>\n")),
    "not text": ("unreadable", (200, bytes(range(256)) * 8)),
    "a lie": (
        "unreadable",
        (200, b"node_cpu_usage_seconds_total 1e300 9\n" + b"container_x{" * 99 + b"\n"),
    ),
    "refuses the token": ("http-401", (401, b"Unauthorized")),
    "an error of many words": (
        "http-5xx",
        Raw(b"HTTP/1.1 500 " + b"no " * 20_000 + b"\r\nContent-Length: 0\r\n\r\n"),
    ),
    "an error": ("http-5xx", (500, b"Internal Error: no stats")),
}


WITHOUT_TLS: dict[str, tuple[str, Behaviour]] = {
    "silent": ("deadline", SILENCE),
    "no certificate": ("alert", NO_CERTIFICATE),
    "hangs up": ("ended", HANG_UP),
    "plain HTTP": ("plain-http", PLAIN_HTTP),
}


PAST = datetime.now(UTC) - DAY
STRANGERS: dict[str, tuple[str, Callable[[Authority], Pair]]] = {
    "another node's": ("wrong-identity", lambda ca: ca.serving(ADDRESS, node="good")),
    "without the name of a node": ("wrong-identity", lambda ca: ca.serving(ADDRESS)),
    "a user's name": ("wrong-identity", lambda ca: ca.serving(ADDRESS, common_name="admin")),
    "not of the group of nodes": (
        "wrong-identity",
        lambda ca: ca.serving(ADDRESS, common_name="system:node:bad"),
    ),
    "another authority's": (
        "unknown-authority",
        lambda _: Authority("x").serving(ADDRESS, node="bad"),
    ),
    "for another address": ("address-not-covered", lambda ca: ca.serving("10.0.0.9", node="bad")),
    "expired": ("expired", lambda ca: ca.serving(ADDRESS, node="bad", not_after=PAST)),
}


def _bad(cluster: Cluster, name: str) -> tuple[str, Behaviour]:
    """One of all these, and why its scrape fails."""
    if name in WITHOUT_TLS:
        return WITHOUT_TLS[name]
    if name in ANSWERS:
        reason, answer = ANSWERS[name]
        return reason, Serve(cluster.serve("bad").context, {PATH: answer})
    reason, of = STRANGERS[name]
    return reason, Serve(server_context(of(cluster.authority)), Live(Page("bad")))


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_kubelet_that_answers_badly_costs_its_own_row_only(
    cluster: Cluster, name: str
) -> None:
    await _costs_its_own_row_only(cluster, name)


@pytest.mark.parametrize("name", [*WITHOUT_TLS, *STRANGERS])
async def test_who_is_not_the_node_gets_not_one_byte(cluster: Cluster, name: str) -> None:
    if name == "expired":
        # By the clock of the test, which stands still before the certificate's end.
        cluster.clock.jump(datetime.now(UTC) - cluster.clock.now())
    assert await _costs_its_own_row_only(cluster, name) == b""


async def _costs_its_own_row_only(cluster: Cluster, name: str) -> bytes:
    """Returns what the bad one was sent."""
    reason, behaviour = _bad(cluster, name)
    await cluster.add("good")
    bad = await cluster.add("bad", behaviour)
    settings = HASTY if reason == "deadline" else PATIENT
    async with cluster.collecting(settings=settings) as collector:
        for _ in range(2):
            # The good one is never waited for longer than it takes.
            await cluster.round("good")
            await cluster.heard.until(lambda: cluster.heard.failure("bad") is not None)
        assert sorted(nodes_served(collector)) == ["good"]
        assert sorted(pods_served(collector)) == [("ns", "good-0")]
        assert cluster.heard.failure("good") is None
        failure = cluster.heard.refused("bad")
        assert failure.reason == reason
        assert failure.text.isprintable()
        assert len(failure.text) <= 2000
    assert bad.seen
    return bad.sent


@pytest.mark.parametrize("name", [*ANSWERS, *WITHOUT_TLS, *list(STRANGERS)[:-1]])
async def test_what_a_failed_scrape_has_received_goes_with_it(cluster: Cluster, name: str) -> None:
    """A page that fails may be 8 MiB: none waits for the garbage collector, which may come after forty of them."""
    reason, behaviour = _bad(cluster, name)
    await cluster.add("bad", behaviour)
    settings = HASTY if reason == "deadline" else PATIENT
    gc.collect()
    before = _left_of_scrapes()
    gc.disable()
    try:
        async with cluster.collecting(settings=settings):
            await cluster.round()
            assert cluster.heard.failure("bad") is not None
            assert _left_of_scrapes() <= before + (name in KEPT)
    finally:
        gc.enable()


KEPT = {
    "refuses the token",
    "an error of many words",
    "an error",
    "a web page",
    "not text",
    "a lie",
}
"""After these answers the connection is still good."""


def _left_of_scrapes() -> int:
    left = (ResponseReader, TlsStream, FetchFailed)
    return sum(isinstance(each, left) for each in gc.get_objects())


async def test_a_redirect_leads_nowhere(cluster: Cluster) -> None:
    elsewhere = await cluster.add("elsewhere")
    to = f"https://{ADDRESS}:{elsewhere.port}{PATH}".encode()
    head = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % to
    await cluster.add("bad", Serve(cluster.serve("bad").context, {PATH: Raw(head)}))
    async with cluster.collecting():
        await cluster.round()
        failure = await cluster.refusal("bad")
        assert failure.text == 'request failed, status: "307 Temporary Redirect"'
    assert elsewhere.sent.count(b"GET ") == 2
    assert len(elsewhere.seen) == 1


class Counters(dict[str, tuple[int, bytes]]):
    """A page whose counters are what the test says, each 15 seconds after the one before."""

    def __init__(self, used: Iterable[float]) -> None:
        super().__init__()
        self._used = iter(used)
        self._at = 1_795_000_000_000

    def get(self, path: str, otherwise: object = None) -> tuple[int, bytes]:
        used, self._at = next(self._used), self._at + 15_000
        return 200, (
            f"node_cpu_usage_seconds_total {used} {self._at}\n"
            f"node_memory_working_set_bytes 1024 {self._at}\n"
        ).encode()


async def test_a_kubelet_that_resets_its_counters_has_no_row_at_first(
    cluster: Cluster,
) -> None:
    await cluster.add("good")
    used = Counters([100.0, 107.5, 3.0, 18.0, 33.0])
    await cluster.add("bad", Serve(cluster.serve("bad").context, used))
    cores: list[float | None] = []
    async with cluster.collecting() as collector:
        for number in range(5):
            await cluster.round()
            usage = collector.store.node("bad")
            cores.append(usage.cpu_nanocores / 1e9 if usage else None)
            if number:
                assert collector.store.node("good") is not None
        assert cluster.heard.failure("bad") is None
    assert cores == [None, 0.5, None, 1.0, 1.0]


async def test_two_fifths_of_silent_nodes_delay_none_of_the_others(cluster: Cluster) -> None:
    """From the first scrape on, when nobody knows yet who is silent."""
    silent = [f"silent-{number}" for number in range(12)]
    good = [f"good-{number}" for number in range(18)]
    for name in silent:
        await cluster.add(name, SILENCE)
    for name in good:
        await cluster.add(name)
    settings = ScrapeSettings(timeout=60.0)
    async with cluster.collecting(settings=settings) as collector:
        for _ in range(4):
            await cluster.round(*good)
        # The silent ones still hang in their first scrape: nobody has waited for any of them.
        assert not set(silent) & set(collector.scraper.results)
        assert sorted(nodes_served(collector)) == sorted(good)


async def test_kubelets_of_k3s_and_kops_are_read(cluster: Cluster) -> None:
    """Their certificates have the node's name as CN and DNS name, and no group (k3s-io/k3s pkg/server/handlers, kops pkg/pki)."""
    pair = cluster.authority.serving("good", "localhost", ADDRESS, common_name="good")
    await cluster.add("good", Serve(server_context(pair), Live(Page("good"))))
    async with cluster.collecting(settings=PATIENT) as collector:
        await cluster.rounds(2)
        assert cluster.heard.failure("good") is None
        assert sorted(nodes_served(collector)) == ["good"]


# Who stands at the address of the node `bad`: CN, O and names, each a change of what k3s or kops would sign.
NOT_TWICE: dict[str, tuple[str, str | None, list[str]]] = {
    "another node's": ("good", None, ["good"]),
    "the address only": (ADDRESS, None, []),
    "its CN only": ("bad", None, ["localhost"]),
    "a control plane component's, which has its DNS name": ("kube-apiserver", None, ["bad"]),
    "its CN, and another's DNS name": ("bad", None, ["good"]),
    "its CN in capitals": ("BAD", None, ["bad"]),
    "its name and more": ("bad.svc", None, ["bad.svc", "bad"]),
    "a wildcard": ("*.bad", None, ["*.bad", "bad"]),
    "system:node: without the group": ("system:node:bad", None, ["bad"]),
    "the group with a plain CN of another": ("good", "system:nodes", ["bad"]),
}


@pytest.mark.parametrize("impostor", NOT_TWICE)
async def test_who_has_not_the_nodes_name_twice_gets_not_one_byte(
    cluster: Cluster, impostor: str
) -> None:
    common_name, group, names = NOT_TWICE[impostor]
    pair = cluster.authority.serving(*names, ADDRESS, common_name=common_name, group=group)
    bad = await cluster.add("bad", Serve(server_context(pair), Live(Page("bad"))))
    async with cluster.collecting(settings=PATIENT):
        failure = await cluster.refusal("bad")
    assert failure.reason == "wrong-identity"
    assert bad.seen
    assert bad.sent == b""
