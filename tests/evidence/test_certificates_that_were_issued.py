"""What CSRs tell of a kubelet's certificates, and what is said where no CSR is left."""

from datetime import UTC, datetime, timedelta

import pytest

from kubevouch.evidence.certificates import (
    CertificateUse,
    FoundCertificate,
    FoundCertificates,
    FoundPart,
)
from kubevouch.evidence.gather.certificates.disks import with_disks
from kubevouch.evidence.gather.certificates.kubelets import clients_of_kubelets, issued_by_csr
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured, Vantage
from kubevouch.kube.resources import CertificateSigningRequest, Metadata, Node
from kubevouch.kube.resources.certificates import CsrSpec, CsrStatus
from kubevouch.kube.resources.meta import ManagedMetadata
from kubevouch.x509 import read_certificates
from tests.support.authority import Authority, Pair

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
AUTHORITY = Authority("kubernetes")
CA = read_certificates(AUTHORITY.pem, "ca")
CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING = "kubernetes.io/kubelet-serving"


def _node(name: str) -> Node:
    return Node(metadata=Metadata(name=name))


def _csr(
    name: str,
    signer: str,
    pair: Pair | bytes | None,
    *,
    minutes: int = 0,
    user: str = "system:node:n",
) -> CertificateSigningRequest:
    chain = pair.chain if isinstance(pair, Pair) else pair or b""
    return CertificateSigningRequest(
        metadata=ManagedMetadata(name=name, creation_timestamp=AT + timedelta(minutes=minutes)),
        spec=CsrSpec(signer_name=signer, username=user),
        status=CsrStatus(certificate=chain),
    )


def _kubelets() -> Pair:
    return AUTHORITY.client("system:node:n", "system:nodes")


def test_the_newest_certificate_of_a_kubelet_counts_whoever_asked_for_it() -> None:
    old, new = _kubelets(), _kubelets()
    csrs = (
        _csr("csr-new", CLIENT, new, minutes=5, user="system:bootstrap:abcdef"),
        _csr("csr-old", CLIENT, old),
    )
    issued = issued_by_csr(csrs, {"n"})
    assert issued.clients["n"].csr == "csr-new"
    assert issued.clients["n"].certificate == read_certificates(new.chain, "new")[0]


@pytest.mark.parametrize(
    ("signer", "pair", "nodes"),
    [
        (CLIENT, AUTHORITY.client("jane", "developers"), {"n"}),
        ("example.com/own", _kubelets(), {"n"}),
        (CLIENT, _kubelets(), {"another"}),
        (CLIENT, b"-----BEGIN nothing", {"n"}),
    ],
    ids=["a person's", "another signer's", "of a node that is gone", "unreadable"],
)
def test_what_belongs_to_no_kubelet_of_the_cluster_has_no_row(
    signer: str, pair: Pair | bytes, nodes: set[str]
) -> None:
    csrs = (_csr("csr-1", signer, pair),)
    assert not issued_by_csr(csrs, nodes).clients


def test_the_newest_serving_certificate_is_told_and_has_no_row_of_its_own() -> None:
    pair = AUTHORITY.serving("n", node="n")
    csrs = (_csr("csr-1", SERVING, pair),)
    issued = issued_by_csr(csrs, {"n"})
    assert issued.serving["n"].csr == "csr-1"
    part = clients_of_kubelets(Measured(Vantage.API_SERVER, AT, csrs), issued, (), CA)
    assert part.found == ()


def test_a_kubelet_without_a_csr_is_told_and_is_no_failure() -> None:
    csrs = (_csr("csr-1", CLIENT, _kubelets()),)
    issued = issued_by_csr(csrs, {"n", "m"})
    part = clients_of_kubelets(
        Measured(Vantage.API_SERVER, AT, csrs), issued, (_node("n"), _node("m")), CA
    )
    [row] = part.found
    assert (row.use, row.node, row.where) == (CertificateUse.KUBELET_CLIENT, "n", "csr csr-1")
    [told] = part.not_read
    assert told.node == "m"
    assert told.is_ordinary
    assert (
        told.doubt.text
        == "the API server has no CSR for it; `kubevouch certs --via ssh` reads it from the node"
    )


def test_a_list_that_is_refused_is_told_once_and_is_a_failure() -> None:
    doubt = Doubt(DoubtKind.NOT_ALLOWED, "no", ("list certificatesigningrequests",))
    part = clients_of_kubelets(
        Measured(Vantage.API_SERVER, AT, doubt=doubt), issued_by_csr((), {"n"}), (_node("n"),), CA
    )
    [told] = part.not_read
    assert told.doubt is doubt
    assert not told.is_ordinary


def test_what_the_disk_shows_was_read_and_does_not_stand_there_twice() -> None:
    csrs: Measured[tuple[CertificateSigningRequest, ...]] = Measured(Vantage.API_SERVER, AT, ())
    part = clients_of_kubelets(csrs, issued_by_csr((), {"n"}), (_node("n"), _node("m")), CA)
    client, ca = CertificateUse.KUBELET_CLIENT, CertificateUse.CLUSTER_CA
    chain = read_certificates(_kubelets().chain, "n")

    def row(use: CertificateUse, vantage: Vantage, node: str = "") -> FoundCertificate:
        return FoundCertificate(use, "there", vantage, AT, node=node, chain=chain)

    seen = (row(client, Vantage.API_SERVER, "n"), row(ca, Vantage.API_SERVER))
    disks = (row(client, Vantage.NODE_DISK, "n"), row(ca, Vantage.NODE_DISK, "n"))
    whole = with_disks(FoundCertificates(AT, seen, part.not_read), FoundPart(found=disks))
    assert whole.found == (seen[1], disks[0])
    assert whole.not_read == (), "the disk of the other is told as read or not"
