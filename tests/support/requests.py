"""Signing requests as kubelets make them, and as they never would: built by `cryptography`, not by the code under test."""

from collections.abc import Sequence
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def request(
    node: str,
    names: Sequence[str] = (),
    addresses: Sequence[str] = (),
    *,
    common_name: str | None = None,
    organizations: Sequence[str] = ("system:nodes",),
    key: Key | None = None,
) -> bytes:
    """PEM of a request: O and CN as a kubelet writes them, DNS names first, then addresses."""
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
    cn = f"system:node:{node}" if common_name is None else common_name
    attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, cn))
    builder = x509.CertificateSigningRequestBuilder(
        subject_name=x509.Name(attributes)
    ).add_extension(
        x509.SubjectAlternativeName(
            [x509.DNSName(name) for name in names]
            + [x509.IPAddress(ip_address(address)) for address in addresses]
        ),
        critical=False,
    )
    return builder.sign(
        key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()
    ).public_bytes(Encoding.PEM)
