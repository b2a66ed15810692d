"""Threats that no single rule answers: other nodes' floods (T14), DNS (T18), and what an address was yesterday (T21)."""

import socket
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kubevouch.approve.decide.approved_lately import ShownKeys
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import AskedNames, Claim, NameSource
from kubevouch.policy.csr import Csr
from kubevouch.policy.node_index import NodeIndex, WrittenClaims
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.sources.choice import IdentitySources, answer_for, written_claims
from kubevouch.policy.sources.configuration import (
    ApproverConfiguration,
    IdentitySource,
    NewNodeRule,
)
from kubevouch.policy.sources.nodes import Admitted, RecordedNode
from kubevouch.x509 import read_csr
from tests.support.nodes import node
from tests.support.requests import request

from .conftest import ADDRESS, NODE, NOW, Case

KEY = ec.generate_private_key(ec.SECP256R1())


def csr(number: int, node: str) -> Csr:
    pem = request(node, [node], ["10.0.0.1"], key=KEY)
    made = datetime(2026, 11, 25, tzinfo=UTC) + timedelta(seconds=number)
    return Csr(
        f"csr-{number}", pem, read_csr(pem, "csr"), username=f"system:node:{node}", created=made
    )


def test_a_flood_of_other_nodes_csrs_changes_nothing_for_this_node() -> None:
    keys = ShownKeys()
    keys.put(csr(0, NODE))
    for number in range(1, 300):
        keys.put(csr(number, f"thief-{number % 3}"))
    assert NODE in (keys.shown_by(csr(0, NODE)) or ())


def test_no_name_is_ever_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolved(*_: object, **__: object) -> None:
        pytest.fail("a name was resolved: whoever answers DNS would decide")

    for name in ("getaddrinfo", "gethostbyname", "gethostbyaddr", "getnameinfo"):
        monkeypatch.setattr(socket, name, resolved)
    assert Case().judged().outcome is Outcome.PASS
    elsewhere = Case(names=(Claim("web.example.com", NameSource.PIN),))
    assert elsewhere.judged().outcome is Outcome.REFUSE


def test_a_recycled_address_is_nobodys_as_long_as_its_first_node_is_written_down() -> None:
    """Its certificate may be good for months still, so the next node waits until an operator pins it."""
    gone = RecordedNode("w1", "uid-w1", Admitted(("w1",), (ADDRESS,), NOW, "w*"))
    rule = NewNodeRule("w*", (), per_hour=9)
    sources = IdentitySources(
        ApproverConfiguration(sources=(IdentitySource.NEW_NODES,), new_nodes=(rule,)),
        recorded={"w1": gone},
    )
    index = NodeIndex()
    index.put(node("w2", ADDRESS))
    written = WrittenClaims()
    written.put("w1", written_claims(sources, "w1"))
    asked = AskedNames(("w2",), (ip_address(ADDRESS),))
    allowed = answer_for(node("w2", ADDRESS), asked, sources, at=NOW).allowed
    assert allowed.claim(ip_address(ADDRESS)) is None
    found = index.others("w2", asked, (), written.among(asked)).addresses[ip_address(ADDRESS)]
    assert (found.node, found.proven) == ("w1", True)
    case = Case(addresses=(Claim(ADDRESS, NameSource.NEW_NODE_RULE),))
    case.other_addresses = {ip_address(ADDRESS): found}
    assert HoldReason.FOREIGN_ADDRESS in {each.reason for each in case.judged().held_by}
