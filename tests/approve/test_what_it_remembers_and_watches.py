"""New nodes, borrowed client certificates, live renewal, what others approve, and whether what was issued is served."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from kubevouch.policy.sources.stored import shard_of
from kubevouch.system_clock import SystemClock
from kubevouch_lab.apiserver import status
from tests.approve.conftest import (
    CLIENT,
    CONFIG_MAP,
    NODE,
    SPACE,
    Cluster,
    HurriedClock,
    ago,
    approving,
)
from tests.support.authority import Authority
from tests.support.contexts import server_context
from tests.support.requests import request
from tests.support.scripted import faults
from tests.support.scripted.faults import answered_late
from tests.support.scripted.kinds import CSRS
from tests.support.scripted.kubelet import ScriptedKubelet, Serve
from tests.support.scripted.nobody import closed_port
from tests.support.scripted.reviews import Attributes

CSR_PATH = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
GONE = {"v": 1, "standing": {"earlier": True}}
RULE = (
    "sources: [inventory, pins, new-nodes]",
    "newNodes: [{names: 'w*', cidrs: [192.0.2.0/24], perHour: 2}]",
)


def recorded(cluster: Cluster) -> dict[str, Any]:
    """What the approver wrote down, by node."""
    return {
        node: json.loads(text)
        for each in cluster.server.store.list(CONFIG_MAP, SPACE)
        if each["metadata"]["name"].startswith("kubevouch-recorded-")
        for node, text in each.get("data", {}).items()
    }


async def test_a_new_node_is_admitted_by_the_rule_once_and_written_down_before_the_approval(
    cluster: Cluster,
) -> None:
    node = cluster.node("w1", "192.0.2.1")
    cluster.configure(*RULE)
    async with approving(cluster):
        cluster.csr("csr-1", "w1")
        await cluster.until(lambda: cluster.approved("csr-1"))
        found = recorded(cluster)["w1"]
        assert found["admitted"]["addresses"] == ["192.0.2.1"]
        assert found["uid"] == node["metadata"]["uid"]
        methods = [(m, p.rpartition("/")[2]) for m, p in cluster.writes() if "events" not in p]
        assert methods[-1] == ("PATCH", "approval")
        assert "configmaps" in next(p for m, p in cluster.writes() if m == "POST")
        # The next one is by the record, not by the rule.
        cluster.csr("csr-2", "w1")
        await cluster.until(lambda: cluster.approved("csr-2"))
    message = cluster.conditions("csr-2")[0]["message"]
    assert "admitted by the rule for new nodes (w*) on" in message


async def test_the_rule_admits_no_more_than_it_says_however_many_come_at_once(
    cluster: Cluster,
) -> None:
    cluster.configure(*RULE)
    for number in range(1, 9):
        cluster.node(f"w{number}", f"192.0.2.{number}")
        cluster.csr(f"csr-{number}", f"w{number}")
    async with approving(cluster) as running:
        await cluster.until(lambda: running.log.count("TooManyNewNodes") >= 6)
    assert sum(cluster.approved(f"csr-{number}") for number in range(1, 9)) == 2
    assert len(recorded(cluster)) == 2


async def test_a_record_that_cannot_be_written_approves_nothing(cluster: Cluster) -> None:
    def no_config_maps(asked: Attributes) -> bool:
        return asked.resource != "configmaps" or asked.verb not in {"create", "patch"}

    cluster.node("w1", "192.0.2.1")
    cluster.configure(*RULE)
    cluster.server.authorize = no_config_maps
    async with approving(cluster) as running:
        cluster.csr("csr-1", "w1")
        await cluster.until(lambda: "Failed to write a record" in running.log)
        assert not cluster.conditions("csr-1")
        cluster.server.authorize = lambda _: True
        await cluster.until(lambda: cluster.approved("csr-1"))


async def test_a_record_of_a_newer_kubevouch_is_not_written_over(cluster: Cluster) -> None:
    """Nor is the node admitted: what the newer one knows of it cannot be read."""
    newer = json.dumps({"v": 99, "whatever": True})
    cluster.node("w1", "192.0.2.1")
    cluster.config_map(shard_of("kubevouch-recorded", "w1"), {"w1": newer})
    cluster.configure(*RULE)
    async with approving(cluster, clock=HurriedClock(20.0), elects=False) as running:
        cluster.csr("csr-1", "w1")
        await running.decided("csr-1")
        assert "SourceUnreadable" in running.log
        client_csr(cluster, "thief-client", "w1", *BOOTSTRAP)
        await asyncio.sleep(1.0)  # four flushes
    assert recorded(cluster)["w1"] == {"v": 99, "whatever": True}
    assert not cluster.conditions("csr-1")


async def test_of_a_node_that_is_gone_only_that_it_was_there_is_remembered(
    cluster: Cluster,
) -> None:
    cluster.node("w1", "192.0.2.1")
    cluster.configure(*RULE)
    async with approving(cluster):
        cluster.csr("csr-1", "w1")
        await cluster.until(lambda: cluster.approved("csr-1"))
        cluster.delete_node("w1")
        await cluster.until(lambda: recorded(cluster)["w1"] == GONE)


async def test_an_address_that_was_admitted_is_free_as_soon_as_its_record_is_gone(
    cluster: Cluster,
) -> None:
    """The Node goes first, its record some seconds later: whoever waits for the address is looked at then, too."""
    cluster.node("w1", "192.0.2.1")
    cluster.configure(*RULE)
    async with approving(cluster, clock=HurriedClock(5.0)) as running:
        cluster.csr("csr-1", "w1")
        await cluster.until(lambda: cluster.approved("csr-1"))
        cluster.node("w2", "192.0.2.1")
        cluster.csr("csr-2", "w2")
        await running.decided("csr-2")
        assert "ForeignAddress" in running.log
        cluster.delete_node("w1")
        await cluster.until(lambda: cluster.approved("csr-2"))


async def test_what_went_while_nobody_watched_is_noticed_later(cluster: Cluster) -> None:
    cluster.node("w1", "192.0.2.1")
    cluster.configure(*RULE)
    async with approving(cluster):
        cluster.csr("csr-1", "w1")
        await cluster.until(lambda: cluster.approved("csr-1"))
    cluster.delete_node("w1")
    async with approving(cluster, identity="two"):
        await cluster.until(lambda: recorded(cluster)["w1"] == GONE)


async def test_a_node_that_is_made_again_is_a_new_one_for_the_rule(cluster: Cluster) -> None:
    cluster.node("w1", "192.0.2.1")
    cluster.configure(*RULE)
    async with approving(cluster):
        cluster.csr("csr-1", "w1")
        await cluster.until(lambda: cluster.approved("csr-1"))
        cluster.delete_node("w1")
        new = cluster.node("w1", "192.0.2.5")
        cluster.csr("csr-2", "w1", "192.0.2.5")
        await cluster.until(lambda: cluster.approved("csr-2"))
        assert recorded(cluster)["w1"]["uid"] == new["metadata"]["uid"]
        assert recorded(cluster)["w1"]["admitted"]["addresses"] == ["192.0.2.5"]


async def test_a_node_that_was_made_again_while_nobody_watched_is_held(cluster: Cluster) -> None:
    """What was recorded of the former one contradicts it: an operator looks."""
    cluster.node("w1", "192.0.2.1")
    cluster.configure(*RULE)
    async with approving(cluster):
        cluster.csr("csr-1", "w1")
        await cluster.until(lambda: cluster.approved("csr-1"))
    cluster.delete_node("w1")
    cluster.node("w1", "192.0.2.5")
    async with approving(cluster, identity="two") as running:
        cluster.csr("csr-2", "w1", "192.0.2.5")
        await running.decided("csr-2")
        assert "PinOutdated" in running.log
    assert not cluster.conditions("csr-2")


def client_csr(cluster: Cluster, name: str, node: str, user: str, groups: list[str]) -> str:
    """A CSR for a client certificate, issued. Returns the SHA-256 of the certificate."""
    pem = request(node)
    csr = x509.load_pem_x509_csr(pem)
    now = datetime.now(UTC)
    leaf = (
        x509.CertificateBuilder()
        .subject_name(csr.subject)
        .issuer_name(csr.subject)
        .public_key(csr.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    cluster.server.store.create(
        CSRS,
        {
            "metadata": {"name": name},
            "spec": {
                "request": base64.b64encode(pem).decode(),
                "signerName": CLIENT,
                "usages": ["digital signature", "client auth"],
                "username": user,
                "groups": groups,
            },
            "status": {
                "conditions": [{"type": "Approved", "status": "True", "reason": "AutoApproved"}],
                "certificate": base64.b64encode(leaf.public_bytes(Encoding.PEM)).decode(),
            },
        },
    )
    return leaf.fingerprint(hashes.SHA256()).hex()


BOOTSTRAP = ("system:bootstrap:abcdef", ["system:bootstrappers", "system:authenticated"])


async def test_a_client_certificate_that_was_borrowed_while_the_node_was_there_gets_nothing(
    cluster: Cluster,
) -> None:
    node = cluster.node("n1", "192.0.2.1")
    cluster.server.store.put(
        NODE,
        {**node, "metadata": {**node["metadata"], "creationTimestamp": ago(3600)}},
    )
    cluster.list_nodes()
    # If each signer had a watch of its own, that of client certificates could be behind: whoever is quick would come first.
    cluster.server.faults.on(
        "*certificatesigningrequests",
        faults.silence(),
        where=lambda r: "watch" in r.query and CLIENT in r.query.get("fieldSelector", ""),
    )
    async with approving(cluster) as running:
        await cluster.until(lambda: "Listed everything" in running.log)
        stolen = client_csr(cluster, "thief-client", "n1", *BOOTSTRAP)
        cluster.csr("csr-thief", "n1", credential=stolen)
        await running.decided("csr-thief")
        assert "BorrowedIdentity" in running.log
        assert not cluster.conditions("csr-thief")
        # It is remembered by whoever comes next.
        await cluster.until(lambda: "n1" in recorded(cluster))
    assert recorded(cluster)["n1"]["standing"]["credentials"][0]["standing"] == "borrowed"
    cluster.server.store.delete(CSRS, "thief-client")
    async with approving(cluster, identity="two") as running:
        await running.decided("csr-thief")
        assert "BorrowedIdentity" in running.log


async def test_what_was_learned_a_moment_before_the_approver_ends_is_remembered(
    cluster: Cluster,
) -> None:
    """Records are written every five seconds. By when the next process lists everything the Node may be gone."""
    cluster.node("n1", "192.0.2.1")
    async with approving(cluster) as running:
        await cluster.until(lambda: "Listed everything" in running.log)
        own = client_csr(cluster, "own-client", "n1", *BOOTSTRAP)
        cluster.csr("csr-own", "n1", credential=own)
        await running.decided("csr-own")
    (credential,) = recorded(cluster)["n1"]["standing"]["credentials"]
    assert credential["certificate"] == own


async def test_what_was_being_written_when_the_approver_was_asked_to_end_is_remembered(
    cluster: Cluster,
) -> None:
    """The write that is under way is cut off, and done again at the end."""
    shard = f"/api/v1/namespaces/{SPACE}/configmaps/{shard_of('kubevouch-recorded', 'n1')}"
    cluster.server.faults.on(shard, faults.silence(), times=1)
    cluster.node("n1", "192.0.2.1")
    async with approving(cluster, clock=HurriedClock(5)) as running:
        await cluster.until(lambda: "Listed everything" in running.log)
        own = client_csr(cluster, "own-client", "n1", *BOOTSTRAP)
        cluster.csr("csr-own", "n1", credential=own)
        await running.decided("csr-own")
        await cluster.until(lambda: ("PATCH", shard) in cluster.writes())
        assert recorded(cluster) == {}
    (credential,) = recorded(cluster)["n1"]["standing"]["credentials"]
    assert credential["certificate"] == own


async def test_a_borrowed_one_is_remembered_of_a_node_that_was_gone_while_another_process_began(
    cluster: Cluster,
) -> None:
    """The Node is deleted and the approver restarted; an hour later the CSR that shows the borrowing is gone, too."""
    node = cluster.node("n1", "192.0.2.1")
    cluster.server.store.put(
        NODE, {**node, "metadata": {**node["metadata"], "creationTimestamp": ago(3600)}}
    )
    cluster.list_nodes()

    def whose() -> list[str]:
        return [each.get("uid", "") for each in recorded(cluster).values()]

    async with approving(cluster, clock=HurriedClock(20.0), elects=False) as running:
        await cluster.until(lambda: "Listed everything" in running.log)
        stolen = client_csr(cluster, "thief-client", "n1", *BOOTSTRAP)
        await cluster.until(lambda: whose() == [node["metadata"]["uid"]])
        cluster.delete_node("n1")
        await cluster.until(lambda: whose() == [""])
    cluster.server.store.delete(CSRS, "thief-client")
    async with approving(cluster, clock=HurriedClock(20.0), elects=False) as running:
        await cluster.until(lambda: "Listed everything" in running.log)
        await asyncio.sleep(1.0)  # four flushes
        cluster.node("n1", "192.0.2.1")
        cluster.csr("csr-thief", "n1", credential=stolen)
        await running.decided("csr-thief")
        assert "BorrowedIdentity" in running.log
    assert not cluster.conditions("csr-thief")


async def test_whoever_uses_the_time_in_which_a_node_is_deleted_gets_nothing_and_its_kubelet_does(
    cluster: Cluster,
) -> None:
    """By the inventory. A reinstalled machine looks the same: one command says that it is the node's own."""
    cluster.node("n1", "192.0.2.1")
    cluster.list_nodes()
    async with approving(cluster, clock=HurriedClock(20.0), elects=False) as running:
        await cluster.until(lambda: "Listed everything" in running.log)
        cluster.delete_node("n1")
        await cluster.until(lambda: recorded(cluster).get("n1") == GONE)
        stolen = client_csr(cluster, "thief-client", "n1", *BOOTSTRAP)
        await cluster.until(lambda: "credentials" in recorded(cluster)["n1"]["standing"])
    cluster.server.store.delete(CSRS, "thief-client")
    async with approving(cluster, clock=HurriedClock(20.0), elects=False) as running:
        await cluster.until(lambda: "Listed everything" in running.log)
        again = cluster.node("n1", "192.0.2.1")
        cluster.csr("csr-thief", "n1", credential=stolen)
        await running.decided("csr-thief")
        assert "IdentityGotAnew" in running.log
        cluster.csr("csr-own", "n1", credential="a" * 64)
        await cluster.until(lambda: cluster.approved("csr-own"))
        assert not cluster.conditions("csr-thief")
        await cluster.until(lambda: cluster.events("KubeletServingHeld"))
        note = cluster.events("KubeletServingHeld")[0]["note"]
        assert "kubevouch approver pin n1 --csr csr-thief" in note
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
    async with approving(cluster, clock=HurriedClock(20.0), elects=False) as running:
        await cluster.until(lambda: "PinOutdated" in running.log)
        now = pinned(again["metadata"]["uid"])
        cluster.server.store.change(
            CONFIG_MAP, (SPACE, shard), lambda found: {**found, "data": now}
        )
        await cluster.until(lambda: "IdentityGotAnew" in running.log)
        cluster.csr("csr-own", "n1", credential="a" * 64)
        await cluster.until(lambda: cluster.approved("csr-own"))
    assert not cluster.conditions("csr-thief")


