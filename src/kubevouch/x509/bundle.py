"""Parses files of certificates and keys.

The input is PEM, or one certificate in DER: CA bundles, `kubelet-server-current.pem` (certificates
and an EC key in one file), `kubelet.crt` and `.key`, or a kubeconfig's embedded data (after
base64). Private keys are parsed and dropped; only the public half is kept.

Go silently skips unreadable blocks, so with a broken block in `ca.crt` metrics-server lacks that
CA. Here a broken block is an error that names the block.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from kubevouch.x509 import pem
from kubevouch.x509.certificate import Certificate, parse_certificate
from kubevouch.x509.errors import Malformed, X509Error
from kubevouch.x509.keys import read_private_key

LARGEST_FILE = 1 << 20
"""The size limit of a file, in bytes: five times the CA bundle of a Linux distribution."""
MOST_BLOCKS = 1_000

_RIGHT = "expected PEM as kubeadm and the kubelet write it"


@dataclass(frozen=True, slots=True)
class Bundle:
    """The contents of one PEM file: certificates, and the public half of each private key.

    Other blocks are skipped.
    """

    certificates: tuple[Certificate, ...]
    """The certificates in the file's order. In a serving file the leaf comes first."""
    keys: tuple[str, ...]
    """SHA-256 of each key's public half, like `Certificate.spki_sha256`; "" for an encrypted key."""


def read_pem(data: bytes, where: str) -> Bundle:
    """Parses the certificates and keys of a PEM file.

    Raises X509Error, which names the file, and the block or line that is broken.
    """
    certificates: list[Certificate] = []
    keys: list[str] = []
    for number, block in enumerate(_blocks(data, where), start=1):
        place = f"{where}, block {number}"
        if block.label == "CERTIFICATE":
            certificates.append(_certificate(block, place))
        elif _is_key(block.label):
            keys.append(_key(block, place))
    return Bundle(tuple(certificates), tuple(keys))


def read_certificates(data: bytes, where: str) -> tuple[Certificate, ...]:
    """Parses the certificates of a PEM file, or the certificate of a DER file. Other blocks are ignored.

    Raises X509Error if the file has no certificate.
    """
    if data[:1] == b"\x30":
        return (read_certificate_der(data, where),)
    found = read_pem(data, where).certificates
    if not found:
        raise X509Error(where, "contains no certificate", "expected a CERTIFICATE block")
    return found


def read_certificate_der(data: bytes, where: str) -> Certificate:
    """Parses a certificate in DER, as a peer presents it in a handshake. Raises X509Error."""
    if len(data) > LARGEST_FILE:
        raise _too_large(data, where)
    try:
        return parse_certificate(data)
    except Malformed as error:
        raise X509Error(where, f"not a certificate: {error}", "expected DER") from None


def write_certificates(certificates: tuple[Certificate, ...]) -> bytes:
    """The certificates as one PEM file, in the given order."""
    return b"".join(
        pem.encode_block("CERTIFICATE", certificate.der) for certificate in certificates
    )


def _too_large(data: bytes, where: str) -> X509Error:
    return X509Error(where, f"{len(data)} bytes", f"expected at most {LARGEST_FILE} bytes")


def _blocks(data: bytes, where: str) -> Iterator[pem.PemBlock]:
    if len(data) > LARGEST_FILE:
        raise _too_large(data, where)
    found: list[pem.PemBlock] = []
    for block in pem.blocks(data):
        found.append(block)
        if len(found) > MOST_BLOCKS:
            raise X509Error(where, f"more than {MOST_BLOCKS} PEM blocks", _RIGHT)
    line = pem.unread_begin(data, found)
    if line and pem.is_cut_off(data, line):
        seen = "this PEM block has no END line: the file is truncated"
        raise X509Error(where, f"line {line}: {seen}", _RIGHT)
    if line:
        raise X509Error(where, f"line {line}: Go cannot read this PEM block", _RIGHT)
    if not found:
        raise X509Error(where, "contains no PEM block", _RIGHT)
    return iter(found)


def _is_key(label: str) -> bool:
    return label == "PRIVATE KEY" or label.endswith(" PRIVATE KEY")


def _certificate(block: pem.PemBlock, where: str) -> Certificate:
    expected = "expected DER inside the CERTIFICATE block"
    if block.has_headers:
        raise X509Error(where, "some readers skip this CERTIFICATE block: it has headers", expected)
    try:
        return parse_certificate(block.body)
    except Malformed as error:
        raise X509Error(where, f"not a certificate: {error}", expected) from None


def _key(block: pem.PemBlock, where: str) -> str:
    try:
        return read_private_key(block.label, block.body)
    except Malformed as error:
        raise X509Error(where, f"not a private key: {error}", "expected a key in DER") from None


MOST_CERTIFICATES: Final = 16
"""The maximum number of certificates that we parse from a presented chain.

A kubelet presents one or two. Go's verifier stops after a hundred signature checks.
"""
MOST_OF_A_CHAIN: Final = 16 * 1024
"""The maximum number of bytes that we parse from a presented chain.

A certificate has one or two thousand bytes. Parsing 100,000 bytes would delay all other work.
"""


def looked_at(presented: Sequence[bytes]) -> tuple[bytes, ...]:
    """The certificates of a presented chain that we parse: as many as the limits allow, leaf first.

    The limits are `MOST_CERTIFICATES` and `MOST_OF_A_CHAIN`. Empty if the leaf alone is too long.
    """
    long = list(accumulate(map(len, presented[:MOST_CERTIFICATES])))
    return tuple(presented[: bisect_right(long, MOST_OF_A_CHAIN)])


def leaf_too_long(presented: Sequence[bytes]) -> str:
    """Why a leaf is too long to parse; "" if it is short enough, or none was presented."""
    if not presented or len(presented[0]) <= MOST_OF_A_CHAIN:
        return ""
    return f"{len(presented[0])} bytes, over the limit of {MOST_OF_A_CHAIN}"
