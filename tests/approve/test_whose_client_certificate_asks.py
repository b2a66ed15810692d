"""Client certificates that were borrowed by a bootstrap token while the node was there, and those of the kubelet itself."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from kubevouch.policy.sources.stored import shard_of
from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.watching import Event
from tests.approve.client_csrs import BOOTSTRAP, client_csr
from tests.approve.conftest import (
    CLIENT,
    CONFIG_MAP,
    LEASE,
    NODE,
    SPACE,
    Cluster,
    HurriedClock,
    Running,
    StoppedClock,
    ago,
    approving,
)
from tests.approve.recorded import recorded
from tests.support.scripted import faults
from tests.support.scripted.faults import answered_late
from tests.support.scripted.kinds import CSRS

CSR_PATH = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


def listed_for_an_hour(cluster: Cluster) -> Any:
    """The Node n1, which was made so long ago, and is in the inventory."""
    node = cluster.node("n1", "192.0.2.1")
    metadata = {**node["metadata"], "creationTimestamp": ago(3600)}
    cluster.server.store.put(NODE, {**node, "metadata": metadata})
    cluster.list_nodes()
    return node


async def borrowed(running: Running, **how: Any) -> str:
    """A thief has a client certificate issued, asks with it, and the log speaks of it. Returns the certificate's SHA-256."""
    stolen = client_csr(running.cluster, "thief-client", "n1", *BOOTSTRAP, **how)
    await running.decides("csr-thief", "n1", credential=stolen)
    return stolen


async def test_a_client_certificate_that_was_borrowed_while_the_node_was_there_gets_nothing(
    cluster: Cluster,
) -> None:
    listed_for_an_hour(cluster)
    # If each signer had a watch of its own, that of client certificates could be behind: whoever is quick would come first.
    cluster.server.faults.on(
        "*certificatesigningrequests",
        faults.silence(),
        where=lambda r: "watch" in r.query and CLIENT in r.query.get("fieldSelector", ""),
    )
    async with approving(cluster) as running:
        await running.logged("Listed Nodes, CSRs and ConfigMaps")
        stolen = await borrowed(running)
        assert "BorrowedIdentity" in running.log
        assert not cluster.conditions("csr-thief")
        # It is remembered by whoever comes next.
    assert recorded(cluster)["n1"]["credentials"]["borrowed"] == [stolen]
    cluster.server.store.delete(CSRS, "thief-client")
    async with approving(cluster, identity="two") as running:
        await running.decided("csr-thief")
        assert "BorrowedIdentity" in running.log


async def test_a_client_certificate_is_borrowed_however_long_the_request_for_it_is(
    cluster: Cluster,
) -> None:
    """The API server takes a request of a megabyte, and reads what we do not: the thief was one whom nobody had seen."""
    listed_for_an_hour(cluster)
    async with approving(cluster) as running:
        await running.logged("Listed Nodes, CSRs and ConfigMaps")
        await borrowed(running, before=b"-\n" * 500_000)
    assert "BorrowedIdentity" in running.log
    assert not cluster.conditions("csr-thief")


async def test_what_was_being_written_when_the_approver_was_asked_to_end_is_remembered(
    cluster: Cluster,
) -> None:
    """The write that is under way is cut off, and done again at the end."""
    shard = f"/api/v1/namespaces/{SPACE}/configmaps/{shard_of('kubevouch-recorded', 'n1')}"
    cluster.node("n1", "192.0.2.1")
    await asyncio.sleep(1.1)  # the API server writes whole seconds
    async with approving(cluster, clock=HurriedClock(5)) as running:
        await cluster.until(lambda: "n1" in recorded(cluster))
        cluster.server.faults.on(shard, faults.silence(), times=1)
        before = cluster.writes().count(("PATCH", shard))
        stolen = await borrowed(running)
        await cluster.until(lambda: cluster.writes().count(("PATCH", shard)) > before)
        assert "borrowed" not in recorded(cluster)["n1"]["credentials"]
    assert recorded(cluster)["n1"]["credentials"]["borrowed"] == [stolen]