async def test_while_a_list_is_read_page_by_page_nothing_is_looked_at(cluster: Cluster) -> None:
    """A list goes by names: a thief calls his serving CSR a..., and the one that shows what he borrowed comes with the last page."""
    node = cluster.node("n1", "192.0.2.1")
    cluster.server.store.put(
        NODE,
        {**node, "metadata": {**node["metadata"], "creationTimestamp": ago(3600)}},
    )
    cluster.list_nodes()
    last_page = asyncio.Event()

    async def late() -> None:
        await last_page.wait()

    async with approving(cluster) as running:
        await cluster.until(lambda: cluster.server.watches.open == 3)
        gone = status.StatusError(410, "Expired", "too old resource version")
        script = cluster.server.faults
        script.on(CSR_PATH, faults.refuse(gone), times=1, where=lambda r: "watch" in r.query)
        script.on(
            CSR_PATH,
            answered_late(cluster.server.truth, late),
            where=lambda r: "continue" in r.query,
        )
        await cluster.server.watches.cut()
        for number in range(500):
            unknown = {"signerName": "example.com/other", "username": "alice", "request": ""}
            cluster.server.store.create(
                CSRS, {"metadata": {"name": f"b-{number}"}, "spec": unknown, "status": {}}
            )
        stolen = client_csr(cluster, "z-client", "n1", *BOOTSTRAP)
        cluster.csr("a-thief", "n1", credential=stolen)
        await cluster.until(
            lambda: any("continue" in each.query for each in cluster.server.requests)
        )
        await asyncio.sleep(1.0)
        assert not cluster.conditions("a-thief")
        last_page.set()
        await running.decided("a-thief")
        assert "BorrowedIdentity" in running.log
    assert not cluster.conditions("a-thief")


