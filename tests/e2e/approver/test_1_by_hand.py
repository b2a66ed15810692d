"""What the approver holds, by hand: a pin that allows it, and what is refused and written down."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.e2e.told import ended

from .conftest import pinned
from .installed import InstalledApprover
from .simulated import Joining

pytestmark = pytest.mark.long_on_the_bed


def test_a_name_that_a_pinned_node_does_not_claim_passes_by_the_pin_that_allows_it(
    approver: InstalledApprover, site: Joining
) -> None:
    node = pinned(approver, site, "with-an-alias.example.com")
    waits = node.ask(names=[node.name, "alias.example.com"])
    site.held(waits, "allowed-names (NameNotAllowed)")
    allow = ("--allow", f"{node.name}=alias.example.com")
    ended(approver.cluster, 0, "approver", "pin", node.name, *allow, "--yes")
    site.approved(waits)


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
    left = "the approver is installed, and has not approved it"
    refused = kubevouch("csr", "approve", name, "--yes")
    assert (refused.code, left in " ".join(refused.out.split())) == (3, True), refused
    assert not site.csrs.objects[name]["status"].get("conditions")
    against = kubevouch("csr", "approve", name, "--yes", "--against-approver")
    assert against.code == 0, against
    message = site.approved(name)["message"]
    assert "every rule passed" not in message
    assert left in message
    assert "not asked: " in message