async def test_a_borrowed_one_is_remembered_of_a_node_that_was_gone_while_another_process_began(
    cluster: Cluster,
) -> None:
    """The Node is deleted and the approver restarted; an hour later the CSR that shows the borrowing is gone, too."""
    node = listed_for_an_hour(cluster)

    def whose() -> list[str]:
        return [each.get("uid", "") for each in recorded(cluster).values()]

    async with approving(cluster, clock=HurriedClock(10.0)) as running:
        await running.logged("Listed Nodes, CSRs and ConfigMaps")
        stolen = client_csr(cluster, "thief-client", "n1", *BOOTSTRAP)
        await cluster.until(lambda: whose() == [node["metadata"]["uid"]])
        cluster.delete_node("n1")
        await cluster.until(lambda: whose() == [""])
    cluster.server.store.delete(CSRS, "thief-client")
    async with approving(cluster, clock=HurriedClock(10.0)) as running:
        await running.logged("Listed Nodes, CSRs and ConfigMaps")
        await asyncio.sleep(1.0)  # four flushes
        cluster.node("n1", "192.0.2.1")
        await running.decides("csr-thief", "n1", credential=stolen)
        assert "BorrowedIdentity" in running.log
    assert not cluster.conditions("csr-thief")


async def test_whoever_uses_the_time_in_which_a_node_is_deleted_gets_nothing_until_a_pin_names_him(
    cluster: Cluster,
) -> None:
    """By the inventory. A reinstalled machine looks the same: one command says that it is the node's own."""
    cluster.listed("n1")
    async with approving(cluster, clock=HurriedClock(10.0)) as running:
        await cluster.until(lambda: "n1" in recorded(cluster))
        cluster.delete_node("n1")
        await cluster.until(lambda: "earlier" in recorded(cluster)["n1"]["credentials"])
        stolen = client_csr(cluster, "thief-client", "n1", *BOOTSTRAP)
    cluster.server.store.delete(CSRS, "thief-client")
    async with approving(cluster, clock=HurriedClock(10.0)) as running:
        await running.logged("Listed Nodes, CSRs and ConfigMaps")
        again = cluster.node("n1", "192.0.2.1")
        await running.decides("csr-thief", "n1", credential=stolen)
        assert "EarlierNode" in running.log
        assert "kubevouch approver pin n1 --csr csr-thief" in running.log
        pin = {"v": 1, "uid": again["metadata"]["uid"], "names": ["n1"], "addresses": ["192.0.2.1"], "clientCertificates": [stolen]}  # fmt: skip
        cluster.config_map(shard_of("kubevouch-pins", "n1"), {"n1": json.dumps(pin)})
        await cluster.until(lambda: cluster.approved("csr-thief"))


async def test_who_used_the_time_in_which_a_node_was_deleted_and_no_approver_ran_is_told_by_its_pin(
    cluster: Cluster,
) -> None:
    """Nothing else says that there was a Node of this name: its kubelet had joined before anybody watched."""
    shard, where = shard_of("kubevouch-pins", "n1"), {"names": ["n1"], "addresses": ["192.0.2.1"]}

    def pinned(uid: str) -> dict[str, str]:
        return {"n1": json.dumps({"v": 1, "uid": uid, **where})}

    cluster.config_map(shard, pinned("of-the-node-that-is-gone"))
    stolen = client_csr(cluster, "thief-client", "n1", *BOOTSTRAP)
    again = cluster.node("n1", "192.0.2.1")
    cluster.csr("csr-thief", "n1", credential=stolen)
    async with approving(cluster, clock=HurriedClock(10.0)) as running:
        await cluster.until(lambda: "PinOutdated" in running.log)
        now = pinned(again["metadata"]["uid"])
        cluster.server.store.change(
            CONFIG_MAP, (SPACE, shard), lambda found: {**found, "data": now}
        )
        await cluster.until(lambda: "EarlierNode" in running.log)
    assert not cluster.conditions("csr-thief")


@pytest.mark.parametrize("streams", [True, False])
async def test_while_a_list_is_read_nothing_is_looked_at(
    cluster: Cluster, *, streams: bool
) -> None:
    """A list goes by names: a thief calls his serving CSR a..., and the one that shows what he borrowed comes last."""
    cluster.server.streams_lists = streams
    listed_for_an_hour(cluster)
    last, reached = asyncio.Event(), asyncio.Event()

    async def late() -> None:
        reached.set()
        await last.wait()

    async def in_turn(request: web.Request, event: Event) -> None:
        is_last = event.object["metadata"].get("name") == "z-client"
        if is_last and "sendInitialEvents" in request.query:
            await late()

    async with approving(cluster) as running:
        await cluster.until(lambda: cluster.server.watches.open == 3)
        gone = status.StatusError(410, "Expired", "too old resource version")
        script = cluster.server.faults
        script.on(
            CSR_PATH, faults.refuse(gone), times=1, where=lambda r: "resourceVersion" in r.query
        )
        script.on(
            CSR_PATH,
            answered_late(cluster.server.truth, late),
            where=lambda r: "continue" in r.query,
        )
        await cluster.server.watches.cut()
        await cluster.until(lambda: "too old resource version" in running.log)
        cluster.server.watches.before_each = in_turn
        for number in range(500):
            unknown = {"signerName": "example.com/other", "username": "alice", "request": ""}
            cluster.server.store.create(
                CSRS, {"metadata": {"name": f"b-{number}"}, "spec": unknown, "status": {}}
            )
        stolen = client_csr(cluster, "z-client", "n1", *BOOTSTRAP)
        cluster.csr("a-thief", "n1", credential=stolen)
        await cluster.until(reached.is_set)
        await asyncio.sleep(1.0)
        assert not cluster.conditions("a-thief")
        last.set()
        await running.decided("a-thief")
        assert "BorrowedIdentity" in running.log
    assert not cluster.conditions("a-thief")