async def test_client_and_serving_csrs_come_by_one_watch_in_their_order(cluster: Cluster) -> None:
    async with approving(cluster) as running:
        await cluster.until(lambda: "Listed everything" in running.log)
        await cluster.until(
            lambda: (
                sum(
                    each.path.endswith("/certificatesigningrequests") and "watch" in each.query
                    for each in cluster.server.requests
                )
                == 1
            )
        )


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


async def test_a_node_that_joined_and_asked_with_its_own_certificate_is_approved(
    cluster: Cluster,
) -> None:
    own = client_csr(cluster, "join", "n1", *BOOTSTRAP)
    await asyncio.sleep(1.1)  # the API server writes whole seconds
    cluster.node("n1", "192.0.2.1")
    cluster.list_nodes()
    async with approving(cluster):
        cluster.csr("csr-1", "n1", credential=own)
        await cluster.until(lambda: cluster.approved("csr-1"))


async def test_no_loopback_address_is_ever_dialled(cluster: Cluster) -> None:
    """It might be anything on the approver's own machine."""
    pair = cluster.authority.serving("n1", "127.0.0.1", node="n1")
    async with ScriptedKubelet(Serve(server_context(pair)), SystemClock()) as kubelet:
        cluster.node("n1", "127.0.0.1", port=kubelet.port)
        async with approving(cluster) as running:
            cluster.csr("csr-1", "n1")
            await running.decided("csr-1")
            assert "AddressNotUsable" in running.log
        assert not kubelet.seen


