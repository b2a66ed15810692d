"""Where many CSRs wait, one list of versions says which Nodes are still as the watch has shown them; the others are read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest

from kubevouch.approve.act.live_nodes import A_CROWD, SHARED, NodeReader
from kubevouch.approve.decide.view import ClusterView
from kubevouch.clock import Clock
from kubevouch.kube.resources import Node
from kubevouch_lab.apiserver import status
from tests.approve.conftest import NODE, Cluster, approving
from tests.support.apiservers import access_to, client_of
from tests.support.clocks import WoundClock
from tests.support.scripted import faults

NODES = "/api/v1/nodes"
MANY = A_CROWD + 4


def lists(cluster: Cluster) -> int:
    """How often the versions of all Nodes were asked for."""
    return sum(
        each.path == NODES and "PartialObjectMetadataList" in each.headers["Accept"]
        for each in cluster.server.requests
    )


def read(cluster: Cluster) -> set[str]:
    """The Nodes that were read one by one."""
    paths = (each.path for each in cluster.server.requests if each.method == "GET")
    return {path.rpartition("/")[2] for path in paths if path.startswith(f"{NODES}/")}


def crowd(cluster: Cluster, count: int = MANY) -> list[str]:
    """So many nodes, and a CSR of each. Returns the names of the CSRs."""
    cluster.listed(*(f"n{number}" for number in range(1, count + 1)))
    return ask(cluster, count)


def ask(cluster: Cluster, count: int = MANY) -> list[str]:
    for number in range(1, count + 1):
        cluster.csr(f"csr-{number}", f"n{number}")
    return [f"csr-{number}" for number in range(1, count + 1)]


@contextlib.asynccontextmanager
async def blind_to_nodes(cluster: Cluster) -> AsyncIterator[None]:
    """The approver that runs sees no change of a Node while the block lasts."""
    await cluster.until(lambda: cluster.server.watches.open == 3)
    cluster.server.faults.on(NODES, faults.silence(), where=lambda seen: "watch" in seen.query)
    await cluster.server.watches.cut()
    await cluster.until(lambda: cluster.server.watches.open == 2)
    yield


async def test_of_a_crowd_no_node_is_read_by_itself(cluster: Cluster) -> None:
    names = crowd(cluster)
    async with approving(cluster):
        await cluster.until(lambda: all(map(cluster.approved, names)))
    assert lists(cluster) >= 1
    assert read(cluster) == set()


async def test_a_few_that_waited_are_read_one_by_one_and_each_is_approved_once(
    cluster: Cluster,
) -> None:
    names = crowd(cluster, 5)
    async with approving(cluster):
        await cluster.until(lambda: all(map(cluster.approved, names)))
    assert lists(cluster) == 0
    assert read(cluster) == {f"n{number}" for number in range(1, 6)}
    assert sum(path.endswith("/approval") for _, path in cluster.writes()) == 5


async def test_a_node_that_is_gone_gets_nothing_though_the_watch_shows_it(
    cluster: Cluster,
) -> None:
    cluster.listed(*(f"n{number}" for number in range(1, MANY + 1)))
    async with approving(cluster) as running:
        await running.logged("Listed Nodes, CSRs and ConfigMaps")
        async with blind_to_nodes(cluster):
            cluster.delete_node("n1")
            names = ask(cluster)
            await cluster.until(lambda: all(map(cluster.approved, names[1:])))
            await running.decided("csr-1")
        assert "NoSuchNode" in running.log
        assert cluster.conditions("csr-1") == []


async def test_where_versions_cannot_be_listed_each_node_is_read(cluster: Cluster) -> None:
    names = crowd(cluster)
    refused = faults.refuse(status.StatusError(500, "InternalError", "etcdserver: no leader"))
    cluster.server.faults.on(
        NODES, refused, where=lambda seen: "Partial" in seen.headers.get("Accept", "")
    )
    async with approving(cluster):
        await cluster.until(lambda: all(map(cluster.approved, names)))
    assert len(read(cluster)) == MANY
    assert lists(cluster) == 1


# The reader by itself


@contextlib.asynccontextmanager
async def reading(
    cluster: Cluster, clock: Clock, *, depth: int = MANY
) -> AsyncIterator[tuple[NodeReader, ClusterView]]:
    """A reader whose view shows the Nodes as they are now."""
    view = ClusterView()
    for each in cluster.server.store.list(NODE):
        view.put_node(msgspec.convert(each, type=Node))
    async with client_of(access_to(cluster.server, cluster.authority)) as api:
        yield NodeReader(api, clock, view, depth=lambda: depth), view


async def test_one_list_answers_all_who_wanted_to_know_before_it_began(
    cluster: Cluster,
) -> None:
    clock = WoundClock()
    crowd(cluster)
    async with reading(cluster, clock) as (reader, _):
        found = await asyncio.gather(*(reader.read(f"n{n}", 0.0) for n in range(1, MANY + 1)))
        assert [each.node and each.node.name for each in found] == [*cluster.nodes]
        assert lists(cluster) == 1
        clock.wind(timedelta(seconds=SHARED))
        await reader.read("n1", 0.0)
        assert lists(cluster) == 1
        assert read(cluster) == set()


@pytest.mark.parametrize(("later", "since"), [(SHARED + 0.01, 0.0), (0.5, 0.25)])
async def test_no_list_answers_for_long_or_for_what_came_after_it(
    cluster: Cluster, later: float, since: float
) -> None:
    clock = WoundClock()
    crowd(cluster)
    async with reading(cluster, clock) as (reader, _):
        await reader.read("n1", 0.0)
        clock.wind(timedelta(seconds=later))
        answer = await reader.read("n1", since)
        assert answer.began == later
    assert lists(cluster) == 2


async def test_what_the_watch_shows_after_the_list_is_read_itself(cluster: Cluster) -> None:
    clock = WoundClock()
    crowd(cluster)
    async with reading(cluster, clock) as (reader, view):
        await reader.read("n1", 0.0)
        changed = cluster.server.store.change(
            NODE, ("", "n2"), lambda it: {**it, "spec": {"podCIDRs": ["10.0.0.0/24"]}}
        )
        view.put_node(msgspec.convert(changed, type=Node))
        found = await reader.read("n2", 0.0)
    assert found.node is not None
    assert found.node.spec.pod_cidrs == ("10.0.0.0/24",)
    assert read(cluster) == {"n2"}


async def test_an_object_without_a_version_confirms_nothing(cluster: Cluster) -> None:
    crowd(cluster)
    async with reading(cluster, WoundClock()) as (reader, view):
        bare = cluster.server.store.get(NODE, "n1")
        del bare["metadata"]["resourceVersion"]
        view.put_node(msgspec.convert(bare, type=Node))
        cluster.server.faults.on(
            NODES,
            faults.answer(
                200, msgspec.json.encode({"items": [bare]}), Content_Type="application/json"
            ),
        )
        await reader.read("n1", 0.0)
    assert read(cluster) == {"n1"}


async def test_a_list_that_comes_late_is_not_asked_for_again_soon(cluster: Cluster) -> None:
    clock = WoundClock()
    crowd(cluster)

    async def late() -> None:
        clock.wind(timedelta(seconds=0.6 * SHARED))

    cluster.server.faults.on(NODES, faults.answered_late(cluster.server.truth, late))
    async with reading(cluster, clock) as (reader, _):
        await reader.read("n1", clock.monotonic())
        assert read(cluster) == set()
        clock.wind(timedelta(seconds=30))
        await reader.read("n1", clock.monotonic())
        assert (lists(cluster), read(cluster)) == (1, {"n1"})
        clock.wind(timedelta(seconds=31))
        await reader.read("n1", clock.monotonic())
        assert lists(cluster) == 2


async def test_a_few_in_a_large_cluster_are_no_crowd(cluster: Cluster) -> None:
    cluster.node("n1", "192.0.2.1")
    async with reading(cluster, WoundClock()) as (reader, view):
        node = view.nodes["n1"]
        for number in range(17 * A_CROWD):
            view.nodes[f"other-{number}"] = node
        reader.depth = lambda: A_CROWD
        await reader.read("n1", 0.0)
        assert lists(cluster) == 0
        reader.depth = lambda: 2 * A_CROWD
        await reader.read("n1", 0.0)
        assert lists(cluster) == 1
