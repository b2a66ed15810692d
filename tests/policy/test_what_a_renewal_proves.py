"""Renewal: the certificate that a kubelet serves already allows what is in it, at the addresses where it is served."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import msgspec
import pytest

from kubevouch.kube.resources import Node
from kubevouch.kubelet.dial_result import DialResult, Target
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import AskedNames, Claim, ClaimedBy, NameSource, OtherNodes
from kubevouch.policy.decide import decide_entitlement
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.reserved import ReservedNames
from kubevouch.policy.sources.choice import (
    IdentitySource,
    IdentitySources,
    SourceAnswer,
    answer_for,
)
from kubevouch.policy.sources.renewal import RenewalEvidence
from kubevouch.tls import FailureKind, HandshakeFailure
from kubevouch.x509 import Certificate, read_certificates
from tests.support.authority import Authority

NOW = datetime.now(UTC)
NODE, FIRST, SECOND = "worker-1", "192.168.88.112", "fd00::112"
CA, STRANGER = Authority(), Authority()


def leaf(*identities: str, node: str = NODE, by: Authority = CA, old: bool = False) -> Certificate:
    ends = NOW - timedelta(minutes=1) if old else NOW + timedelta(days=1)
    pair = by.serving(*identities, node=node, not_before=NOW - timedelta(days=2), not_after=ends)
    return read_certificates(pair.chain, "leaf")[0]


def at(
    address: str, served: Certificate | None, *, failure: HandshakeFailure | None = None
) -> DialResult:
    chain = (served,) if served else ()
    return DialResult(Target(address, NODE), NOW, 0.01, chain=chain, failure=failure)


def answered(*dialled: DialResult, asked: AskedNames | None = None) -> SourceAnswer:
    node = msgspec.convert({"metadata": {"name": NODE, "uid": "uid-1"}}, Node)
    evidence = RenewalEvidence(dialled, read_certificates(CA.pem, "CA"), NOW)
    return answer_for(node, asked or asking(), IdentitySources(), at=NOW, renewal=evidence)


def asking(*addresses: str, names: tuple[str, ...] = (NODE,)) -> AskedNames:
    return AskedNames(names, tuple(map(ip_address, addresses or (FIRST, SECOND))))


GOOD = leaf(NODE, FIRST, SECOND)
TIMEOUT = HandshakeFailure(FailureKind.CONNECT_TIMEOUT, "no answer within 5 s")


def test_the_same_certificate_at_every_address_allows_what_is_in_it() -> None:
    answer = answered(at(FIRST, GOOD), at(SECOND, GOOD))
    assert answer.source is IdentitySource.LIVE_CERTIFICATE
    assert answer.allowed.names == (Claim(NODE, NameSource.NODE_NAME),)
    assert answer.allowed.addresses == (
        Claim(FIRST, NameSource.LIVE_CERTIFICATE),
        Claim(SECOND, NameSource.LIVE_CERTIFICATE),
    )
    assert not answer.allowed.outdated
    assert decide_entitlement(answer.allowed, OtherNodes(), ReservedNames()).outcome is Outcome.PASS


def test_what_it_asks_for_besides_is_not_allowed_and_is_said_to_be_new() -> None:
    asked = asking(FIRST, "10.0.0.9", names=(NODE, "alias.example.com"))
    answer = answered(at(FIRST, GOOD), at("10.0.0.9", GOOD), asked=asked)
    assert answer.allowed.outdated == ""
    assert answer.allowed.unlisted == ("alias.example.com", "10.0.0.9")
    assert answer.allowed.listed == (
        "the certificate that it serves lacks it, and the Node itself does not claim alias.example.com, 10.0.0.9"
    )


def test_a_pin_of_the_node_is_advised_only_where_it_would_have_all_that_is_lacking() -> None:
    """What the Node does not claim is in no pin without the operator's word for it."""
    status = {"addresses": [{"type": "InternalIP", "address": "10.0.0.9"}]}
    node = msgspec.convert({"metadata": {"name": NODE, "uid": "uid-1"}, "status": status}, Node)
    evidence = RenewalEvidence((at(FIRST, GOOD),), read_certificates(CA.pem, "CA"), NOW)

    def advice(*names: str) -> str:
        asked = asking(FIRST, "10.0.0.9", names=(NODE, *names))
        return answer_for(
            node, asked, IdentitySources(), at=NOW, renewal=evidence
        ).allowed.listed.removeprefix("the certificate that it serves lacks it")

    assert advice() == ": kubevouch approver pin worker-1"
    assert advice("shop.example.com") == ", and the Node itself does not claim shop.example.com"