# Another one than the API server's, which no kubelet may have.
ADDRESS = "127.0.0.2"
HERE = (ADDRESS,)


async def test_a_certificate_that_is_served_renews_itself(cluster: Cluster) -> None:
    """Served with the same leaf at the address that is asked for; nothing is written down for the node."""
    pair = cluster.authority.serving("n1", ADDRESS, node="n1")
    async with ScriptedKubelet(Serve(server_context(pair)), SystemClock(), host=ADDRESS) as kubelet:
        cluster.node("n1", ADDRESS, port=kubelet.port)
        async with approving(cluster, loopback=HERE):
            cluster.csr("csr-1", "n1")
            await cluster.until(lambda: cluster.approved("csr-1"))
        assert kubelet.seen
    assert "by the certificate that it serves" in cluster.conditions("csr-1")[0]["message"]


@pytest.mark.parametrize("of", ["another authority", "another node"])
async def test_a_certificate_of_another_authority_or_node_renews_nothing(
    cluster: Cluster, of: str
) -> None:
    signer = cluster.authority if of == "another node" else Authority()
    pair = signer.serving("n1", ADDRESS, node="n2" if of == "another node" else "n1")
    async with ScriptedKubelet(Serve(server_context(pair)), SystemClock(), host=ADDRESS) as kubelet:
        cluster.node("n1", ADDRESS, port=kubelet.port)
        async with approving(cluster, loopback=HERE) as running:
            cluster.csr("csr-1", "n1")
            await running.decided("csr-1")
            assert "NodeUnknown" in running.log
    assert not cluster.conditions("csr-1")