async def test_a_flood_with_a_borrowed_certificate_holds_no_csr_of_the_kubelet(
    cluster: Cluster,
) -> None:
    own = client_csr(cluster, "join", "n1", *BOOTSTRAP)
    await asyncio.sleep(1.1)  # the API server writes whole seconds
    cluster.node("n1", "192.0.2.1")
    await asyncio.sleep(1.1)
    stolen = client_csr(cluster, "thief-client", "n1", *BOOTSTRAP)
    cluster.list_nodes()
    cluster.csr("csr-own", "n1", credential=own)
    for number in range(5):
        cluster.csr(f"csr-thief-{number}", "n1", credential=stolen)
    async with approving(cluster) as running:
        await cluster.until(lambda: cluster.approved("csr-own"))
        await running.decided("csr-thief-4")
    assert not any(cluster.conditions(f"csr-thief-{number}") for number in range(5))


async def test_what_was_borrowed_while_no_approver_ran_gets_nothing_though_nobody_saw_it(
    cluster: Cluster,
) -> None:
    """The Lease is two hours old, and the controller-manager has deleted the CSR that shows the borrowing."""
    own = client_csr(cluster, "join", "n1", *BOOTSTRAP)
    await asyncio.sleep(1.1)  # the API server writes whole seconds
    node = cluster.node("n1", "192.0.2.1")
    pin = {"v": 1, "uid": node["metadata"]["uid"], "names": ["n1"], "addresses": ["192.0.2.1"]}
    cluster.config_map(shard_of("kubevouch-pins", "n1"), {"n1": json.dumps(pin)})
    async with approving(cluster):
        await cluster.approves("csr-own", "n1", credential=own)
    stolen = client_csr(cluster, "thief-client", "n1", *BOOTSTRAP)
    for name in ("join", "thief-client"):
        cluster.server.store.delete(CSRS, name)

    def two_hours_older(lease: dict[str, Any]) -> dict[str, Any]:
        then = datetime.now(UTC) - timedelta(hours=2)
        return {**lease, "spec": {**lease["spec"], "renewTime": f"{then:%Y-%m-%dT%H:%M:%S.%fZ}"}}

    cluster.server.store.change(LEASE, (SPACE, "kubevouch-approver"), two_hours_older)
    cluster.csr("csr-thief", "n1", credential=stolen)
    async with approving(cluster, identity="two") as running:
        await running.decided("csr-thief")
        assert "UnknownCredential" in running.log
        assert "kubevouch approver pin n1 --csr csr-thief" in running.log
        assert running.metric("kubevouch_approver_last_gap_timestamp_seconds") > 0
        again = cluster.csr("csr-again", "n1", credential=own)
        await cluster.until(lambda: cluster.approved("csr-again"), again["metadata"]["name"])
    assert not cluster.conditions("csr-thief")


@pytest.mark.parametrize("is_listed", [False, True])
async def test_a_gap_is_told_where_what_came_and_went_is_not_shown_and_nowhere_else(
    cluster: Cluster, is_listed: bool
) -> None:
    """A watch that goes on where it was shows everything, however long ago it broke last."""
    cluster.listed("n1")
    clock = StoppedClock()
    async with approving(cluster, clock=clock) as running:
        await running.logged("Listed Nodes, CSRs and ConfigMaps")
        cluster.server.faults.on(CSR_PATH, faults.answer(503), times=1)
        await cluster.server.watches.cut()
        await running.logged("Failed to watch")
        if is_listed:
            clock.stop(3600)
            cluster.csr("csr-gone", "n1")
            cluster.server.store.compact()
        else:
            asked = len(cluster.server.requests)
            await cluster.until(
                lambda: any(each.path == CSR_PATH for each in cluster.server.requests[asked:])
            )
            for _ in range(60):
                cluster.server.watches.bookmark()
                await asyncio.sleep(0.02)
                clock.stop(60)
        await cluster.approves("csr-1", "n1")
        gap = running.metric("kubevouch_approver_last_gap_timestamp_seconds")
    assert (gap > 0) is is_listed
