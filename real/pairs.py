"""Certificates of the bed, made by `cryptography` from what Kubernetes' sources say; never by the product.

The kubelet's own kind follows client-go util/cert/cert.go (GenerateSelfSignedCertKeyWithFixtures); what the
kubelet-serving signer would have issued follows pkg/controller/certificates/authority/policies.go; the cluster's
CA follows kubeadm app/util/pkiutil/pki_helpers.go. Each is made as of a moment, which may be long ago.
"""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

YEAR = timedelta(days=365)
_PEM = serialization.Encoding.PEM
_TRADITIONAL = serialization.PrivateFormat.TraditionalOpenSSL
_NO_PASSWORD = serialization.NoEncryption()

AnyKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Pair:
    """A chain, leaf first, and the key of the leaf; PEM."""

    chain: bytes
    key: bytes

    @property
    def leaf(self) -> x509.Certificate:
        """The first certificate of the chain."""
        return x509.load_pem_x509_certificate(self.chain)


def kubelet_self_signed(name: str, made: datetime) -> Pair:
    """The pair that a kubelet of that host name makes for itself at that moment.

    Valid from an hour before, for 365 days; one DNS name, never an address; issued by a CA whose key nobody keeps.
    """
    authority_key, key = _rsa(), _rsa()
    begins = made - timedelta(hours=1)
    issuer = _common_name(f"{name}-ca@{int(made.timestamp())}")
    ca = (
        _builder(issuer, issuer, authority_key, begins, begins + YEAR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(key_encipherment=True, cert_sign=True), critical=True)
        .add_extension(_key_identifier(authority_key), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    leaf = (
        _builder(
            _common_name(f"{name}@{int(made.timestamp())}"), issuer, key, begins, begins + YEAR
        )
        .add_extension(_usage(key_encipherment=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_authority_identifier(authority_key), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return Pair(leaf.public_bytes(_PEM) + ca.public_bytes(_PEM), _pem(key))


def cluster_ca(made: datetime) -> Pair:
    """The cluster's CA as kubeadm makes it at that moment: RSA, ten years, its name also as a DNS name."""
    key = _rsa()
    name = _common_name("kubernetes")
    ca = (
        _builder(name, name, key, made - timedelta(minutes=5), made + 10 * YEAR)
        .add_extension(_usage(key_encipherment=True, cert_sign=True), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_identifier(key), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("kubernetes")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(ca.public_bytes(_PEM), _pem(key))


def kubelet_serving(ca: Pair, name: str, address: str, approved: datetime) -> Pair:
    """What the cluster's signer issues for a node's serving CSR approved at that moment: one leaf, ECDSA, a year."""
    key = ec.generate_private_key(ec.SECP256R1())
    ca_key = serialization.load_pem_private_key(ca.key, None)
    assert isinstance(ca_key, rsa.RSAPrivateKey)
    begins = approved - timedelta(minutes=5)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{name}"),
        ]
    )
    leaf = (
        _builder(subject, ca.leaf.subject, key, begins, begins + YEAR)
        .add_extension(_usage(key_encipherment=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_authority_identifier(ca_key), critical=False)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(address))]
            ),
            critical=False,
        )
        .sign(ca_key, hashes.SHA256())
    )
    return Pair(leaf.public_bytes(_PEM), _pem(key))


def ca_hash(ca: Pair) -> str:
    """The pin that `kubeadm join` takes: sha256 of the CA's public key (app/util/pubkeypin)."""
    digest = hashes.Hash(hashes.SHA256())
    public = ca.leaf.public_key()
    digest.update(
        public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return f"sha256:{digest.finalize().hex()}"


def _builder(
    subject: x509.Name, issuer: x509.Name, key: AnyKey, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number() >> 96)  # 63 bits, as client-go draws them
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def _usage(*, key_encipherment: bool, cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=cert_sign,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key_identifier(key: AnyKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key())


def _authority_identifier(key: AnyKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _pem(key: AnyKey) -> bytes:
    """`RSA PRIVATE KEY` or `EC PRIVATE KEY`, as Kubernetes writes them."""
    return key.private_bytes(_PEM, _TRADITIONAL, _NO_PASSWORD)
