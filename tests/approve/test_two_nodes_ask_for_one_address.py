"""Two nodes ask for one address before the watch has shown what either claims: one gets it, and an operator's word decides still."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from kubevouch.approve.decide.approved_lately import ApprovedLately
from kubevouch.approve.decide.view import ClusterView
from kubevouch.policy.claims import AskedNames
from tests.approve.conftest import NODE, Cluster, approving
from tests.approve.test_the_view_of_the_cluster import csr, node
from tests.support.scripted import faults

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def asked(*values: str) -> AskedNames:
    names = tuple(each for each in values if each[0].isalpha())
    return AskedNames(names, tuple(ip_address(each) for each in values if each not in names))


def owners(lately: ApprovedLately, at: datetime, *values: str) -> list[str]:
    return [owner for owner, _ in lately.among(asked(*values), at)]


def test_what_was_approved_is_remembered_for_minutes_in_every_form_of_it() -> None:
    lately = ApprovedLately()
    lately.put("n1", asked("n1", "192.0.2.1"), NOW)
    assert owners(lately, NOW, "192.0.2.1") == ["n1"]
    assert owners(lately, NOW, "::ffff:192.0.2.1", "N1") == ["n1", "n1"]
    assert owners(lately, NOW, "192.0.2.2", "n2") == []
    assert owners(lately, NOW + 4.9 * MINUTE, "192.0.2.1") == ["n1"]
    assert owners(lately, NOW + 5 * MINUTE, "192.0.2.1") == []
    assert not any(claim.source.is_proof for _, claim in lately.among(asked("n1"), NOW))


def test_what_a_node_was_approved_for_before_counts_with_what_it_was_approved_for_now() -> None:
    lately = ApprovedLately()
    lately.put("n1", asked("192.0.2.1"), NOW)
    lately.put("n1", asked("192.0.2.2"), NOW - MINUTE)
    assert owners(lately, NOW + 4.9 * MINUTE, "192.0.2.1", "192.0.2.2") == ["n1", "n1"]
    for number in range(96):
        lately.put("n1", asked(f"198.51.100.{number}"), NOW)
    assert owners(lately, NOW, "192.0.2.2", "198.51.100.0") == ["n1"]


def test_what_was_approved_for_a_node_goes_with_it() -> None:
    view = ClusterView()
    view.put_node(node("n1", "192.0.2.1"))
    view.put_decided_csr(csr("c1", "n1", "192.0.2.1", approved_by="KubevouchApprove"))
    view.remove_node("n2")
    assert owners(view.approved_lately, NOW, "192.0.2.1") == ["n1"]
    view.remove_node("n1")
    assert owners(view.approved_lately, NOW, "192.0.2.1") == []


def test_memory_is_that_of_some_minutes() -> None:
    lately = ApprovedLately()
    for number in range(100):
        lately.put(f"n{number}", asked(f"192.0.2.{number}"), NOW + number * MINUTE)
    assert len(vars(lately)["_of"]) == 5
    assert owners(lately, NOW + 99 * MINUTE, "192.0.2.99", "192.0.2.95", "192.0.2.94") == [
        "n99",
        "n95",
    ]


def test_what_others_approved_and_what_was_approved_before_this_process_began_counts_too() -> None:
    view = ClusterView()
    view.put_decided_csr(csr("c1", "n1", "192.0.2.1", approved_by="SomebodyElse"))
    view.put_serving_csr(csr("c2", "n2", "192.0.2.2"))
    assert owners(view.approved_lately, NOW, "192.0.2.1", "192.0.2.2") == ["n1"]


def taking_9(node: Any) -> Any:
    """A node writes into its own status what it likes."""
    claims = [
        {"type": "InternalIP", "address": "192.0.2.9"},
        {"type": "Hostname", "address": node["metadata"]["name"]},
    ]
    return {**node, "status": {"addresses": claims}}


async def test_of_two_that_take_one_address_while_the_watch_is_silent_one_gets_it(
    cluster: Cluster,
) -> None:
    """Each look reads its own Node live, and of the others knows what the watch has shown."""
    rule = "{names: 'n*', cidrs: [192.0.2.0/24], perHour: 9}"
    cluster.configure(f"sources: [inventory, new-nodes]\nnewNodes: [{rule}]")
    cluster.node("n1", "192.0.2.1")
    cluster.node("n2", "192.0.2.2")
    watch = cluster.server.faults
    cluster.server.streams_lists = False
    watch.on("/api/v1/nodes", faults.silence(), where=lambda seen: "resourceVersion" in seen.query)
    async with approving(cluster) as running:
        await running.logged("Listed Nodes, CSRs and ConfigMaps")
        for name in ("n1", "n2"):
            cluster.server.store.change(NODE, ("", name), taking_9)
        cluster.csr("csr-1", "n1", "192.0.2.9")
        cluster.csr("csr-2", "n2", "192.0.2.9")
        await running.decided("csr-1")
        await running.decided("csr-2")
        first = [name for name in ("csr-1", "csr-2") if cluster.approved(name)]
        assert len(first) == 1
        other = "csr-2" if first == ["csr-1"] else "csr-1"
        assert "foreign-addresses (ForeignAddress): 192.0.2.9 (of n" in running.log
        cluster.inventory(**{"n2" if other == "csr-2" else "n1": ["192.0.2.9"]})
        await cluster.until(lambda: cluster.approved(other), "the operator's word decides")