def issue(cluster: Cluster, name: str, chain: bytes) -> None:
    """What the signer does with an approved CSR."""
    encoded = base64.b64encode(chain).decode()
    cluster.server.store.change(
        CSRS, ("", name), lambda it: {**it, "status": {**it["status"], "certificate": encoded}}
    )


@pytest.mark.parametrize("installs", [True, False])
async def test_whether_the_node_serves_what_was_issued_is_looked_at(
    cluster: Cluster, installs: bool
) -> None:
    pair = cluster.authority.serving("n1", ADDRESS, node="n1")
    issued = cluster.authority.serving("n1", ADDRESS, node="n1")
    async with ScriptedKubelet(Serve(server_context(pair)), SystemClock(), host=ADDRESS) as kubelet:
        cluster.node("n1", ADDRESS, port=kubelet.port)
        cluster.list_nodes()
        clock = HurriedClock(60.0)
        async with approving(cluster, loopback=HERE, clock=clock, elects=False) as running:
            cluster.csr("csr-1", "n1")
            await cluster.until(lambda: cluster.approved("csr-1"))
            issue(cluster, "csr-1", issued.chain)
            if installs:
                kubelet.behaviour = Serve(server_context(issued))
                series = 'kubevouch_approver_served_checks_total{result="served"}'
                await cluster.until(lambda: running.metric(series) == 1)
                assert not cluster.events("KubeletServingNotServed")
                return
            await cluster.until(lambda: len(cluster.events("KubeletServingNotServed")) == 2)
            assert running.metric("kubevouch_approver_served_mismatch") == 1
            assert f"{ADDRESS} does not serve the certificate" in running.log
            for event in cluster.events("KubeletServingNotServed"):
                assert event["note"].endswith(
                    "got two minutes ago. See: kubevouch probe n1; kubevouch doctor"
                )
            kubelet.behaviour = Serve(server_context(issued))
            await cluster.until(lambda: running.metric("kubevouch_approver_served_mismatch") == 0)


