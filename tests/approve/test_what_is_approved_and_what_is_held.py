"""The controller end to end on a scripted API server: what passes is approved once, everything else waits and is explained."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.policy.csr import Csr, csr_of
from kubevouch.policy.sources.stored import shard_of
from tests.approve.conftest import CONFIG_MAP, SPACE, Cluster, approving
from tests.support.requests import request
from tests.support.scripted.kinds import CSRS

PASSED_OVER = (
    'kubevouch_approver_decisions_total{outcome="refuse",reason="Superseded",source="none"}'
)


async def test_a_listed_nodes_csr_is_approved_and_the_source_is_named(cluster: Cluster) -> None:
    cluster.listed("n1")
    async with approving(cluster) as running:
        await cluster.approves("csr-1", "n1")
        await running.logged('"Approved"')
    (condition,) = cluster.conditions("csr-1")
    assert condition["reason"] == "KubevouchApprove"
    assert condition["message"] == (
        "kubevouch approver: every rule passed; names and addresses: listed in the inventory"
    )
    assert running.metric(
        'kubevouch_approver_decisions_total{outcome="pass",reason="Passes",source="inventory"}'
    )


REFUSED = 'kubevouch_approver_decisions_total{outcome="refuse",reason="AddressNotAllowed",source="inventory"}'


def also_called(inventory: Any) -> Any:
    """n1 has another name besides."""
    text = inventory["data"]["inventory.yaml"].replace('["n1"]', '["n1", "n1.example.com"]')
    return {**inventory, "data": {"inventory.yaml": text}}


async def test_an_address_that_is_not_the_nodes_is_held_and_told(cluster: Cluster) -> None:
    cluster.listed("n1")
    async with approving(cluster) as running:
        await running.decides("csr-1", "n1", "192.0.2.9")
        assert "allowed-addresses (AddressNotAllowed): 192.0.2.9" in running.log
        assert not cluster.conditions("csr-1")
        # It is judged again, and that is not told twice.
        cluster.server.store.change(CONFIG_MAP, (SPACE, "kubevouch-inventory"), also_called)
        await cluster.until(lambda: running.metric(REFUSED) > 1)
        assert running.log.count('"Held"') == 1
    assert running.metric("kubevouch_approver_pending") == 1
    assert all("/approval" not in path for _, path in cluster.writes())


@pytest.mark.parametrize(
    ("asked", "helps"),
    [
        ("192.0.2.1", "If the node is yours: kubevouch approver pin n1 --via ssh"),
        ("192.0.2.9", "The Node itself does not claim 192.0.2.9"),
    ],
)
async def test_of_an_unknown_node_the_log_has_the_pin_that_helps_or_that_none_would(
    cluster: Cluster, asked: str, helps: str
) -> None:
    """A pin of the node has what it claims; for more the operator has to say what, and explain leads to that."""
    cluster.node("n1", "192.0.2.1")
    async with approving(cluster) as running:
        await running.decides("csr-1", "n1", asked)
        assert "(NodeUnknown)" in running.log
        assert helps in running.log


async def test_a_held_csr_is_looked_at_again_when_the_inventory_changes(cluster: Cluster) -> None:
    cluster.node("n1", "192.0.2.1")
    cluster.inventory(n1=["192.0.2.7"])
    async with approving(cluster) as running:
        await running.decides("csr-1", "n1")
        text = {
            "schemaVersion": "kubevouch.inventory/1",
            "nodes": {"n1": {"names": ["n1"], "addresses": ["192.0.2.1"]}},
        }
        cluster.server.store.change(
            CONFIG_MAP,
            (SPACE, "kubevouch-inventory"),
            lambda it: {**it, "data": {"inventory.yaml": json.dumps(text)}},
        )
        await cluster.until(lambda: cluster.approved("csr-1"))


async def test_a_node_that_floods_costs_no_request_and_holds_up_nobody(cluster: Cluster) -> None:
    cluster.node("n1", "192.0.2.1")
    cluster.node("n2", "192.0.2.2")
    for number in range(50):
        cluster.csr(f"flood-{number:02}", "n1")
    cluster.csr("csr-2", "n2")
    cluster.list_nodes()
    async with approving(cluster) as running:
        await cluster.until(lambda: cluster.approved("csr-2"))
        assert running.metric(PASSED_OVER) == 49
        assert '"Held"' not in running.log
        # The newest of them may be approved last.
        await cluster.until(lambda: running.metric("kubevouch_approver_pending") == 0)
    assert [each for each in range(50) if cluster.approved(f"flood-{each:02}")] == [49]
    # The Node is read once, or it is on a list of versions, which a crowd shares.
    reads = [each.path for each in cluster.server.requests if each.path == "/api/v1/nodes/n1"]
    assert len(reads) <= 1
    lists = [each for each in cluster.server.requests if each.path == "/api/v1/nodes"]
    assert len(lists) < 10


async def test_an_honest_csr_waits_for_one_csr_of_each_other_credential(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many wait before it: none of the others is even read."""
    read: list[str] = []

    def count(found: CertificateSigningRequest) -> Csr:
        read.append(found.name)
        return csr_of(found)

    monkeypatch.setattr("kubevouch.approve.decide.view.csr_of", count)
    cluster.listed("n1", "n2")
    many = request("n1", [f"{number}.example.com" for number in range(250)], ["192.0.2.1"])
    for number in range(200):
        cluster.csr(f"flood-{number:03}", "n1", pem=many)
    cluster.csr("honest", "n2")
    async with approving(cluster) as running:
        await cluster.until(lambda: cluster.approved("honest"))
        before = read.count("honest"), len(read)
        assert before[0] == 1
        assert before[1] <= 3
        for number in range(200, 400):
            cluster.csr(f"flood-{number}", "n1", pem=many)
        await running.decided("flood-399")
    assert len(read) < 100


