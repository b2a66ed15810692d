"""A row tells how long a certificate lives, who renews it and what stops when it ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundCertificates,
    IssuedForCsr,
)
from kubevouch.evidence.measured import Vantage
from kubevouch.inventory.advice import advice_of
from kubevouch.inventory.ending import first_to_end, troubles_of
from kubevouch.inventory.purpose import PURPOSES, RenewedBy
from kubevouch.inventory.rows import Concern, LifeLimit, Limits, RowState, row_of, rows_of
from kubevouch.x509 import Certificate, read_certificates, verify
from tests.inventory.found import AT, DAY, at_node, rows
from tests.support.authority import Authority
from tests.support.self_signed import DatedAuthority, kubelet_self_signed

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


# What a row says besides its dates: what was issued and is not served, what waits, and how its CA bounds it.


def _serving() -> Certificate:
    return read_certificates(AUTHORITY.serving("n", node="n").chain, "n")[0]


def _kubelet(served: Certificate | None, **more: Any) -> FoundCertificate:
    return at_node("n", chain=(served,) if served else (), **more)


def _authority(
    authority: DatedAuthority,
    where: str = "there",
    *,
    use: CertificateUse = CertificateUse.CLUSTER_CA,
    vantage: Vantage = Vantage.API_SERVER,
) -> FoundCertificate:
    chain = read_certificates(authority.pem, "ca")
    return FoundCertificate(use, where, vantage, AT, chain=chain)


def test_what_was_issued_and_is_not_served_is_remarked() -> None:
    served, newer = _serving(), _serving()
    issued = IssuedForCsr("csr-1", newer)
    said = ("the certificate of csr-1 was issued, but is not served",)
    assert row_of(_kubelet(served, issued=issued), AT).remarks == said
    assert row_of(_kubelet(newer, issued=issued), AT).remarks == ()
    dark = row_of(_kubelet(None, issued=issued), AT)
    assert (dark.state, dark.remarks) == (RowState.UNREADABLE, said)


def test_what_is_served_may_be_newer_than_the_csrs_that_are_left() -> None:
    def serving(begins: datetime) -> Certificate:
        pair = AUTHORITY.serving("n", node="n", not_before=begins, not_after=ENDS)
        return read_certificates(pair.chain, "n")[0]

    issued = IssuedForCsr("csr-1", serving(AT))
    assert row_of(_kubelet(serving(AT + timedelta(1)), issued=issued), AT).remarks == ()


@pytest.mark.parametrize(
    ("later", "remark"),
    [
        (-timedelta(seconds=1), None),
        (timedelta(0), "its CA expires at the same time, so a renewal cannot last longer"),
        (timedelta(days=1), "its CA expires earlier, on Jan 01, 2027 00:00 UTC"),
    ],
)
def test_a_certificate_that_reaches_its_cas_end_says_so(
    later: timedelta, remark: str | None
) -> None:
    authority = DatedAuthority(AT - timedelta(days=1), ENDS)
    pair = authority.serving("n", node="n", not_before=AT, not_after=ENDS + later)
    leaf = _kubelet(read_certificates(pair.chain, "n")[0])
    found = FoundCertificates(AT, (_authority(authority), leaf))
    rows = {row.found.use: row for row in rows_of(found)}
    assert rows[CertificateUse.KUBELET_SERVING].remarks == ((remark,) if remark else ())
    assert rows[CertificateUse.CLUSTER_CA].remarks == ()


@pytest.mark.parametrize("beyond", [0, 1])
def test_only_the_authority_that_has_signed_it_and_of_two_the_later_bounds_it(beyond: int) -> None:
    """After a rotation; of the disks of two clusters, or a cluster that was made anew: all CAs of kubeadm's have one name."""
    old, new = (
        DatedAuthority(AT - timedelta(days=1), ENDS + timedelta(days)) for days in (0, 3650)
    )
    ends = ENDS + timedelta(days=beyond)
    pair = new.serving("n", node="n", not_before=AT, not_after=ends)
    leaf = _kubelet(read_certificates(pair.chain, "n")[0])
    found = (_authority(old), leaf) if beyond else (leaf, _authority(old), _authority(new))
    assert all(row.remarks == () for row in rows_of(FoundCertificates(AT, found)))


def test_an_authority_that_has_ended_stops_less_beside_another_of_its_bundle() -> None:
    def bundle(where: str, ends: datetime) -> FoundCertificate:
        authority = DatedAuthority(AT - timedelta(days=2), ends)
        return _authority(authority, where, use=CertificateUse.CA_BUNDLE)

    over = AT - timedelta(days=1)
    found = (bundle("both", over), bundle("both", ENDS), bundle("alone", over))
    rows = {(each.found.where, each.state): each for each in rows_of(FoundCertificates(AT, found))}
    ended = rows["both", RowState.EXPIRED]
    assert "remove it from both" in advice_of(ended).by_hand
    beside = ended.stops
    assert beside == "only certificates from this CA, since its bundle also has a valid CA"
    whole = PURPOSES[CertificateUse.CA_BUNDLE].stops
    assert rows["both", RowState.VALID].stops == rows["alone", RowState.EXPIRED].stops == whole


def test_a_file_of_a_disk_with_an_old_and_a_next_authority_is_one_bundle() -> None:
    def authority(where: str, begins: datetime, ends: datetime) -> FoundCertificate:
        return _authority(DatedAuthority(begins, ends), where, vantage=Vantage.NODE_DISK)

    api_server = at_node("cp", None, use=CertificateUse.API_SERVER, vantage=Vantage.NODE_DISK)
    bundle = (
        authority("/pki/ca.crt", AT - 9 * DAY, AT - DAY),
        authority("/pki/ca.crt, certificate 2", AT - DAY, ENDS),
        authority("/pki/ca.crt, certificate 3", AT + DAY, ENDS),
    )
    rows = rows_of(FoundCertificates(AT, (*bundle, api_server)))
    beside = {row.state: row for row in rows if row.beside_another}
    assert set(beside) == {RowState.EXPIRED, RowState.NOT_YET_VALID}
    assert "issue all leaves anew" not in str([advice_of(row) for row in beside.values()])
    # Neither is a catastrophe: what else is wrong is told first.
    assert troubles_of(rows, Limits())[0].rows[0].found.use is CertificateUse.API_SERVER
