"""Certificates that trustme does not make: a kubelet's own, those of an authority that ends, odd ones. By the lab's `pki`."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtensionOID

from kubevouch_lab import pki
from tests.support.authority import Pair

CA = x509.BasicConstraints(ca=True, path_length=None)
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_ODD = (x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
_THREE_BYTES = (ExtensionOID.SUBJECT_ALTERNATIVE_NAME, b"\x30\x05\x87\x03\x0a\x00\x01")


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _ca(common_name: str, key: ec.EllipticCurvePrivateKey, life: pki.Life) -> pki.KeyPair:
    name = pki._name(common_name)
    made = (
        pki._builder(name, name, key, x509.random_serial_number(), life)
        .add_extension(pki._usage(key_encipherment=True, cert_sign=True), critical=True)
        .add_extension(CA, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return pki.KeyPair(pki.certificate_pem(made), pki.key_pem(key))


def _leaf(
    ca: pki.KeyPair,
    common_name: str,
    identities: Sequence[str],
    life: pki.Life,
    organisations: tuple[str, ...] = (),
) -> Pair:
    addresses = tuple(each for each in identities if _is_address(each))
    names = tuple(each for each in identities if each not in addresses)
    subject = pki.Subject(common_name, organisations, names, addresses, serves=True)
    made = pki._signed(ca, subject, _key(), x509.random_serial_number(), life)
    return Pair(made.chain, made.key)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _odd(
    ca: pki.KeyPair,
    life: pki.Life,
    extension: tuple[x509.ObjectIdentifier, bytes],
    *,
    critical: bool,
) -> Pair:
    """A leaf with this extension and no other."""
    key = _key()
    builder = pki._builder(
        pki._name("odd"), ca.leaf.subject, key, x509.random_serial_number(), life
    )
    odd = x509.UnrecognizedExtension(*extension)
    made = builder.add_extension(odd, critical=critical).sign(ca.private_key, hashes.SHA256())
    return Pair(pki.certificate_pem(made), pki.key_pem(key))


def kubelet_self_signed(host: str, starts: datetime, ends: datetime) -> Pair:
    """What a kubelet makes for itself: `<host>@<unix>` by `<host>-ca@<unix>`, the host name and no address.

    The form of client-go's GenerateSelfSignedCertKeyWithOptions (util/cert/cert.go), as recorded kubelets show it.
    """
    made = int(starts.timestamp())
    ca = _ca(f"{host}-ca@{made}", _key(), (starts, ends))
    pair = _leaf(ca, f"{host}@{made}", [host], (starts, ends))
    return Pair(pair.chain + ca.chain, pair.key)


class DatedAuthority:
    """A cluster's CA with an end of its own (trustme's never ends)."""

    def __init__(self, starts: datetime, ends: datetime, name: str = "kubernetes") -> None:
        self._key = _key()
        self._pair = _ca(name, self._key, (starts, ends))

    def renewed(self, starts: datetime, ends: datetime) -> bytes:
        """Another certificate of the same name and key, PEM."""
        return _ca("kubernetes", self._key, (starts, ends)).chain

    @property
    def pem(self) -> bytes:
        return self._pair.chain

    def serving(
        self, *identities: str, node: str, not_before: datetime, not_after: datetime
    ) -> Pair:
        """As the kubelet-serving signer issues: O and CN of the node."""
        life = (not_before, not_after)
        return _leaf(self._pair, f"system:node:{node}", identities, life, ("system:nodes",))

    def api_server(self, *identities: str, not_before: datetime, not_after: datetime) -> Pair:
        """As kubeadm makes an API server's (app/phases/certs/certlist.go)."""
        return _leaf(self._pair, "kube-apiserver", identities, (not_before, not_after))

    def with_an_unknown_critical_extension(self, not_before: datetime, not_after: datetime) -> Pair:
        """One that nobody may take who does not know that extension (RFC 5280, 4.2)."""
        return _odd(self._pair, (not_before, not_after), _ODD, critical=True)


def with_an_address_of_three_bytes() -> Pair:
    """A pair that OpenSSL takes, and Go does not: the only address in its SAN is neither of IPv4 nor of IPv6."""
    now = datetime.now(UTC)
    life = (now - timedelta(days=1), now + timedelta(days=1))
    return _odd(_ca("odd", _key(), life), life, _THREE_BYTES, critical=False)


def by_hand(
    name: str,
    life: pki.Life,
    *extensions: x509.ExtensionType,
    key: Key | None = None,
    by: tuple[str, Key] | None = None,
) -> Pair:
    """These extensions and no others, a common name of any length. by: the signer's name and key; without it signed by itself."""
    key = key or _key()
    issuer, signing = by or (name, key)

    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text, _validate=False)])

    builder = x509.CertificateBuilder(named(issuer), named(name), key.public_key(), 7, *life)
    for each in extensions:
        is_name = isinstance(each, x509.SubjectAlternativeName | x509.SubjectKeyIdentifier)
        builder = builder.add_extension(each, critical=not is_name)
    made = builder.sign(
        signing, None if isinstance(signing, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Pair(pki.certificate_pem(made), pem)
