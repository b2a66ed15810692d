"""A node writes its own addresses, and whoever answers for its names says where they are: neither holds up the others."""

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from kubevouch.kubelet.io import dial, handshake
from kubevouch.kubelet.io.names import Place
from kubevouch.metrics.fleet import METRICS_PATH
from kubevouch.metrics.scraping import ScrapeSettings
from kubevouch.x509 import chains
from tests.metrics.conftest import ADDRESS, Cluster, Live, Page
from tests.support.authority import Authority
from tests.support.contexts import server_context
from tests.support.scripted.kubelet import Serve
from tests.support.tangled_chain import tangled_chain

NAMES = ScrapeSettings(address_types=("InternalDNS",))

HOSTS = ScrapeSettings(address_types=("Hostname", "InternalIP"), timeout=2.0)


def at_home(_: str) -> Sequence[Place]:
    return [(socket.AF_INET, (ADDRESS, 0))]


def called(cluster: Cluster, node: str, *names: str) -> None:
    def change(found: dict[str, Any]) -> dict[str, Any]:
        found["status"]["addresses"] = [{"type": "InternalDNS", "address": each} for each in names]
        return found

    cluster.change_node(node, change)


def counted(patch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[tuple[Any, ...]]:
    """The calls of a function of a module, which does its work as before. A count says on each machine what a clock says on a fast one only."""
    work: Callable[..., object] = getattr(module, name)
    calls: list[tuple[Any, ...]] = []

    def call(*asked: object) -> object:
        calls.append(asked)
        return work(*asked)

    patch.setattr(module, name, call)
    return calls


async def test_a_stranger_who_shows_thousands_of_names_holds_up_nobody(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are compared with the node's address as they are, and letter by letter only where they may be it."""
    shown = Authority("x").serving(*["a"] * 5_000)
    await cluster.add("bad", Serve(server_context(shown), Live(Page("bad"))))
    called(cluster, "bad", "bad.example")
    settings = msgspec.structs.replace(NAMES, timeout=60.0)
    read = counted(monkeypatch, dial, "read_certificate_der")
    compared = counted(monkeypatch, import_module("kubevouch.x509.verify"), "_covers")
    async with cluster.collecting(look_up=at_home, settings=settings):
        failure = await cluster.refusal("bad")
    assert failure.reason == "name-not-covered"
    assert "valid for 5000 names" in failure.text
    assert (len(read), len(compared)) == (1, 0)


async def test_a_chain_that_leads_nowhere_by_a_hundred_ways_is_not_gone_through(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen certificates whose signatures took half a millisecond each, a hundred times."""
    shown = tangled_chain("bad.example")
    await cluster.add("bad", Serve(server_context(shown), Live(Page("bad"))))
    called(cluster, "bad", "bad.example")
    settings = msgspec.structs.replace(NAMES, timeout=60.0)
    checked = counted(monkeypatch, chains, "signature_error")
    async with cluster.collecting(look_up=at_home, settings=settings):
        failure = await cluster.refusal("bad")
    assert failure.reason == "signature-limit"
    # Each of the 16 signatures once, by their one key and by the cluster's.
    assert 0 < len(checked) <= 2 * 16


async def test_a_name_that_is_at_thousands_of_addresses_holds_up_nobody(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever answers for a name may name as many as an answer of DNS has room for: none of them takes a connection."""
    asked: list[str] = []

    def everywhere(host: str) -> Sequence[Place]:
        asked.append(host)
        return [(socket.AF_INET, ("255.255.255.255", 0))] * 10_000

    await cluster.add("bad")
    called(cluster, "bad", "bad.example")
    tried = counted(monkeypatch, handshake, "joined")
    async with cluster.collecting(settings=NAMES, look_up=everywhere):
        await cluster.round()
        assert cluster.heard.failure("bad") is not None
    assert asked == ["bad.example"]
    assert 0 < len(tried) <= 16


@pytest.mark.parametrize("letter", ["e", "é", "\n"])
async def test_an_address_longer_than_any_name_is_none(cluster: Cluster, letter: str) -> None:
    """To tell that the resolver does not know it would take up to twelve seconds."""
    await cluster.add("bad")
    called(cluster, "bad", f"{letter}." * 100_000)
    asked: list[str] = []

    def look_up(host: str) -> Sequence[Place]:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with cluster.collecting(settings=NAMES, look_up=look_up):
        failure = await cluster.refusal("bad")
    assert failure.reason == "no-address"
    assert failure.text == "no address matched types [InternalDNS]"
    assert asked == []


@pytest.mark.parametrize("letter", ["e", "é", "\n"])
async def test_a_path_longer_than_any_is_not_asked_for(cluster: Cluster, letter: str) -> None:
    """A kubelet may write 256 KiB of it into its own Node: escaped anew for each scrape, and kept three times as long."""
    await cluster.add("bad", annotations={METRICS_PATH: "/" + 1024 * letter})
    longest = "/" + 1023 * letter
    await cluster.add("good", annotations={METRICS_PATH: longest})
    async with cluster.collecting() as collector:
        failure = await cluster.refusal("bad")
        assert failure.reason == "path-too-long"
        assert failure.text == (
            "the Node's annotation metrics.k8s.io/resource-metrics-path is longer than 1024 characters"
        )
        assert collector.scraper.results["bad"].reason == "path-too-long"
        assert len(collector.fleet.nodes["bad"].path) <= 1024
    assert cluster.kubelets["bad"].seen == []
    assert f"GET {quote(longest)} HTTP/1.1\r\n".encode() in cluster.kubelets["good"].sent


async def test_what_a_node_calls_itself_is_told_in_one_printable_line(cluster: Cluster) -> None:
    await cluster.add("bad")
    called(cluster, "bad", 'a\nE1130 "Failed to scrape node" node="good"\x1b[2J')
    async with cluster.collecting(settings=NAMES):
        failure = await cluster.refusal("bad")
    assert failure.text.isprintable()


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
    with contextlib.ExitStack() as stack:
        stack.callback(let_go.set)
        async with cluster.collecting(settings=HOSTS, look_up=look_up) as collector:
            for _ in range(3):
                await cluster.round("addressed")
            assert cluster.heard.failure("addressed") is None
            assert collector.store.node("addressed") is not None
            await cluster.heard.until(lambda: len(collector.scraper.results) == 42)
            assert {collector.scraper.results[name].reason for name in slow} <= {
                "deadline",
                "name-unknown",
            }
            # Each name takes one thread at most, however often it is asked for.
            assert sum(each.name.startswith("resolve slow") for each in threading.enumerate()) <= 40