async def test_a_node_that_is_not_reached_from_here_is_no_mismatch(cluster: Cluster) -> None:
    issued = cluster.authority.serving("n1", ADDRESS, node="n1")
    with closed_port() as port:
        cluster.node("n1", ADDRESS, port=port)
        cluster.list_nodes()
        clock = HurriedClock(60.0)
        async with approving(cluster, loopback=HERE, clock=clock, elects=False) as running:
            cluster.csr("csr-1", "n1")
            await cluster.until(lambda: cluster.approved("csr-1"))
            issue(cluster, "csr-1", issued.chain)
            series = 'kubevouch_approver_served_checks_total{result="unreachable"}'
            await cluster.until(lambda: running.metric(series) == 1)
            assert running.metric("kubevouch_approver_served_mismatch") == 0
    assert not cluster.events("KubeletServingNotServed")


async def test_what_others_approve_against_the_policy_is_reported(cluster: Cluster) -> None:
    cluster.node("n1", "192.0.2.1")
    cluster.list_nodes()
    async with approving(cluster) as running:
        cluster.csr("csr-1", "n1", "192.0.2.9")
        await running.decided("csr-1")
        approve(cluster, "csr-1", reason="AutoApproved", manager="lax-approver")
        await cluster.until(lambda: cluster.events("KubeletServingApprovedByOthers"))
        (event,) = cluster.events("KubeletServingApprovedByOthers")
        assert "lax-approver (self-declared) with reason 'AutoApproved'" in event["note"]
        assert "AddressNotAllowed" in event["note"]
        assert event["note"].endswith(". See: kubevouch csr explain csr-1")
        series = 'kubevouch_approver_others_approved_total{verdict="refuse"}'
        assert running.metric(series) == 1