async def test_what_others_approve_of_what_is_not_kept_is_reported_once(cluster: Cluster) -> None:
    """An older CSR of a credential: nobody looks at it until somebody approves it."""
    cluster.listed("n1")
    async with approving(cluster) as running:
        cluster.csr("csr-1", "n1", "192.0.2.9")
        await running.decides("csr-2", "n1", "192.0.2.8")
        approved = {"type": "Approved", "status": "True", "reason": "AutoApproved"}
        for label in ("a", "b"):
            cluster.server.store.change(
                CSRS,
                ("", "csr-1"),
                lambda it, label=label: {  # type: ignore[misc]
                    **it,
                    "metadata": {**it["metadata"], "labels": {label: "x"}},
                    "status": {"conditions": [approved]},
                },
            )
        await running.logged("Another client approved a CSR our policy holds")
        await cluster.approves("csr-3", "n1")
        series = 'kubevouch_approver_others_approved_total{verdict="refuse"}'
        assert running.metric(series) == 1


async def test_the_seventh_csr_of_a_node_waits(cluster: Cluster) -> None:
    """Also for the process that comes next, which counts what was approved before it began."""
    cluster.listed("n1")
    async with approving(cluster) as running:
        for number in range(6):
            cluster.csr(f"csr-{number}", "n1")
            await cluster.until(lambda n=number: cluster.approved(f"csr-{n}"))  # type: ignore[misc]
        await running.decides("csr-6", "n1")
        assert "OverBudget" in running.log
    async with approving(cluster, identity="two") as running:
        await running.decides("csr-7", "n1")
        assert "OverBudget" in running.log
    assert not cluster.conditions("csr-6")
    assert not cluster.conditions("csr-7")


KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({"key": KEY}, {"key": KEY}, "own-key (KeyOfAnotherNode)"),
        # As csr says it of the same CSR: one fact, one rule.
        ({"credential": "ab" * 32}, {}, "credential-id (NoCredentialId)"),
    ],
)
async def test_what_another_node_has_shown_or_told_holds_a_csr_by_the_rule_about_that(
    cluster: Cluster, first: dict[str, Any], second: dict[str, Any], reason: str
) -> None:
    cluster.listed("n1", "n2")
    async with approving(cluster) as running:
        await cluster.approves("csr-1", "n1", **first)
        await running.decides("csr-2", "n2", **second)
        assert reason in running.log
        assert "client-standing" not in running.log
    assert not cluster.conditions("csr-2")


async def test_a_node_that_is_deleted_and_made_again_while_its_csr_waits_is_another_one(
    cluster: Cluster,
) -> None:
    cluster.node("n1", "192.0.2.1")
    cluster.inventory(n1=["192.0.2.7"])
    async with approving(cluster) as running:
        await running.decides("csr-1", "n1")
        cluster.delete_node("n1")
        cluster.node("n1", "192.0.2.1")
        await cluster.until(lambda: "NodeReplaced" in running.log)
    assert not cluster.conditions("csr-1")


async def test_somebody_without_a_nodes_name_is_held_and_no_node_is_read(cluster: Cluster) -> None:
    cluster.listed("n1")
    async with approving(cluster) as running:
        await running.decides("csr-1", "n1", user="system:bootstrap:abcdef")
        assert "NotANode" in running.log
    assert not cluster.conditions("csr-1")
    assert "/api/v1/nodes/n1" not in [each.path for each in cluster.server.requests]


async def test_in_a_dry_run_nothing_is_written(cluster: Cluster) -> None:
    cluster.listed("n1", "n2")
    async with approving(cluster, dry_run=True) as running:
        cluster.csr("csr-1", "n1")
        cluster.csr("csr-2", "n2", "192.0.2.9")
        await running.decided("csr-1")
        await running.decided("csr-2")
        assert "Would approve" in running.log
    assert [each for each in cluster.server.requests if each.method != "GET"] == []


async def test_after_etcd_was_restored_from_a_backup_no_older_pin_counts(
    cluster: Cluster,
) -> None:
    """Its versions are older than those that the approver has seen: it went on by pins that nobody could see any more."""
    name = shard_of("kubevouch-pins", "n1")
    cluster.node("n1", "192.0.2.1")
    labels = {"app.kubernetes.io/part-of": "kubevouch"}
    there = {"name": name, "namespace": SPACE, "labels": labels, "uid": "0"}

    def lie(address: str, version: str) -> None:
        pin = json.dumps({"v": 1, "names": ["n1"], "addresses": [address]})
        metadata = {**there, "resourceVersion": version}
        cluster.server.store.put(CONFIG_MAP, {"metadata": metadata, "data": {"n1": pin}})

    def watches_of_maps() -> int:
        asked = [r for r in cluster.server.requests if r.path.endswith(f"{SPACE}/configmaps")]
        return sum("watch" in each.query for each in asked)

    lie("192.0.2.1", "900")
    async with approving(cluster) as running:
        await cluster.approves("csr-1", "n1")
        lie("192.0.2.77", "500")
        cluster.server.watches.expire()
        await cluster.until(lambda: watches_of_maps() == 2)
        cluster.csr("csr-2", "n1")
        await running.logged('"csr-2"')
    assert "the Node claims it, but was pinned without it" in running.log
    assert not cluster.conditions("csr-2")
