"""Renewal: the certificate that a kubelet serves already allows what is in it, at the addresses where it is served."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
import trustme

from kubevouch.kubelet.dial_result import DialResult, Target
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import (
    AllowedNames,
    AskedNames,
    Claim,
    ClaimedBy,
    NameSource,
    OtherNodes,
)
from kubevouch.policy.decide import decide_entitlement
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.reserved import ReservedNames
from kubevouch.policy.sources.choice import IdentitySources, SourceAnswer, answer_for
from kubevouch.policy.sources.configuration import IdentitySource
from kubevouch.policy.sources.renewal import RenewalEvidence, allowed_by_renewal
from kubevouch.tls import FailureKind, HandshakeFailure
from kubevouch.x509 import Certificate, read_certificates
from tests.support.nodes import node

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
FIRST, SECOND = "10.0.0.1", "fd00::1"
CA, STRANGER = trustme.CA(), trustme.CA(organization_name="somebody else")
BETWEEN = CA.create_child_ca()
TIMEOUT = HandshakeFailure(FailureKind.CONNECT_TIMEOUT, "no answer within 5 s")
BY_SERVED = NameSource.LIVE_CERTIFICATE
LACKS = "the served certificate lacks it. "
YOURS = f"{LACKS}If the node is yours: kubevouch approver pin w1 --via ssh"


def served(
    *identities: str,
    by: trustme.CA = CA,
    user: str | None = "system:node:w1",
    group: str | None = "system:nodes",
    ends: datetime = NOW + timedelta(days=1),
) -> tuple[Certificate, ...]:
    pair = by.issue_cert(
        *identities,
        common_name=user,
        organization_name=group,
        not_before=NOW - timedelta(days=1),
        not_after=ends,
    )
    return read_certificates(b"".join(each.bytes() for each in pair.cert_chain_pems), "chain")


def at(address: str, *chain: Certificate, failure: HandshakeFailure | None = None) -> DialResult:
    return DialResult(Target(address), NOW, 0.01, chain=chain, failure=failure)


def allowed(
    *dialled: DialResult,
    names: tuple[str, ...] = ("w1",),
    addresses: tuple[str, ...] = (FIRST, SECOND),
    control_plane: bool = False,
) -> AllowedNames | str:
    roots = read_certificates(CA.cert_pem.bytes(), "roots")
    asked = AskedNames(names, tuple(map(ip_address, addresses)))
    made = node("w1", "alias", "10.0.0.9", control_plane=control_plane)
    return allowed_by_renewal(made, asked, RenewalEvidence(dialled, roots, NOW))


GOOD = served("w1", "shop", FIRST, SECOND)


def by_good(
    *, outdated: str = "", unlisted: tuple[str, ...] = (), cp: bool = False
) -> AllowedNames:
    return AllowedNames(
        node="w1",
        names=(Claim("w1", NameSource.NODE_NAME), Claim("shop", BY_SERVED)),
        addresses=(Claim(FIRST, BY_SERVED), Claim(SECOND, BY_SERVED)),
        control_plane=cp,
        outdated=outdated,
        not_valid=HoldReason.NOT_SERVED,
        unlisted=unlisted,
        listed=YOURS,
    )


@pytest.mark.parametrize("cp", [True, False])
def test_only_the_nodes_own_name_is_its_own_and_all_else_is_by_the_certificate(cp: bool) -> None:
    assert allowed(at(FIRST, *GOOD), at(SECOND, *GOOD), control_plane=cp) == by_good(cp=cp)


def test_what_the_node_does_not_claim_no_pin_is_advised_for() -> None:
    """It would have the words of whoever asks, to be copied into the operator's pin."""
    found = allowed(at(FIRST, *GOOD), names=("w1", "shop.example.com"), addresses=(FIRST,))
    assert isinstance(found, AllowedNames)
    assert found.listed == f"{LACKS}The Node itself does not claim shop.example.com"


def answered(*dialled: DialResult, names: tuple[str, ...] = ("w1",)) -> SourceAnswer:
    evidence = RenewalEvidence(dialled, read_certificates(CA.cert_pem.bytes(), "roots"), NOW)
    asked = AskedNames(names, (ip_address(FIRST),))
    return answer_for(node("w1"), asked, IdentitySources(), at=NOW, renewal=evidence)


def test_a_node_that_only_its_certificate_knows_gets_what_is_in_it() -> None:
    answer = answered(at(FIRST, *GOOD))
    assert (answer.source, answer.allowed) == (IdentitySource.RENEWAL, by_good())
    assert decide_entitlement(answer.allowed, OtherNodes(), ReservedNames()).outcome is Outcome.PASS


def test_what_another_node_claims_is_held_although_it_is_served() -> None:
    """An address that went to another machine would stay in the old one's certificates for ever."""
    others = OtherNodes(addresses={ip_address(FIRST): ClaimedBy("w2", proven=False)})
    decision = decide_entitlement(answered(at(FIRST, *GOOD)).allowed, others, ReservedNames())
    assert [each.reason for each in decision.held_by] == [HoldReason.FOREIGN_ADDRESS]


def test_a_bad_certificate_is_not_renewed() -> None:
    """Whoever got the name of the API server once does not keep it by serving it."""
    name = "kubernetes.default.svc"
    found = answered(at(FIRST, *served("w1", name, FIRST)), names=("w1", name)).allowed
    decision = decide_entitlement(found, OtherNodes(), ReservedNames())
    assert "reserved-names" in {each.rule for each in decision.held_by}