async def test_of_a_csr_without_field_managers_it_says_that_the_api_server_keeps_none(
    cluster: Cluster,
) -> None:
    """As of one that was made with a name and nothing else (kubectl create): nobody is made up in its place."""
    cluster.node("n1", "192.0.2.1")
    cluster.list_nodes()
    async with approving(cluster) as running:
        cluster.csr("csr-1", "n1", "192.0.2.9")
        await running.decided("csr-1")
        approve(cluster, "csr-1", reason="KubevouchApprove", manager="")
        await cluster.until(lambda: cluster.events("KubeletServingApprovedByOthers"))
    (event,) = cluster.events("KubeletServingApprovedByOthers")
    words = (
        "approved with reason 'KubevouchApprove' (self-declared) by a client whose name the API server does not keep; "
        "our policy would hold it: "
    )
    assert event["note"].startswith(words)


async def test_what_others_approve_with_our_reason_is_looked_at_as_well(cluster: Cluster) -> None:
    cluster.node("n1", "192.0.2.1")
    cluster.list_nodes()
    async with approving(cluster) as running:
        cluster.csr("csr-1", "n1", "192.0.2.9")
        await running.decided("csr-1")
        approve(cluster, "csr-1", reason="KubevouchApprove", manager="kubevouch")
        await cluster.until(lambda: cluster.events("KubeletServingApprovedByOthers"))


async def test_what_others_approve_within_the_policy_is_counted_only(cluster: Cluster) -> None:
    cluster.node("n1", "192.0.2.1")
    cluster.inventory(n1=["192.0.2.7"])
    async with approving(cluster) as running:
        cluster.csr("csr-1", "n1", "192.0.2.9")
        await running.decided("csr-1")
        cluster.csr("csr-2", "n1", "192.0.2.7")
        await cluster.until(lambda: cluster.approved("csr-2"))
        assert running.metric('kubevouch_approver_others_approved_total{verdict="refuse"}') == 0
        assert running.metric('kubevouch_approver_others_approved_total{verdict="pass"}') == 0


async def test_our_own_approval_is_not_somebody_elses_though_the_watch_shows_it_before_the_answer_comes(
    cluster: Cluster,
) -> None:
    cluster.node("n1", "192.0.2.1")
    cluster.list_nodes()
    async with approving(cluster) as running:

        async def shown() -> None:
            await cluster.until(lambda: running.metric("kubevouch_approver_pending") == 0)

        path = "/apis/certificates.k8s.io/v1/certificatesigningrequests/csr-1/approval"
        cluster.server.faults.on(path, answered_late(cluster.server.truth, shown), method="PATCH")
        cluster.csr("csr-1", "n1")
        await cluster.until(lambda: cluster.events("KubeletServingApproved"))
        for verdict in ("pass", "refuse", "cannot-tell"):
            series = f'kubevouch_approver_others_approved_total{{verdict="{verdict}"}}'
            assert running.metric(series) == 0


def approve(cluster: Cluster, name: str, *, reason: str, manager: str) -> None:
    """manager: "" leaves the CSR without managed fields."""
    written = {"manager": manager, "operation": "Update", "subresource": "approval"}
    condition = {
        "type": "Approved",
        "status": "True",
        "reason": reason,
        "lastUpdateTime": ago(0),
    }
    cluster.server.store.change(
        CSRS,
        ("", name),
        lambda it: {
            **it,
            "metadata": {**it["metadata"], "managedFields": [written] if manager else []},
            "status": {"conditions": [condition]},
        },
    )
