"""A row tells how long a certificate lives, who renews it and what stops when it ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundCertificates,
)
from kubevouch.evidence.measured import Vantage
from kubevouch.inventory.advice import advice_of
from kubevouch.inventory.ending import first_to_end, troubles_of
from kubevouch.inventory.purpose import PURPOSES, RenewedBy
from kubevouch.inventory.rows import Concern, LifeLimit, Limits, RowState, row_of, rows_of
from kubevouch.x509 import read_certificates, verify
from tests.inventory.found import DAY, at_node, rows
from tests.support.authority import Authority
from tests.support.self_signed import kubelet_self_signed

BEGINS = datetime(2026, 1, 1, tzinfo=UTC)
ENDS = datetime(2027, 1, 1, tzinfo=UTC)
AUTHORITY = Authority()


def _found(
    use: CertificateUse = CertificateUse.KUBELET_SERVING, *, ends: datetime = ENDS, node: str = "n"
) -> FoundCertificate:
    pair = AUTHORITY.serving("n", node="n", not_before=BEGINS, not_after=ends)
    chain = read_certificates(pair.chain, "test")
    return FoundCertificate(use, "here", Vantage.DIALLED, ENDS, node=node, chain=chain)


def _nothing(*, missing: bool = False) -> FoundCertificate:
    return FoundCertificate(
        CertificateUse.ADMIN_CONF, "a", Vantage.DIALLED, ENDS, fault="no PEM", missing=missing
    )


@pytest.mark.parametrize(
    ("at", "state", "used"),
    [
        (BEGINS - timedelta(seconds=1), RowState.NOT_YET_VALID, 0.0),
        (BEGINS, RowState.VALID, 0.0),
        (BEGINS + (ENDS - BEGINS) / 2, RowState.VALID, 0.5),
        (ENDS, RowState.VALID, 1.0),
        (ENDS + timedelta(seconds=1), RowState.EXPIRED, 1.0),
        (ENDS + (ENDS - BEGINS), RowState.EXPIRED, 2.0),
    ],
)
def test_a_certificate_is_good_up_to_the_second_of_its_end(
    at: datetime, state: RowState, used: float
) -> None:
    row = row_of(_found(), at)
    assert row.state is state
    assert row.used == pytest.approx(used, abs=1e-6)
    assert row.remaining == ENDS - at


def test_what_is_missing_is_not_called_unreadable() -> None:
    assert row_of(_nothing(missing=True), ENDS).state is RowState.MISSING
    row = row_of(_nothing(), ENDS)
    assert (row.state, row.remarks, row.remaining) == (RowState.UNREADABLE, ("no PEM",), None)


def test_on_a_disk_what_does_not_fit_is_wrong_until_it_has_ended() -> None:
    wrong = replace(_found(), vantage=Vantage.NODE_DISK, fault="the key does not exist")
    assert row_of(wrong, BEGINS).state is RowState.WRONG
    assert row_of(wrong, ENDS + timedelta(seconds=1)).state is RowState.EXPIRED


def test_every_use_has_a_purpose() -> None:
    assert set(PURPOSES) == set(CertificateUse)


def test_what_ends_first_comes_first_and_what_cannot_be_read_before_it() -> None:
    late, soon = _found(node="late"), _found(node="soon", ends=ENDS - timedelta(days=1))
    rows = rows_of(FoundCertificates(BEGINS, (late, soon, _nothing())))
    assert [row.found.node for row in rows] == ["", "soon", "late"]


@pytest.mark.parametrize(
    ("use", "vantage", "who"),
    [
        (CertificateUse.KUBELET_SERVING, Vantage.DIALLED, RenewedBy.APPROVER),
        # Its names are not those that kubeadm gives: somebody else has made it.
        (CertificateUse.API_SERVER, Vantage.DIALLED, RenewedBy.NOT_KNOWN),
        (CertificateUse.API_SERVER, Vantage.NODE_DISK, RenewedBy.KUBEADM),
        (CertificateUse.WEBHOOK, Vantage.DIALLED, RenewedBy.NOT_KNOWN),
    ],
)
def test_who_renews_it_follows_from_its_use_if_it_looks_as_usual(
    use: CertificateUse, vantage: Vantage, who: RenewedBy
) -> None:
    assert row_of(replace(_found(use), vantage=vantage), ENDS).renewed_by is who


def _judged(found: FoundCertificate, authority: Authority, address: str) -> FoundCertificate:
    roots = read_certificates(authority.pem, "ca")
    verdict = verify(found.chain[0], intermediates=(), roots=roots, name=address, at=BEGINS)
    return replace(found, verdict=verdict)


STRANGER = Authority("stranger")
UNKNOWN = "x509: certificate signed by unknown authority"


@pytest.mark.parametrize(
    ("use", "authority", "address", "node", "said"),
    [
        (CertificateUse.KUBELET_SERVING, STRANGER, "n", "n", UNKNOWN),
        (CertificateUse.KUBELET_SERVING, AUTHORITY, "10.9.9.9", "n", "cannot validate certificate for 10.9.9.9"),
        (CertificateUse.KUBELET_SERVING, AUTHORITY, "n", "another", "the certificate belongs to node n, not to node another"),
        # What the API server calls.
        (CertificateUse.METRICS_SERVER, STRANGER, "n", "", UNKNOWN),
        (CertificateUse.WEBHOOK, STRANGER, "n", "", UNKNOWN),
    ],
)  # fmt: skip
def test_what_its_clients_refuse_is_wrong_however_long_its_certificate_lives(
    use: CertificateUse, authority: Authority, address: str, node: str, said: str
) -> None:
    row = row_of(replace(_judged(_found(use), authority, address), node=node), BEGINS)
    assert (row.state, Limits().concern(row)) == (RowState.WRONG, Concern.FAIL)
    (trouble,) = troubles_of((row,), Limits())
    assert said in trouble.text(BEGINS)
    assert advice_of(row).command == ("kubevouch", "doctor")
    assert row_of(_judged(_found(use), AUTHORITY, "n"), BEGINS).state is RowState.VALID


def test_what_a_kubelet_made_itself_is_a_warning_for_nobody_has_tried_to_verify_it() -> None:
    pem = kubelet_self_signed("n", BEGINS, ENDS).chain
    own = replace(_found(), chain=read_certificates(pem, "own"))
    row = row_of(_judged(own, AUTHORITY, "n"), BEGINS)
    assert (row.state, row.renewed_by) == (RowState.SELF_SIGNED, RenewedBy.NOBODY)
    assert Limits().concern(row) is Concern.WARN
    assert Limits(fail=LifeLimit(timedelta(days=400))).concern(row) is Concern.FAIL
    (trouble,) = troubles_of((row,), Limits())
    assert (trouble.word, "can verify it" in trouble.text(BEGINS)) == ("SELF-SIGNED", True)
    assert first_to_end((row,)) is row
    assert row_of(own, ENDS + timedelta(seconds=1)).state is RowState.EXPIRED


def test_kubelets_that_are_refused_for_different_reasons_are_told_with_whose_the_first_is() -> None:
    one = _judged(_found(), STRANGER, "n")
    other = replace(_judged(_found(), AUTHORITY, "10.9.9.9"), node="m")
    (trouble,) = troubles_of(rows_of(FoundCertificates(BEGINS, (one, other))), Limits())
    assert ": at n, x509:" in trouble.text(BEGINS) or ": at m, x509:" in trouble.text(BEGINS)


def test_an_api_server_is_wrong_by_its_authority_and_not_by_the_address_that_was_dialled() -> None:
    """Clients reach it by a Service's name, or a load balancer's."""
    served = _found(CertificateUse.API_SERVER)
    stranger = row_of(_judged(served, STRANGER, "n"), BEGINS)
    assert (stranger.state, Limits().concern(stranger)) == (RowState.WRONG, Concern.FAIL)
    assert advice_of(stranger).by_hand.startswith("renew it on n")
    elsewhere = row_of(_judged(served, AUTHORITY, "10.9.9.9"), BEGINS)
    assert (elsewhere.state, len(elsewhere.remarks)) == (RowState.VALID, 1)


@pytest.mark.parametrize(
    ("left", "shown"), [(8.4, "91%"), (8.0, "92%"), (71.0, "29%"), (-0.5, "100%"), (100, "0%")]
)
def test_a_life_is_shown_as_used_up_only_as_far_as_it_is(left: float, shown: str) -> None:
    (row,) = rows(at_node("w", left * DAY, life=100 * DAY))
    assert row.percent_used == shown
