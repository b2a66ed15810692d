"""Signing requests that root on a node would send to be somebody else, and their good twins. DER by hand where need be."""

import base64
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from tests.support.requests import request

SERVER = ("digital signature", "server auth")
_PKCS9 = "1.2.840.113549.1.9.14"
_MICROSOFT = "1.3.6.1.4.1.311.2.1.14"


@dataclass(frozen=True)
class Hostile:
    """One difference from a good request, and the rule that must hold it."""

    rule: str
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    usages: tuple[str, ...] = SERVER
    hidden: tuple[str, ...] = ()
    """Names that only Go sees: in PKCS#9's extension request, behind Microsoft's with the good ones (T28)."""

    def pem(self, node: str, address: str) -> bytes:
        """The request of that node."""
        if self.hidden:
            return two_requests(node, address, self.hidden)
        return request(node, self.names or (node,), self.addresses or (address,))


def client_request(node: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    """PEM of a CSR for a kubelet's client certificate, as `kubeadm join` makes it for a node of that name."""
    builder = x509.CertificateSigningRequestBuilder(_subject(node))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _subject(node: str) -> x509.Name:
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes")
    return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}")])


def csr_body(name: str, pem: bytes, usages: Sequence[str], signer: str) -> dict[str, Any]:
    """The object, as the API server takes it."""
    asked = {
        "request": base64.b64encode(pem).decode(),
        "signerName": signer,
        "usages": list(usages),
    }
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": asked,
    }


def manifest(
    name: str, pem: bytes, usages: Sequence[str], signer: str = "kubernetes.io/kubelet-serving"
) -> str:
    """The object, as kubectl creates it."""
    return json.dumps(csr_body(name, pem, usages, signer))


def two_requests(node: str, address: str, hidden: tuple[str, ...]) -> bytes:
    """Two extension requests in one CSR, with a valid signature: Python's `cryptography` shows the good names only."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(node).public_bytes()
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    good = _attribute(_MICROSOFT, _san((node,), (address,)))
    bad = _attribute(_PKCS9, _san(hidden, (address,)))
    info = _der(0x30, b"\x02\x01\x00" + subject + spki + _der(0xA0, good + bad))
    signature = key.sign(info, ec.ECDSA(hashes.SHA256()))
    algorithm = _der(0x30, _oid("1.2.840.10045.4.3.2"))
    der = _der(0x30, info + algorithm + _der(0x03, b"\x00" + signature))
    body = base64.encodebytes(der).replace(b"\n", b"")
    lines = b"\n".join(body[i : i + 64] for i in range(0, len(body), 64))
    pem = (
        b"-----BEGIN CERTIFICATE REQUEST-----\n" + lines + b"\n-----END CERTIFICATE REQUEST-----\n"
    )
    checked = subprocess.run(
        ["openssl", "req", "-verify", "-noout"], input=pem, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    return pem


def _san(names: tuple[str, ...], addresses: tuple[str, ...]) -> bytes:
    general = b"".join(_der(0x82, name.encode()) for name in names)
    general += b"".join(_der(0x87, ip_address(address).packed) for address in addresses)
    return _der(0x30, _der(0x30, _oid("2.5.29.17") + _der(0x04, _der(0x30, general))))


def _attribute(oid: str, value: bytes) -> bytes:
    return _der(0x30, _oid(oid) + _der(0x31, value))


def _oid(dotted: str) -> bytes:
    return _der(0x06, _arcs(dotted))


def _arcs(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    out = bytes([40 * first + second])
    for arc in rest:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        out += bytes(reversed(groups))
    return out


def _der(tag: int, body: bytes) -> bytes:
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + body
