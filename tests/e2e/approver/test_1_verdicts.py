"""The approver as pods of our image with the shipped manifests: an expected verdict for each event."""

from datetime import datetime
from itertools import count, islice

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kubevouch.outcome import Outcome
from real.oracle.dice import Dice
from tests.e2e.cluster import Cluster
from tests.e2e.lab_cluster import LabCluster
from tests.e2e.told import (
    ended,
    eventually,
)
from tests.policy.conftest import ADDRESS, NODE, Case
from tests.policy.hostile_requests import hostile_pem
from tests.support.api_connection import RefusedRequest

from .conftest import address, pinned
from .installed import InstalledApprover, assert_approved_once, takes_its_next_certificate
from .simulated import SERVING, Joining, SimulatedNode, create_csr


@pytest.mark.as_the_version_is
def test_a_crowd_that_joins_is_admitted_by_the_rule_and_recorded(
    approver: InstalledApprover, site: Joining, crowd: list[SimulatedNode], now: datetime
) -> None:
    first = [node.ask() for node in crowd]
    for name in first:
        condition = site.approved(name)
        assert condition["reason"] == "KubevouchApprove"
        assert "sim-*.example.com" in condition["message"], condition
    again = [node.ask() for node in crowd]
    for name in again:
        site.approved(name)
    assert_approved_once(approver, [*first, *again], now)


@pytest.mark.long_on_the_bed
def test_what_the_rule_does_not_admit_waits_for_a_pin(
    approver: InstalledApprover, site: Joining
) -> None:
    """Neither another name nor another network; the log has the command, and the command is all that it takes."""
    elsewhere = site.join("sim-elsewhere.example.com", "192.168.200.1")
    other = site.join("other.example.com", address())
    site.held(elsewhere.ask(), "192.168.200.1")
    waits = other.ask()
    note = site.held(waits, "NodeUnknown")
    assert "kubevouch approver pin other.example.com" in note
    ended(approver.cluster, 0, "approver", "pin", other.name, "--yes")
    assert "pinned on" in site.approved(waits)["message"]


@pytest.mark.as_the_version_is
def test_a_real_kubelet_gets_its_next_certificate_and_serves_it(
    approver: InstalledApprover,
) -> None:
    takes_its_next_certificate(approver.cluster.workers[0])


@pytest.mark.as_the_version_is
def test_a_pinned_node_that_claims_another_address_is_held(
    approver: InstalledApprover, site: Joining
) -> None:
    node, other = pinned(approver, site, "moved.example.com"), address()
    node.claim(other)
    note = site.held(node.ask(other), other, "pinned on")
    assert "kubevouch approver pin moved.example.com --diff" in note
    site.held(node.ask(node.address, other), other)
    node.claim(node.address)
    site.approved(node.ask())


@pytest.mark.long_on_the_bed
def test_a_renamed_node_gets_its_address_once_the_former_node_is_gone(site: Joining) -> None:
    former = site.join("sim-former.example.com", address())
    site.approved(former.ask())
    renamed = site.join("sim-renamed.example.com", former.address)
    waits = renamed.ask()
    site.held(waits, former.address, former.name)
    site.held(former.ask(names=["sim-renamed.example.com"]), "sim-renamed.example.com")
    site.delete_node(former.name)
    site.approved(waits)


@pytest.mark.long_on_the_bed
def test_an_address_that_is_pinned_to_another_node_is_not_recycled(
    approver: InstalledApprover, site: Joining
) -> None:
    """Also when that node is gone: its pin is the operator's word, and stays."""
    owner = pinned(approver, site, "owner.example.com")
    site.delete_node(owner.name)
    heir = site.join("sim-heir.example.com", owner.address)
    site.held(heir.ask(), owner.address, owner.name)


@pytest.mark.long_on_the_bed
def test_a_node_that_was_deleted_and_made_again_does_not_inherit_its_pin(
    approver: InstalledApprover, site: Joining
) -> None:
    node = pinned(approver, site, "again.example.com")
    site.delete_node(node.name)
    node.register()
    waits = node.ask()
    site.held(waits, "PinOutdated")
    ended(approver.cluster, 0, "approver", "pin", node.name, "--csr", waits, "--yes")
    site.approved(waits)


