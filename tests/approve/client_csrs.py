"""CSRs for client certificates, as kubelets and bootstrap tokens make them."""

import base64
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.approve.conftest import CLIENT, Cluster
from tests.support.requests import request
from tests.support.scripted.kinds import CSRS

BOOTSTRAP = ("system:bootstrap:abcdef", ["system:bootstrappers", "system:authenticated"])


def client_csr(
    cluster: Cluster, name: str, node: str, user: str, groups: list[str], *, before: bytes = b""
) -> str:
    """A CSR for a client certificate, issued. Returns the SHA-256 of the certificate. before: text above the PEM block."""
    pem = before + request(node)
    csr = x509.load_pem_x509_csr(pem)
    now = datetime.now(UTC)
    leaf = (
        x509.CertificateBuilder()
        .subject_name(csr.subject)
        .issuer_name(csr.subject)
        .public_key(csr.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    cluster.server.store.create(
        CSRS,
        {
            "metadata": {"name": name},
            "spec": {
                "request": base64.b64encode(pem).decode(),
                "signerName": CLIENT,
                "usages": ["digital signature", "client auth"],
                "username": user,
                "groups": groups,
            },
            "status": {
                "conditions": [{"type": "Approved", "status": "True", "reason": "AutoApproved"}],
                "certificate": base64.b64encode(leaf.public_bytes(Encoding.PEM)).decode(),
            },
        },
    )
    return leaf.fingerprint(hashes.SHA256()).hex()
