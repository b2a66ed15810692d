"""Pins of a plan, seen with the Node as it is now: what moved, grew old or is contested since holds the CSR."""

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address

import pytest

from kubevouch.kube.resources import Node, NodeAddress
from kubevouch.kube.resources.meta import Metadata
from kubevouch.kube.resources.nodes import NodeInfo, NodeStatus
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import Claim, ClaimedBy, NameSource, OtherNodes
from kubevouch.policy.decide import decide_entitlement
from kubevouch.policy.pins import Pins, allowed_by_pins
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.reserved import ReservedNames

from .conftest import ADDRESS, NODE, NOW

LABEL = {"node-role.kubernetes.io/control-plane": ""}
NO_OTHERS = OtherNodes()
CONTESTED = OtherNodes(addresses={ip_address(ADDRESS): ClaimedBy("worker-3", proven=False)})
RESERVED = ReservedNames(endpoint_addresses={ip_address("192.168.88.111"): "an API server"})


@dataclass(frozen=True)
class Case:
    """A plan of an hour ago and the Node now: good as it stands."""

    pinned_addresses: tuple[Claim, ...] = (Claim(ADDRESS, NameSource.SSH_HOST_KEY),)
    pinned_names: tuple[Claim, ...] = (Claim(NODE, NameSource.NODE_NAME),)
    age: timedelta = timedelta(hours=1)
    uid: str = "uid-1"
    machine_id: str = "machine-1"
    claims: tuple[str, ...] = (NODE, ADDRESS)
    labels: tuple[str, ...] = ()
    others: OtherNodes | None = NO_OTHERS
    said: tuple[str, ...] = ()

    def held_by(self) -> dict[str, HoldReason]:
        pins = Pins(
            NODE, "uid-1", "machine-1", NOW - self.age, self.pinned_names, self.pinned_addresses
        )
        node = Node(
            metadata=Metadata(name=NODE, uid=self.uid, labels=dict.fromkeys(self.labels, "")),
            status=NodeStatus(
                addresses=tuple(NodeAddress(address=each) for each in self.claims),
                node_info=NodeInfo(machine_id=self.machine_id),
            ),
        )  # fmt: skip
        allowed = allowed_by_pins(pins, node, self.others, at=NOW, said=self.said)
        decision = decide_entitlement(allowed, self.others, RESERVED)
        assert (decision.outcome is Outcome.PASS) == (decision.held_by == ())
        return {each.rule: each.reason for each in decision.held_by}


GOOD = {
    "as planned": Case(),
    "an address that the Node no longer claims": Case(
        pinned_addresses=(Claim(ADDRESS, NameSource.SSH_HOST_KEY), Claim("10.0.0.7", NameSource.OPERATOR))
    ),
    "by an interface of that machine": Case(pinned_addresses=(Claim(ADDRESS, NameSource.THIS_MACHINE),)),
    "by the operator's word then": Case(pinned_addresses=(Claim(ADDRESS, NameSource.OPERATOR),)),
    "by the operator's word now": Case(claims=(NODE, ADDRESS, "10.0.0.7"), said=("10.0.0.7",)),
    "contested since, by the operator's word now": Case(others=CONTESTED, said=(ADDRESS,)),
    "an API server's address, of what is a control plane by its label now": Case(
        claims=(NODE, "192.168.88.111"),
        pinned_addresses=(Claim("192.168.88.111", NameSource.SSH_HOST_KEY),),
        labels=tuple(LABEL),
    ),
    "almost a day old": Case(age=timedelta(hours=23)),
}  # fmt: skip
HELD = {
    "the Node was recreated": (Case(uid="uid-2"), HoldReason.PIN_OUTDATED),
    "another machine": (Case(machine_id="machine-2"), HoldReason.PIN_OUTDATED),
    "older than a day": (Case(age=timedelta(hours=25)), HoldReason.PIN_OUTDATED),
    "made in the future": (Case(age=-timedelta(hours=1)), HoldReason.PIN_OUTDATED),
    "an address that the Node claims since": (
        Case(claims=(NODE, ADDRESS, "10.0.0.7")),
        HoldReason.ONLY_THE_NODE_SAYS_SO,
    ),
    "contested since": (Case(others=CONTESTED), HoldReason.CONTESTED_ADDRESS),
    "contested since, confirmed then": (
        Case(
            others=CONTESTED,
            pinned_addresses=(Claim(ADDRESS, NameSource.SSH_HOST_KEY, confirmed=True),),
        ),
        HoldReason.CONTESTED_ADDRESS,
    ),
    "contested since, by the operator's word then": (
        Case(others=CONTESTED, pinned_addresses=(Claim(ADDRESS, NameSource.OPERATOR),)),
        HoldReason.FOREIGN_ADDRESS,
    ),
    "a name that the plan calls the Node's own and is not": (
        Case(
            claims=(NODE, "vault.example.com", ADDRESS),
            pinned_names=(Claim("vault.example.com", NameSource.NODE_NAME),),
        ),
        HoldReason.ONLY_THE_NODE_SAYS_SO,
    ),
    "an API server's address, of what is no control plane by its label now": (
        Case(
            claims=(NODE, "192.168.88.111"),
            pinned_addresses=(Claim("192.168.88.111", NameSource.SSH_HOST_KEY),),
        ),
        HoldReason.RESERVED_ADDRESS,
    ),
}


@pytest.mark.parametrize("case", GOOD.values(), ids=GOOD)
def test_pins_that_still_hold_pass(case: Case) -> None:
    assert case.held_by() == {}


@pytest.mark.parametrize(("case", "reason"), HELD.values(), ids=HELD)
def test_pins_that_do_not_hold_any_more_name_the_reason(case: Case, reason: HoldReason) -> None:
    assert reason in case.held_by().values()


def test_where_the_nodes_are_not_known_nothing_is_contested_and_nothing_passes() -> None:
    held = Case(others=None).held_by()
    assert held == {
        "foreign-names": HoldReason.NOT_IN_EVIDENCE,
        "foreign-addresses": HoldReason.NOT_IN_EVIDENCE,
    }
