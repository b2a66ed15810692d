"""Watches that break, conflicts, a leader that is lost in a burst, and a process that was stopped past its Lease."""

import asyncio
import contextlib
from typing import Any

import pytest

from kubevouch.approve.act.records import RecordWriter
from kubevouch.approve.decide.look import look
from kubevouch.kube.io.lease import LEASE_DURATION
from kubevouch_lab.apiserver import status
from tests.approve.conftest import LEASE, SPACE, Cluster, HurriedClock, StoppedClock, approving
from tests.support.scripted import faults
from tests.support.scripted.kinds import CSRS

CSR = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


def approvals(cluster: Cluster, token: str = "") -> list[str]:
    """The names of the CSRs for which an approval was sent, each time."""
    return [
        each.path.split("/")[-2]
        for each in cluster.server.requests
        if each.path.endswith("/approval")
        and token in ("", each.headers["Authorization"].removeprefix("Bearer "))
    ]


async def test_a_version_that_is_compacted_away_loses_no_csr(cluster: Cluster) -> None:
    cluster.listed("n1", "n2")
    async with approving(cluster) as running:
        await cluster.approves("csr-1", "n1")
        cluster.csr("csr-2", "n2")
        cluster.server.store.compact()
        await cluster.until(lambda: cluster.approved("csr-2"))
        assert "Failed to watch" in running.log
    assert approvals(cluster).count("csr-1") == 1


async def test_a_csr_that_changed_meanwhile_is_judged_again(cluster: Cluster) -> None:
    cluster.listed("n1")
    truth = cluster.server.answer
    changed: list[bool] = []

    def change_first(request: Any) -> Any:
        """Somebody labels the CSR between our reading and our writing."""
        if request.path == "/api/v1/nodes/n1" and not changed:
            changed.append(True)
            cluster.server.store.change(
                CSRS,
                ("", "csr-1"),
                lambda it: {**it, "metadata": {**it["metadata"], "labels": {"a": "b"}}},
            )
        return truth(request)

    cluster.server.answer = change_first  # type: ignore[method-assign]
    async with approving(cluster):
        await cluster.approves("csr-1", "n1")
    assert changed
    assert cluster.server.store.get(CSRS, "csr-1")["metadata"]["labels"] == {"a": "b"}


NOT_YOURS = status.forbidden(
    "certificates.k8s.io", "certificatesigningrequests", "csr-1", "not yours"
)


