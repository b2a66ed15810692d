"""An authority is named where its signature was verified, wherever the certificate was found; elsewhere its issuer's name is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundCertificates,
    authority_of,
    signature_failure,
)
from kubevouch.evidence.gather.certificates.disks import certificates_on_disk
from kubevouch.evidence.measured import Vantage
from kubevouch.inventory.fleet import signed_by
from kubevouch.inventory.kubeadm_tables import expires_text
from kubevouch.inventory.rows import rows_of
from kubevouch.x509 import Certificate, read_certificates
from tests.inventory.pages import ReadPage, shows
from tests.support.authority import Authority
from tests.support.clocks import SteppedClock
from tests.support.node_tree import PKI, NodeTree
from tests.support.self_signed import DatedAuthority

AT = datetime.now(UTC)
OURS, THEIRS = (Authority("kubernetes", "one name") for _ in range(2))
"""Of the same name, and with another key each: a cluster that was made anew has left the one behind."""


def _read(data: bytes) -> tuple[Certificate, ...]:
    return read_certificates(data, "test")


def _leaf(authority: Authority) -> tuple[Certificate, ...]:
    return _read(authority.serving("10.0.0.1", node="w").chain)[:1]


@pytest.mark.parametrize(("signer", "word"), [(OURS, "ca"), (THEIRS, "")])
def test_the_clusters_authority_is_named_by_its_signature(signer: Authority, word: str) -> None:
    assert authority_of(_leaf(signer), _read(OURS.pem)) == word
    assert authority_of(_leaf(signer), _read(THEIRS.pem + OURS.pem)) == "ca", "either of a bundle"
    assert authority_of(_leaf(signer), ()) == ""


def test_one_that_has_ended_was_signed_all_the_same() -> None:
    past = AT - timedelta(days=9), AT - timedelta(days=1)
    ended = _read(OURS.serving("w", not_before=past[0], not_after=past[1]).chain)[:1]
    assert authority_of(ended, _read(OURS.pem)) == "ca"


def test_what_is_presented_with_it_and_has_ended_proves_no_signature() -> None:
    """Go tells of the first authority that has ended, before it looks who has signed that one."""
    past = DatedAuthority(AT - timedelta(days=9), AT - timedelta(days=1))
    hour_ago = AT - timedelta(hours=1)
    leaf = _read(past.serving("w", node="w", not_before=hour_ago, not_after=AT).chain)
    assert signature_failure(leaf[0], _read(past.pem), _read(OURS.pem)) != ""
    assert authority_of((leaf[0], *_read(past.pem)), _read(OURS.pem)) == ""


def test_a_ca_that_was_renewed_with_its_key_has_signed_what_its_former_one_did() -> None:
    """Go verifies it by now; at the moment at which it was issued the renewed one had not begun."""
    ca = DatedAuthority(AT - timedelta(days=99), AT + timedelta(days=9))
    renewed = _read(ca.renewed(AT - timedelta(days=1), AT + timedelta(days=999)))
    begins, ends = AT - timedelta(days=9), AT + timedelta(days=5)
    leaf = _read(ca.serving("w", node="w", not_before=begins, not_after=ends).chain)
    both = (leaf[0], *_read(ca.pem))
    assert authority_of(both, renewed) == "ca"
    assert signature_failure(leaf[0], both[1:], _read(OURS.pem)) != ""


def _who_has_signed_what(found: FoundCertificates) -> str:
    """That section of the page."""
    text = ReadPage(shows(found, "html")[0]).text
    return text.partition("Who has signed what")[2].partition("Every certificate")[0]


@pytest.mark.parametrize("signs", [0, 1])
def test_on_the_page_of_a_rotation_the_end_is_of_the_ca_that_has_signed(signs: int) -> None:
    ends = (AT + timedelta(days=20), AT + timedelta(days=3000))
    cas = [DatedAuthority(AT - timedelta(days=99), each) for each in ends]
    begins, end = AT - timedelta(days=1), AT + timedelta(days=9)
    leaf = cas[signs].serving("w", node="w", not_before=begins, not_after=end)
    served = replace(_served(OURS, "ca"), chain=_read(leaf.chain)[:1])
    rows = [replace(_ca(), chain=_read(each.pem), where=f"{each}") for each in cas]
    chains = _who_has_signed_what(FoundCertificates(AT, (served, *rows)))
    assert f"until {expires_text(ends[signs])}" in chains
    assert f"until {expires_text(ends[1 - signs])}" not in chains


def _served(authority: Authority, word: str) -> FoundCertificate:
    return FoundCertificate(
        CertificateUse.KUBELET_SERVING,
        "10.0.0.1:10250",
        Vantage.DIALLED,
        AT,
        node="w",
        chain=_leaf(authority),
        authority=word,
    )


def _ca() -> FoundCertificate:
    where = "ConfigMap kube-system/kube-root-ca.crt"
    return FoundCertificate(
        CertificateUse.CLUSTER_CA, where, Vantage.API_SERVER, AT, chain=_read(OURS.pem)
    )


def test_on_the_page_nothing_hangs_below_an_authority_that_has_not_signed_it() -> None:
    found = FoundCertificates(AT, (_served(THEIRS, ""), _ca()))
    chains = _who_has_signed_what(found)
    assert "OU=one name,O=kubernetes" in chains
    assert "its own certificate was not read" in chains
    assert "until" not in chains, "the end of an authority that has not signed it"
    (row,) = [row for row in rows_of(found) if row.found.use is CertificateUse.KUBELET_SERVING]
    assert signed_by(row) == "OU=one name,O=kubernetes"


def _on_disk(tree: NodeTree, use: CertificateUse) -> FoundCertificate:
    found = certificates_on_disk([tree.root], SteppedClock(AT))
    (one,) = [each for each in found.found if each.use is use]
    return one


@pytest.mark.parametrize(("signer", "word"), [(OURS, "ca"), (THEIRS, "")])
def test_on_a_disk_kubeadms_table_says_who_should_have_signed_it_and_we_say_who_has(
    tmp_path: Path, signer: Authority, word: str
) -> None:
    tree = NodeTree(tmp_path, "cp", OURS).control_plane()
    tree.pair(f"{PKI}/apiserver", signer.serving("apiserver"))
    found = _on_disk(tree, CertificateUse.API_SERVER)
    assert (found.ca, found.authority) == ("ca", word)


def test_what_nobody_takes_is_wrong_whoever_has_signed_it(tmp_path: Path) -> None:
    """Go refuses a critical extension that it does not know before it looks for a signature."""
    ca = DatedAuthority(AT - timedelta(days=9), AT + timedelta(days=99))
    tree = NodeTree(tmp_path, "cp", OURS).control_plane()
    tree.write(f"{PKI}/ca.crt", ca.pem)
    tree.pair(f"{PKI}/apiserver", ca.with_an_unknown_critical_extension(AT, AT + timedelta(days=5)))
    found = _on_disk(tree, CertificateUse.API_SERVER)
    assert (found.fault, found.authority) == ("x509: unhandled critical extension", "ca")
