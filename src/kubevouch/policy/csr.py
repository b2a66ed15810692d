"""A certificate signing request (CSR), with the requestor that the API server recorded."""

from collections.abc import Collection
from datetime import datetime

import msgspec

from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.policy.claims import AskedNames
from kubevouch.x509 import CertificateRequest, X509Error, read_certificates, read_csr
from kubevouch.x509.csr import MOST_NAMES
from kubevouch.x509.kinds import NODE_PREFIX, node_of_user

KUBELET_SERVING = "kubernetes.io/kubelet-serving"
NODE_USER = NODE_PREFIX
NODES_GROUP = "system:nodes"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"

CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"


class Csr(msgspec.Struct, frozen=True):
    """A CSR from the API server."""

    name: str
    pem: bytes
    parsed: CertificateRequest | None
    unreadable: str = ""
    """Why the request could not be parsed; empty if it was parsed."""

    username: str = ""
    groups: tuple[str, ...] = ()
    signer: str = ""
    usages: tuple[str, ...] = ()
    expiration_seconds: int | None = None
    created: datetime | None = None
    credential_ids: tuple[str, ...] = ()
    """spec.extra["authentication.kubernetes.io/credential-id"]: the ID of the requestor's credential.
    Empty before Kubernetes 1.32."""

    conditions: tuple[str, ...] = ()
    """The types of the CSR's conditions: Approved, Denied or Failed."""

    dropped: int = 0
    """The request's size in bytes if its text was discarded, for example because it was too large;
    otherwise 0."""

    @property
    def size(self) -> int:
        """The request's size in bytes."""
        return self.dropped or len(self.pem)


def csr_of(found: CertificateSigningRequest) -> Csr:
    """Converts a CSR from the API server.

    If the request cannot be parsed or exceeds a limit, `parsed` is None.
    """
    pem, dropped = found.spec.request, found.spec.dropped
    parsed, unreadable = None, f"{dropped} bytes, over the limit"
    if not dropped:
        parsed, unreadable = parsed_of(pem, found.name)
    if parsed and parsed.alt_names.count > MOST_NAMES:
        unreadable = f"{parsed.alt_names.count} names, over the limit"
        pem, dropped, parsed = b"", len(pem), None
    return Csr(
        name=found.name,
        pem=pem,
        dropped=dropped,
        parsed=parsed,
        unreadable=unreadable,
        username=found.spec.username,
        groups=found.spec.groups,
        signer=found.spec.signer_name,
        usages=found.spec.usages,
        expiration_seconds=found.spec.expiration_seconds,
        credential_ids=found.spec.extra.get(CREDENTIAL_ID, ()),
        created=found.metadata.creation_timestamp,
        conditions=tuple(each.type for each in found.status.conditions),
    )


def parsed_of(pem: bytes, where: str) -> tuple[CertificateRequest | None, str]:
    """Parses a CSR. Returns None and the reason if that fails.

    where: the text before the reason, such as the CSR's name.
    """
    try:
        return read_csr(pem, where), ""
    except X509Error as error:
        return None, str(error)


def requestor_node(csr: Csr) -> str | None:
    """The node that made the CSR, according to spec.username; None if the user is not a node.

    The API server records the username (pkg/registry/certificates/certificates/strategy.go,
    PrepareForCreate).
    """
    return node_of_user(csr.username)


def asked_of(csr: Csr) -> AskedNames | None:
    """The names and addresses that a CSR requests; None if it cannot be parsed."""
    if csr.parsed is None:
        return None
    return AskedNames(csr.parsed.dns_names, csr.parsed.ip_addresses)


_X509 = "X509SHA256="
_LONGEST_NAME = 253
"""The maximum length of a Node's name. With a bootstrap token, anybody can request a
certificate for a longer name."""


class ClientCsr(msgspec.Struct, frozen=True):
    """A CSR for which a kubelet's client certificate was issued."""

    csr: str
    node: str
    """The node in the certificate's common name. The requestor may be somebody else."""

    by_node: bool
    """Whether the requestor is `node`, and not a person or the holder of a bootstrap token."""

    credential_ids: tuple[str, ...]
    created: datetime
    certificate: str
    """SHA-256 of the issued certificate's DER in lower-case hexadecimal."""


def client_csr_of(found: CertificateSigningRequest) -> ClientCsr | None:
    """Converts a CSR if a kubelet's client certificate was issued for it; otherwise returns None.

    The node's name comes from the issued certificate, not from the request. The API server accepts
    requests that we cannot parse, such as a PEM block inside 100 kB of text.
    """
    created = found.metadata.creation_timestamp
    if found.spec.signer_name != KUBELET_CLIENT or created is None:
        return None
    try:
        certificate = read_certificates(found.status.certificate, found.name)[0]
    except X509Error:
        return None
    user = certificate.subject.common_name
    node = node_of_user(user)
    if node is None or len(node) > _LONGEST_NAME:
        return None
    return ClientCsr(
        csr=found.name,
        node=node,
        by_node=found.spec.username == user and NODES_GROUP in found.spec.groups,
        credential_ids=found.spec.extra.get(CREDENTIAL_ID, ()),
        created=created,
        certificate=certificate.fingerprint,
    )


def certificate_id(credential_ids: Collection[str]) -> str:
    """The SHA-256 in a CSR's credential ID; "" if the CSR has none, several, or another kind of ID."""
    ids = tuple(credential_ids)
    if len(ids) != 1 or not ids[0].startswith(_X509):
        return ""
    return ids[0].removeprefix(_X509).lower()