def test_the_address_is_the_same_however_it_is_dialled() -> None:
    answer = answered(at("fd00:0::112", GOOD), at(f"::ffff:{FIRST}", GOOD))
    assert answer.allowed.outdated == ""
    assert answer.source is IdentitySource.LIVE_CERTIFICATE


NOT_THERE = {
    "nobody has looked": (None, f"{SECOND}: nobody has looked at what is served there"),
    "a time-out": (at(SECOND, None, failure=TIMEOUT), f"{SECOND}: no answer within 5 s"),
    "no certificate": (at(SECOND, None), f"{SECOND}: no certificate is served"),
    "another node's certificate": (
        at(SECOND, leaf("worker-2", SECOND, node="worker-2")),
        f"{SECOND}: the certificate of system:node:worker-2 is served",
    ),
    "another of its own": (
        at(SECOND, leaf(NODE, FIRST, SECOND)),
        f"{FIRST}, {SECOND}: not the same certificate is served at all of them",
    ),
    "a name that was dialled": (
        at(NODE, GOOD),
        f"{SECOND}: nobody has looked at what is served there",
    ),
}


@pytest.mark.parametrize("case", NOT_THERE)
def test_an_address_where_the_same_certificate_is_not_served_leaves_all_in_doubt(case: str) -> None:
    dialled, why = NOT_THERE[case]
    answer = answered(at(FIRST, GOOD), *([dialled] if dialled else []))
    assert answer.source is IdentitySource.LIVE_CERTIFICATE
    assert answer.allowed.not_valid is HoldReason.NOT_SERVED
    assert answer.allowed.outdated == why


NOT_ITS_OWN = {
    "expired": leaf(NODE, FIRST, old=True),
    "of another authority": leaf(NODE, FIRST, by=STRANGER),
    "of another node": leaf("worker-2", FIRST, node="worker-2"),
    "of nobody": read_certificates(CA.serving(FIRST).chain, "leaf")[0],
}


@pytest.mark.parametrize("case", NOT_ITS_OWN)
def test_a_certificate_that_does_not_show_the_node_is_no_source(case: str) -> None:
    answer = answered(at(FIRST, NOT_ITS_OWN[case]), asked=asking(FIRST))
    assert answer.source is IdentitySource.NONE
    assert answer.allowed.not_valid is HoldReason.NODE_UNKNOWN
    assert f"renewal: {FIRST}: " in answer.why


def test_a_csr_without_an_address_has_nowhere_to_look() -> None:
    answer = answered(asked=AskedNames((NODE,), ()))
    assert "renewal: the CSR asks for no address at which to look" in answer.why


def test_a_name_of_hostile_characters_does_not_reach_the_terminal() -> None:
    hostile = leaf(FIRST, node="w\x1b[2J")
    assert answered(at(FIRST, hostile), asked=asking(FIRST)).why.isprintable()


def test_what_another_node_claims_is_held_although_it_is_served() -> None:
    """An address that went to another machine would stay in the old one's certificates for ever."""
    others = OtherNodes(addresses={ip_address(FIRST): ClaimedBy("worker-2", proven=False)})
    allowed = answered(at(FIRST, GOOD), at(SECOND, GOOD)).allowed
    decision = decide_entitlement(allowed, others, ReservedNames())
    assert [each.reason for each in decision.held_by] == [HoldReason.FOREIGN_ADDRESS]


def test_a_bad_certificate_is_not_renewed() -> None:
    """Whoever got the name of the API server once does not keep it by serving it."""
    bad = leaf(NODE, "kubernetes.default.svc", FIRST)
    asked = asking(FIRST, names=(NODE, "kubernetes.default.svc"))
    allowed = answered(at(FIRST, bad), asked=asked).allowed
    decision = decide_entitlement(allowed, OtherNodes(), ReservedNames())
    assert "reserved-names" in {each.rule for each in decision.held_by}