def test_a_certificate_that_does_not_show_the_node_is_no_source() -> None:
    answer = answered(at(FIRST, *served("w2", FIRST, user="system:node:w2")))
    assert answer.source is IdentitySource.NONE
    assert answer.allowed.not_valid is HoldReason.NODE_UNKNOWN
    assert f"renewal: {FIRST}: " in answer.why


def test_what_is_asked_for_and_not_in_the_certificate_is_listed_as_it_is_asked() -> None:
    found = allowed(
        at(FIRST, *GOOD),
        at("10.0.0.9", *GOOD),
        names=("alias", "shop", "w1"),
        addresses=(FIRST, "10.0.0.9"),
    )
    assert found == by_good(unlisted=("alias", "10.0.0.9"))


def test_an_address_that_the_certificate_lacks_need_not_serve_it() -> None:
    found = allowed(at(FIRST, *GOOD), addresses=(FIRST, "10.0.0.9"))
    assert found == by_good(unlisted=("10.0.0.9",))


def test_a_certificate_signed_by_an_intermediate_is_verified_with_what_is_served() -> None:
    chain = served("w1", "shop", FIRST, SECOND, by=BETWEEN)
    assert len(chain) == 2
    assert allowed(at(FIRST, *chain), at(SECOND, *chain)) == by_good()
    assert allowed(at(FIRST, chain[0]), addresses=(FIRST,)) == (
        f"{FIRST}: x509: certificate signed by unknown authority"
    )


NOT_SERVED = {
    "no answer": ((at(SECOND, failure=TIMEOUT),), f"{SECOND}: no answer within 5 s"),
    "nobody looked": ((), f"{SECOND}: not dialled"),
    "no certificate": ((at(SECOND),), f"{SECOND}: no certificate is served"),
    "another": (
        (at(SECOND, *served("w1", "shop", FIRST, SECOND)),),
        f"{FIRST}, {SECOND}: the served certificates differ",
    ),
}


@pytest.mark.parametrize("case", NOT_SERVED)
def test_where_it_is_not_served_everywhere_the_words_say_where(case: str) -> None:
    dialled, why = NOT_SERVED[case]
    assert allowed(at(FIRST, *GOOD), *dialled) == by_good(outdated=why)


def test_each_address_where_it_is_not_served_is_named() -> None:
    good = served("w1", FIRST, SECOND, "10.0.0.2")
    found = allowed(
        at(FIRST, *good), at(SECOND, failure=TIMEOUT), addresses=(FIRST, SECOND, "10.0.0.2")
    )
    assert isinstance(found, AllowedNames)
    assert found.outdated == (f"{SECOND}: no answer within 5 s; 10.0.0.2: not dialled")


LATE = "current time 2026-11-25T12:00:00Z is after 2026-11-25T11:59:59Z"
UNLOOKED = "not dialled"
NONE_SHOWS_IT: dict[str, tuple[tuple[DialResult, ...], str]] = {
    "nobody looked": ((), UNLOOKED),
    "the first of two": ((at(FIRST, failure=TIMEOUT), at(SECOND)), "no answer within 5 s"),
    "at a name": ((at("w1", *GOOD),), UNLOOKED),
}
SERVED_FIRST: dict[str, tuple[dict[str, Any], str]] = {
    "expired": (
        {"ends": NOW - timedelta(seconds=1)},
        f"x509: certificate has expired or is not yet valid: {LATE}",
    ),
    "of another authority": ({"by": STRANGER}, "x509: certificate signed by unknown authority"),
    "of another node": ({"user": "system:node:w2"}, "serves a certificate for system:node:w2"),
    "of a user of that name": ({"user": "w1"}, "serves a certificate for w1"),
    "of another group": (
        {"group": "system:masters"},
        "serves a certificate for system:node:w1",
    ),
    "of nobody": ({"user": None, "group": None}, "serves a certificate for nobody"),
    "of a hostile name": ({"user": "w\x1b[2J"}, "serves a certificate for w\\x1b[2J"),
}
NONE_SHOWS_IT |= {
    name: ((at(FIRST, *served("w1", FIRST, **how)),), why)
    for name, (how, why) in SERVED_FIRST.items()
}


@pytest.mark.parametrize("case", NONE_SHOWS_IT)
def test_where_no_certificate_shows_the_node_the_first_address_counts(
    case: str,
) -> None:
    dialled, why = NONE_SHOWS_IT[case]
    assert allowed(*dialled) == f"{FIRST}: {why}"


def test_a_csr_without_an_address_says_nothing_of_where_to_look() -> None:
    why = "the CSR requests no address that could be dialled"
    assert allowed(at(FIRST, *GOOD), addresses=()) == why


def test_an_address_in_ipv6_clothes_is_the_one_that_it_stands_for() -> None:
    assert allowed(at(f"::ffff:{FIRST}", *GOOD), at("fd00:0:0::1", *GOOD)) == by_good()
    dressed = f"::ffff:{FIRST}"
    for first in (FIRST, dressed):
        asked = allowed(at(first, *GOOD), at(SECOND, *GOOD), addresses=(dressed, SECOND))
        assert asked == by_good()
    why = f"{FIRST}: not dialled"
    assert allowed(at(SECOND, *GOOD), addresses=(dressed, SECOND)) == by_good(outdated=why)