@pytest.mark.long_on_the_bed
def test_a_machine_that_is_reinstalled_wants_one_command(
    approver: InstalledApprover, site: Joining
) -> None:
    """A thief who uses the time in which its Node is deleted looks the same. A pin of the names alone does not decide it."""
    node = pinned(approver, site, "reinstalled.example.com")
    site.delete_node(node.name)

    def is_known_to_be_gone() -> bool:
        found = approver.cluster.get("configmaps", "-n", "kubevouch-system")["items"]
        entries = [each.get("data", {}).get(node.name, "") for each in found]
        return any('"earlier":' in each for each in entries)

    eventually(is_known_to_be_gone, "a record that the Node is gone")
    again = site.join(node.name, node.address)
    waits = again.ask()
    note = site.held(waits, "EarlierNode")
    assert f"kubevouch approver pin {node.name} --csr {waits}" in note
    kubevouch = approver.cluster.kubevouch
    ran = kubevouch("approver", "pin", node.name, "--yes")
    assert ran.code == 0, ran
    note = site.held(again.ask(), "EarlierNode")
    assert "PinOutdated" not in note
    latest = again.ask()
    ran = kubevouch("approver", "pin", node.name, "--csr", latest, "--yes")
    assert ran.code == 0, ran
    assert "system:bootstrap" in ran.out + ran.err, ran
    site.approved(latest)


@pytest.mark.as_the_version_is
def test_a_stolen_bootstrap_identity_gets_nothing_also_once_renewed(
    site: Joining,
) -> None:
    """The same name, address, usages and form as the node's own CSR: only the credential is another."""
    victim = site.join("sim-victim.example.com", address())
    site.approved(victim.ask())
    site.wait_for_the_next_second(victim)
    thief = site.certified(victim.name, victim.address)
    site.held(thief.ask(), "BorrowedIdentity")
    renewed = site.renewed(thief)
    site.held(renewed.ask(), "BorrowedIdentity")
    own = site.renewed(victim)
    site.approved(own.ask())


@pytest.mark.long_on_the_bed
def test_what_the_approver_refuses_is_approved_by_hand_only_against_it(
    approver: InstalledApprover, site: Joining
) -> None:
    """A key that another node has shown. The approval says for good that the approver had not approved it."""
    key = ec.generate_private_key(ec.SECP256R1())
    first = pinned(approver, site, "first-with-a-key.example.com")
    second = pinned(approver, site, "second-with-a-key.example.com")
    kubevouch = approver.cluster.kubevouch
    site.approved(first.ask(key=key))
    name = second.ask(key=key)
    site.held(name, "own-key (KeyOfAnotherNode)")
    left = "the approver is installed and has not approved the CSR"
    refused = kubevouch("csr", "approve", name, "--yes")
    assert (refused.code, left in " ".join(refused.out.split())) == (3, True), refused
    assert not site.csrs.objects[name]["status"].get("conditions")
    against = kubevouch("csr", "approve", name, "--yes", "--against-approver")
    assert against.code == 0, against
    message = site.approved(name)["message"]
    assert "every rule passed" not in message
    assert left in message
    assert "not checked: " in message


@pytest.mark.long_on_the_bed
def test_no_hostile_form_is_approved_and_the_good_one_after_them_is(
    cluster: Cluster, approver: InstalledApprover, site: Joining, forms: int
) -> None:
    """Each with the node's own client certificate. What the API server cannot read, it refuses; the approver holds the rest."""
    if not isinstance(cluster, LabCluster):
        pytest.skip("a machine of the bed has the address that these forms ask for")
    node = site.join(NODE, ADDRESS)
    assert approver.cluster.kubevouch("approver", "pin", NODE, "--yes").code == 0
    site.approved(node.ask())
    drawn = (hostile_pem(Dice(f"approver {number}")) for number in count())
    bad = (pem for pem in drawn if Case(pem=pem).judged().outcome is Outcome.REFUSE)
    asked = []
    for number, pem in enumerate(islice(bad, forms)):
        try:
            name = create_csr(node.api, f"hostile-{number}", pem, SERVING)
        except RefusedRequest:
            continue
        # Judged by what it asks for, and not only since the node has asked again or too often.
        assert not site.held(name).startswith(("newest ", "budget "))
        asked.append(name)
    assert len(asked) > forms / 2
    site.approved(node.ask())
    conditions = [site.csrs.objects[each]["status"].get("conditions") for each in asked]
    assert conditions == [None] * len(asked)
