"""CSRs for kubelets' client certificates: which node, who asked, and with which certificate."""

from collections.abc import Collection
from datetime import datetime

import msgspec

from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.policy.csr import CREDENTIAL_ID, KUBELET_CLIENT, NODE_USER, NODES_GROUP
from kubevouch.x509 import X509Error, read_certificates

_X509 = "X509SHA256="
_LONGEST_NAME = 253
"""Characters. No Node has a longer one, and whoever has a bootstrap token makes up any."""


class ClientCsr(msgspec.Struct, frozen=True):
    """A CSR for a kubelet's client certificate that has been issued."""

    csr: str
    node: str
    """The node of its common name: the requestor may be somebody else."""

    by_node: bool
    """Whether a credential of that node made it. If not, a bootstrap token or a person did."""

    credential_ids: tuple[str, ...]
    created: datetime
    certificate: str
    """SHA-256 of the certificate's DER in lower-case hexadecimal."""


def client_csr_of(found: CertificateSigningRequest) -> ClientCsr | None:
    """The CSR if it is one for a kubelet's client certificate and has been issued; else None.

    For whom, the certificate says, which the signer wrote. Whoever asks may write a request that the API server reads and we
    do not, such as one with a hundred kilobytes of text around it: it must not hide what was issued.
    """
    created = found.metadata.creation_timestamp
    if found.spec.signer_name != KUBELET_CLIENT or created is None:
        return None
    try:
        certificate = read_certificates(found.status.certificate, found.name)[0]
    except X509Error:
        return None
    user = certificate.subject.common_name
    node = user.removeprefix(NODE_USER)
    if not node or node == user or len(node) > _LONGEST_NAME:
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
    """The SHA-256 in a CSR's credential ids; "" if it was not made with one client certificate."""
    ids = tuple(credential_ids)
    if len(ids) != 1 or not ids[0].startswith(_X509):
        return ""
    return ids[0].removeprefix(_X509).lower()
