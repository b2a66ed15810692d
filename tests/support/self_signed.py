"""Certificates in forms that trustme does not make, built by `cryptography`: never by the code under test."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from tests.support.authority import Pair

Key = ec.EllipticCurvePrivateKey


def _name(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in parts])


def _ca(
    common_name: str, key: Key, starts: datetime, ends: datetime, *, key_id: bool = True
) -> x509.Certificate:
    name = _name((NameOID.COMMON_NAME, common_name))
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(ends)
        .add_extension(usage, critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if key_id:
        named = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = builder.add_extension(named, critical=False)
    return builder.sign(key, hashes.SHA256())


def _leaf(
    subject: x509.Name,
    sans: Sequence[str],
    starts: datetime,
    ends: datetime,
    issuer: tuple[x509.Certificate, Key],
    *more: x509.ExtensionType,
) -> Pair:
    """more: critical extensions."""
    by, by_key = issuer
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [_san(text) for text in sans]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(ends)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(by_key.public_key()), critical=False
        )
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
    for each in more:
        builder = builder.add_extension(each, critical=True)
    certificate = builder.sign(by_key, hashes.SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Pair(certificate.public_bytes(Encoding.PEM), pem)


def _san(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def kubelet_self_signed(host: str, starts: datetime, ends: datetime) -> Pair:
    """What a kubelet makes for itself: `<host>@<unix>` by `<host>-ca@<unix>`, the host name and no address.

    The form of client-go's GenerateSelfSignedCertKeyWithOptions (util/cert/cert.go), as recorded kubelets show it.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    made = int(starts.timestamp())
    ca = _ca(f"{host}-ca@{made}", key, starts, ends)
    pair = _leaf(_name((NameOID.COMMON_NAME, f"{host}@{made}")), [host], starts, ends, (ca, key))
    return Pair(pair.chain + ca.public_bytes(Encoding.PEM), pair.key)


class DatedAuthority:
    """A cluster's CA with an end of its own (trustme's never ends)."""

    def __init__(
        self, starts: datetime, ends: datetime, name: str = "kubernetes", *, key_id: bool = True
    ) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _ca(name, self._key, starts, ends, key_id=key_id)

    def renewed(self, starts: datetime, ends: datetime) -> bytes:
        """Another certificate of the same name and key, PEM."""
        return _ca("kubernetes", self._key, starts, ends).public_bytes(Encoding.PEM)

    @property
    def pem(self) -> bytes:
        return self._certificate.public_bytes(Encoding.PEM)

    def serving(
        self, *identities: str, node: str, not_before: datetime, not_after: datetime
    ) -> Pair:
        """As the kubelet-serving signer issues: O and CN of the node."""
        subject = _name(
            (NameOID.ORGANIZATION_NAME, "system:nodes"),
            (NameOID.COMMON_NAME, f"system:node:{node}"),
        )
        issuer = (self._certificate, self._key)
        return _leaf(subject, identities, not_before, not_after, issuer)

    def api_server(self, *identities: str, not_before: datetime, not_after: datetime) -> Pair:
        """As kubeadm makes an API server's (app/phases/certs/certlist.go)."""
        subject = _name((NameOID.COMMON_NAME, "kube-apiserver"))
        issuer = (self._certificate, self._key)
        return _leaf(subject, identities, not_before, not_after, issuer)

    def with_an_unknown_critical_extension(self, not_before: datetime, not_after: datetime) -> Pair:
        """An API server's that nobody may take who does not know that extension (RFC 5280, 4.2)."""
        subject = _name((NameOID.COMMON_NAME, "kube-apiserver"))
        unknown = x509.UnrecognizedExtension(
            x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"
        )
        issuer = (self._certificate, self._key)
        return _leaf(subject, ["apiserver"], not_before, not_after, issuer, unknown)


def with_an_address_of_three_bytes() -> Pair:
    """A pair that OpenSSL takes, and Go does not: the only address in its SAN is neither of IPv4 nor of IPv6."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name((NameOID.COMMON_NAME, "odd"))
    now = datetime.now(UTC)
    names = x509.UnrecognizedExtension(
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30\x05\x87\x03\x0a\x00\x01"
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Pair(certificate.public_bytes(Encoding.PEM), pem)