@pytest.mark.parametrize(
    ("path", "error", "told", "reason"),
    [
        ("/api/v1/nodes/n1", status.StatusError(500, "InternalError", "etcdserver: no leader"), "Failed to read the Node", "NodeNotRead"),
        # A missing right: the log says which, and the approval comes once it is granted.
        (f"{CSR}/csr-1/approval", NOT_YOURS, "Failed to write the decision", "NotWritten"),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_or_written_is_told_and_tried_again(
    cluster: Cluster, path: str, error: status.StatusError, told: str, reason: str
) -> None:
    cluster.listed("n1")
    cluster.server.faults.on(path, faults.refuse(error), times=2)
    async with approving(cluster, clock=HurriedClock(10.0)) as running:
        await cluster.approves("csr-1", "n1")
        assert told in running.log
        assert error.message.rpartition(": ")[2] in running.log
        series = f'kubevouch_approver_decisions_total{{outcome="cannot-tell",reason="{reason}",source="none"}}'
        assert running.metric(series) == 2
        assert '"Held"' not in running.log


async def test_a_watch_of_nodes_that_is_behind_holds_up_nobody(cluster: Cluster) -> None:
    """The Node is made again and asks at once; what the watch has shown is the Node before."""
    cluster.node("n1", "192.0.2.1")
    cluster.configure(
        "sources: [inventory, new-nodes]",
        "newNodes: [{names: n1, cidrs: [192.0.2.0/24], perHour: 1}]",
    )
    async with approving(cluster) as running:
        await running.logged("Listed Nodes, CSRs and ConfigMaps")
        await cluster.until(lambda: cluster.server.watches.open == 3)
        cluster.server.faults.on(
            "/api/v1/nodes", faults.silence(), where=lambda seen: "watch" in seen.query
        )
        await cluster.server.watches.cut()
        cluster.delete_node("n1")
        cluster.node("n1", "192.0.2.1")
        await cluster.approves("csr-1", "n1")


async def test_without_the_clusters_own_names_nothing_is_approved(cluster: Cluster) -> None:
    cluster.listed("n1")
    broken = faults.refuse(status.StatusError(500, "InternalError", "no"))
    cluster.server.faults.on("/api/v1/services", broken)
    async with approving(cluster, clock=HurriedClock(10.0)) as running:
        await running.decides("csr-1", "n1")
        assert "NotInEvidence" in running.log
        assert not cluster.conditions("csr-1")
        cluster.server.faults.clear()
        await cluster.until(lambda: cluster.approved("csr-1"))


async def test_an_error_of_ours_about_one_csr_does_not_end_the_approver(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bad_look(view: Any, waiting: Any, *others: Any, **more: Any) -> Any:
        if waiting.name == "csr-1":
            raise ZeroDivisionError("a bug")
        return look(view, waiting, *others, **more)

    monkeypatch.setattr("kubevouch.approve.act.decider.look", bad_look)
    cluster.listed("n1", "n2")
    async with approving(cluster) as running:
        cluster.csr("csr-1", "n1")
        await cluster.approves("csr-2", "n2")
        await running.decided("csr-1")
        assert "ZeroDivisionError: a bug" in running.log


async def test_of_two_only_the_leader_writes_and_the_other_one_takes_over(
    cluster: Cluster,
) -> None:
    cluster.listed(*(f"n{number}" for number in range(1, 4)))
    async with contextlib.AsyncExitStack() as stack:
        first = contextlib.AsyncExitStack()
        one = await first.enter_async_context(approving(cluster, identity="one"))
        await cluster.until(lambda: one.metric("kubevouch_approver_leader") == 1)
        two = await stack.enter_async_context(approving(cluster, identity="two"))
        await cluster.approves("csr-1", "n1")
        cluster.csr("csr-2", "n2", "192.0.2.9")
        await one.decided("csr-2")
        await cluster.until(lambda: two.metric("kubevouch_approver_pending") == 1)
        # It ends gracefully: the other one begins within a retry, and looks at what waits.
        await first.aclose()
        await two.decided("csr-2")
        await cluster.approves("csr-3", "n3")
    assert approvals(cluster, "one") == ["csr-1"]
    assert approvals(cluster, "two") == ["csr-3"]


async def test_a_leader_that_is_lost_in_a_burst_loses_no_csr_and_none_is_approved_twice(
    cluster: Cluster,
) -> None:
    """The first one can renew its Lease no more, while CSRs come; both run on until the end."""
    count = 60
    for number in range(count):
        cluster.node(f"n{number}", f"192.0.2.{number + 1}")
    cluster.list_nodes()
    no_renewal = faults.refuse(status.StatusError(500, "InternalError", "no"))
    async with contextlib.AsyncExitStack() as stack:
        # A leader has to renew the Lease within 10 s, here 2. In less nobody leads for long on a busy machine.
        clock = HurriedClock(5.0)
        one = await stack.enter_async_context(approving(cluster, identity="one", clock=clock))
        await cluster.until(lambda: one.metric("kubevouch_approver_leader") == 1)
        two = await stack.enter_async_context(
            approving(cluster, identity="two", clock=HurriedClock(5.0))
        )
        for number in range(count):
            if number == 20:
                await cluster.until(lambda: bool(approvals(cluster, "one")))
                cluster.server.faults.on(
                    f"/apis/coordination.k8s.io/v1/namespaces/{SPACE}/leases*",
                    no_renewal,
                    where=lambda seen: seen.headers["Authorization"] == "Bearer one",
                )
            if number == count - 5:
                await cluster.until(lambda: two.metric("kubevouch_approver_leader") == 1)
            cluster.csr(f"csr-{number}", f"n{number}")
            await asyncio.sleep(0.05)
        await cluster.until(lambda: all(cluster.approved(f"csr-{n}") for n in range(count)))
        assert one.metric("kubevouch_approver_leader") == 0
    sent = approvals(cluster)
    assert sorted(sent) == sorted(f"csr-{n}" for n in range(count))
    assert approvals(cluster, "one")
    assert approvals(cluster, "two")


@pytest.mark.parametrize("taken_over", [True, False])
async def test_a_process_that_was_stopped_past_its_lease_writes_nothing_by_old_facts(
    cluster: Cluster, taken_over: bool
) -> None:
    """Stopped between the read of the Node and the approval, and continued later: only who leads then writes."""
    cluster.listed("n1")
    clock, truth = StoppedClock(), cluster.server.answer
    stopped_at: list[int] = []

    def stop(request: Any) -> Any:
        if request.path == "/api/v1/nodes/n1" and not stopped_at:
            stopped_at.append(len(cluster.server.requests))
            clock.stop(LEASE_DURATION + 1)
            if taken_over:
                cluster.server.store.change(
                    LEASE,
                    (SPACE, "kubevouch-approver"),
                    lambda it: {**it, "spec": {**it["spec"], "holderIdentity": "another"}},
                )
        return truth(request)

    cluster.server.answer = stop  # type: ignore[method-assign]
    async with approving(cluster, clock=clock) as running:
        await cluster.until(lambda: running.metric("kubevouch_approver_leader") == 1)
        cluster.csr("csr-1", "n1")
        await cluster.until(lambda: stopped_at)
        if taken_over:
            await cluster.until(lambda: "Does not lead" in running.log)
            assert not approvals(cluster)
        else:
            # Nobody else took it: it is renewed first, the Node is read again, and then it is approved.
            await cluster.until(lambda: cluster.approved("csr-1"))
            after = [(e.method, e.path) for e in cluster.server.requests[stopped_at[0] :]]
            approval = after.index(("PATCH", f"{CSR}/csr-1/approval"))
            before = after[:approval]
            assert ("GET", "/api/v1/nodes/n1") in before
            assert any(m == "PUT" and p.endswith("/kubevouch-approver") for m, p in before)


async def test_it_gives_the_lease_back_also_where_its_last_records_cannot_be_written(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next one waits 15 seconds for nothing."""

    async def fails(_: RecordWriter) -> None:
        raise OSError("of a test")

    monkeypatch.setattr(RecordWriter, "end", fails)
    with pytest.raises(OSError, match="of a test"):
        async with approving(cluster) as running:
            await cluster.until(lambda: running.metric("kubevouch_approver_leader") == 1)
    spec = cluster.server.store.get(LEASE, "kubevouch-approver", SPACE)["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == ("", 1)


async def test_a_csr_that_is_deleted_while_it_is_judged_is_nobodys_error(cluster: Cluster) -> None:
    cluster.listed("n1", "n2")
    truth = cluster.server.answer

    def delete_first(request: Any) -> Any:
        if request.path == "/api/v1/nodes/n1" and "csr-1" in str(cluster.server.store.list(CSRS)):
            cluster.server.store.delete(CSRS, "csr-1")
        return truth(request)

    cluster.server.answer = delete_first  # type: ignore[method-assign]
    async with approving(cluster) as running:
        cluster.csr("csr-1", "n1")
        await cluster.until(lambda: approvals(cluster) == ["csr-1"])
        await cluster.approves("csr-2", "n2")
        assert "Failed" not in running.log.replace("Failed probe", "")
        await cluster.until(lambda: running.metric("kubevouch_approver_pending") == 0)
