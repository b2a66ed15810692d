"""What a row says besides its dates: what was issued and is not served, what waits, and how its CA bounds it."""

from datetime import UTC, datetime, timedelta

import pytest

from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundCertificates,
    IssuedForCsr,
)
from kubevouch.evidence.measured import Vantage
from kubevouch.inventory.advice import advice_of
from kubevouch.inventory.ending import troubles_of
from kubevouch.inventory.purpose import PURPOSES
from kubevouch.inventory.rows import Limits, RowState, row_of, rows_of
from kubevouch.x509 import Certificate, read_certificates
from tests.support.authority import Authority
from tests.support.self_signed import DatedAuthority

AT = datetime(2026, 6, 1, tzinfo=UTC)
ENDS = datetime(2027, 1, 1, tzinfo=UTC)
AUTHORITY = Authority()


def _serving() -> Certificate:
    return read_certificates(AUTHORITY.serving("n", node="n").chain, "n")[0]


def _kubelet(served: Certificate | None, **more: object) -> FoundCertificate:
    chain = (served,) if served else ()
    return FoundCertificate(
        CertificateUse.KUBELET_SERVING,
        "here",
        Vantage.DIALLED,
        AT,
        node="n",
        chain=chain,
        **more,  # type: ignore[arg-type]
    )


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
        (timedelta(0), "its CA expires at the same time"),
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


def test_after_a_rotation_the_ca_that_ends_last_counts() -> None:
    old, new = (DatedAuthority(AT - timedelta(days=1), ENDS + each) for each in (
        timedelta(0), timedelta(days=3650)
    ))  # fmt: skip
    pair = new.serving("n", node="n", not_before=AT, not_after=ENDS)
    found = (_kubelet(read_certificates(pair.chain, "n")[0]), _authority(old), _authority(new))
    assert all(row.remarks == () for row in rows_of(FoundCertificates(AT, found)))


def test_an_authority_of_the_same_name_that_has_not_signed_it_bounds_nothing() -> None:
    """The disks of two clusters, or a cluster that was made anew: all CAs of kubeadm's have one name."""
    other, own = (DatedAuthority(AT - timedelta(days=1), ENDS + each) for each in (
        timedelta(0), timedelta(days=3650)
    ))  # fmt: skip
    pair = own.serving("n", node="n", not_before=AT, not_after=ENDS + timedelta(days=1))
    found = (_authority(other), _kubelet(read_certificates(pair.chain, "n")[0]))
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

    day = timedelta(days=1)
    api_server = FoundCertificate(
        CertificateUse.API_SERVER, "/pki/apiserver.crt", Vantage.NODE_DISK, AT, node="cp", fault="x"
    )
    bundle = (
        authority("/pki/ca.crt", AT - 9 * day, AT - day),
        authority("/pki/ca.crt, certificate 2", AT - day, ENDS),
        authority("/pki/ca.crt, certificate 3", AT + day, ENDS),
    )
    rows = rows_of(FoundCertificates(AT, (*bundle, api_server)))
    beside = {row.state: row for row in rows if row.beside_another}
    assert set(beside) == {RowState.EXPIRED, RowState.NOT_YET_VALID}
    assert "issue all leaves anew" not in str([advice_of(row) for row in beside.values()])
    # Neither is a catastrophe: what else is wrong is told first.
    assert troubles_of(rows, Limits())[0].rows[0].found.use is CertificateUse.API_SERVER
