"""Certificates of a kubeadm cluster, each as of a moment that may be long ago.

Made by the cryptography library from what Kubernetes' sources say, never by the product's own issuer, so that the
lab stays a second opinion: kubeadm's pairs follow cmd/kubeadm/app/util/pkiutil/pki_helpers.go and
phases/certs/certlist.go, the kubelet's own kind client-go util/cert/cert.go
(GenerateSelfSignedCertKeyWithFixtures), the signer's pkg/controller/certificates/authority/policies.go.
"""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

YEAR = timedelta(days=365)
_BACKDATED = timedelta(minutes=5)
_PEM = serialization.Encoding.PEM
_TRADITIONAL = serialization.PrivateFormat.TraditionalOpenSSL
_NO_PASSWORD = serialization.NoEncryption()

AnyKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Life = tuple[datetime, datetime]
Serials = Callable[[], int]
"""Where serial numbers come from: positive, 63 bits, as client-go draws them."""


@dataclass(frozen=True)
class KeyPair:
    """A chain, leaf first, and the key of the leaf; PEM."""

    chain: bytes
    key: bytes = field(repr=False)

    @property
    def leaf(self) -> x509.Certificate:
        """The first certificate of the chain."""
        return x509.load_pem_x509_certificate(self.chain)

    @property
    def private_key(self) -> AnyKey:
        """The key of the leaf."""
        return _loaded(self.key)


@dataclass(frozen=True)
class Subject:
    """Whom a leaf names: common name, organisations, DNS names, addresses; server or client."""

    common_name: str
    organisations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    serves: bool = False
    key_encipherment: bool = True


def authority(common_name: str, made: datetime, serial: int, key: AnyKey | None = None) -> KeyPair:
    """A CA as kubeadm makes it: RSA, ten years, its name also as a DNS name, back-dated by five minutes."""
    key = key or rsa_key()
    name = _name(common_name)
    ca = (
        _builder(name, name, key, serial, (made - _BACKDATED, made + 10 * YEAR))
        .add_extension(_usage(key_encipherment=True, cert_sign=True), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(common_name)]), critical=False)
        .sign(key, SHA256())
    )
    return KeyPair(ca.public_bytes(_PEM), key_pem(key))


def leaf(
    ca: KeyPair, subject: Subject, made: datetime, serial: int, key: AnyKey | None = None
) -> KeyPair:
    """A leaf as kubeadm makes it: good for a year; back-dated as CertificateBackdate says, never before its CA."""
    key = key or rsa_key()
    begins = max(made - _BACKDATED, ca.leaf.not_valid_before_utc)
    return _signed(ca, subject, key, serial, (begins, made + YEAR))


def signed_for_kubelet(ca: KeyPair, subject: Subject, approved: datetime, serial: int) -> KeyPair:
    """What the cluster's signer issues for a kubelet's request: ECDSA, no key encipherment, a year from five minutes ago."""
    begins = approved - _BACKDATED
    return _signed(
        ca, subject, ec.generate_private_key(ec.SECP256R1()), serial, (begins, begins + YEAR)
    )


def kubelet_client(ca: KeyPair, node: str, approved: datetime, serial: int) -> KeyPair:
    """A kubelet's client certificate for the API server."""
    subject = Subject(f"system:node:{node}", ("system:nodes",), key_encipherment=False)
    return signed_for_kubelet(ca, subject, approved, serial)


def kubelet_serving(
    ca: KeyPair, node: str, addresses: Sequence[str], approved: datetime, serial: int
) -> KeyPair:
    """What the signer would have issued for a node's serving request approved at that moment."""
    subject = Subject(
        f"system:node:{node}",
        ("system:nodes",),
        names=(node,),
        addresses=tuple(addresses),
        serves=True,
        key_encipherment=False,
    )
    return signed_for_kubelet(ca, subject, approved, serial)


def kubelet_self_signed(
    host: str, made: datetime, serials: Serials, keys: tuple[AnyKey, AnyKey] | None = None
) -> KeyPair:
    """The pair that a kubelet of that host name makes for itself: leaf and throw-away CA, one DNS name, no address.

    Valid from an hour before, for 365 days. keys: the CA's and the leaf's, where not even these are to be fresh.
    """
    authority_key, key = keys or (rsa_key(), rsa_key())
    begins = made - timedelta(hours=1)
    issuer = _name(f"{host}-ca@{int(made.timestamp())}")
    ca = (
        _builder(issuer, issuer, authority_key, serials(), (begins, begins + YEAR))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(key_encipherment=True, cert_sign=True), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, SHA256())
    )
    pair = KeyPair(ca.public_bytes(_PEM), key_pem(authority_key))
    subject = Subject(f"{host}@{int(made.timestamp())}", names=(host,), serves=True)
    own = _signed(pair, subject, key, serials(), (begins, begins + YEAR))
    return KeyPair(own.chain + pair.chain, own.key)


def made_earlier(certificate: x509.Certificate, ca: KeyPair, by: timedelta) -> x509.Certificate:
    """The same certificate, its dates so much earlier, signed again by the CA's key."""
    builder = _builder(
        certificate.subject,
        ca.leaf.subject if certificate.subject != certificate.issuer else certificate.subject,
        certificate,
        certificate.serial_number,
        (certificate.not_valid_before_utc - by, certificate.not_valid_after_utc - by),
    )
    for extension in certificate.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    return builder.sign(ca.private_key, SHA256())


def rsa_key() -> rsa.RSAPrivateKey:
    """2048 bits, as kubeadm and kubelets take them."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_pem(key: AnyKey) -> bytes:
    """`RSA PRIVATE KEY` or `EC PRIVATE KEY`, as Kubernetes writes them."""
    return key.private_bytes(_PEM, _TRADITIONAL, _NO_PASSWORD)


def public_pem(key: AnyKey) -> bytes:
    """`PUBLIC KEY`: what kubeadm writes to sa.pub."""
    return key.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """One block."""
    return certificate.public_bytes(_PEM)


@lru_cache(maxsize=64)
def _loaded(pem: bytes) -> AnyKey:
    """A key of ours: to look for its primes again would take a tenth of a second."""
    key = serialization.load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return key


def _signed(ca: KeyPair, subject: Subject, key: AnyKey, serial: int, life: Life) -> KeyPair:
    issuer = ca.private_key
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if subject.serves else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        _builder(
            _name(subject.common_name, subject.organisations),
            ca.leaf.subject,
            key,
            serial,
            life,
        )
        .add_extension(_usage(key_encipherment=subject.key_encipherment), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False
        )
    )
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in subject.names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(each)) for each in subject.addresses]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return KeyPair(certificate_pem(builder.sign(issuer, SHA256())), key_pem(key))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    holder: AnyKey | x509.Certificate,
    serial: int,
    life: Life,
) -> x509.CertificateBuilder:
    public = holder.public_key()
    assert isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(life[0])
        .not_valid_after(life[1])
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


def _name(common_name: str, organisations: Sequence[str] = ()) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organisations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
