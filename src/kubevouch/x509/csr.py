"""Parses a certificate signing request (CSR): what Go reads in it, and whether it has a kubelet's form.

The API server and the signer use Go's parser. It reads the first PEM block, and the first value of
each PKCS#9 extension request. It skips every other attribute, also Microsoft's extension request,
which `cryptography` reads. The values here are Go's, so the issued certificate has the same values.

Another parser could see other values in the same bytes. So we encode the CSR again from its values,
as a kubelet would. If the bytes differ, the CSR has a quirk. A CSR without a quirk can be read in
only one way.

Sources: ParseCertificateRequest, parseCSRExtensions, CreateCertificateRequest and CheckSignature in
Go's crypto/x509/x509.go, ParseCSR in Kubernetes' pkg/apis/certificates/v1, RFC 2986. X509Error is
raised for a CSR that Go rejects, or that is larger than `LARGEST_CSR`. A few CSRs that Go rejects
are only marked with a quirk here: Go also parses non-text parts of the subject.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from kubevouch.x509 import der, pem
from kubevouch.x509.errors import Malformed, X509Error
from kubevouch.x509.extensions import Extension, encode_extension, read_extension
from kubevouch.x509.gotext import parse_address, printable, unmapped
from kubevouch.x509.keys import KeyAlgorithm, PublicKey, read_public_key
from kubevouch.x509.names import (
    COMMON_NAME,
    ORGANIZATION,
    Attribute,
    Name,
    encode_name,
    read_string,
)
from kubevouch.x509.sans import (
    SUBJECT_ALT_NAME,
    Encoded,
    SubjectAltNames,
    encode_alt_names,
    read_alt_names,
)
from kubevouch.x509.signatures import encode_key, read_algorithm, signature_error

CSR_LABEL = "CERTIFICATE REQUEST"
LARGEST_CSR = 64 * 1024
"""The size limit of a CSR, in bytes of PEM. A kubelet's CSR has about 500 bytes; the policy has a tighter limit."""

EXTENSION_REQUEST = "1.2.840.113549.1.9.14"

MOST_NAMES = 64
"""The maximum number of SANs, several times as many as a node has."""

_RIGHT = "expected a CSR (PKCS#10) as kubelets send it"
_ATTRIBUTE = "asn1: structure error: malformed extension request"
_SUBJECT = "asn1: structure error: malformed subject"
_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*")
_RSA_SIZES = range(2048, 8192 + 1)
_SIGNED_WITH = frozenset(
    der.encode(der.SEQUENCE, der.encode_oid(oid), parameters)
    for parameters, oids in {
        der.encode(der.NULL): [f"1.2.840.113549.1.1.{number}" for number in (11, 12, 13)],
        b"": [*(f"1.2.840.10045.4.3.{number}" for number in (2, 3, 4)), "1.3.101.112"],
    }.items()
    for oid in oids
)
"""The signature algorithms of kubelets: SHA-2 with RSA (RFC 4055) or ECDSA (RFC 5758), and Ed25519
(RFC 8410)."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CertificateRequest(Encoded):
    """A CSR (PKCS#10). Its SANs are the requested names and addresses."""

    der: bytes
    subject: Name
    key: PublicKey
    alt_names: SubjectAltNames
    signature_fault: str
    """Why the CSR's signature with its own key is invalid, in Go's words; "" if it is valid."""
    quirk: str
    """How the CSR differs from a kubelet's CSR, as one printable line; "" if it does not."""

    def __repr__(self) -> str:
        return f"<CertificateRequest {self.subject} quirk {self.quirk!r}>"


def read_csr(data: bytes, where: str) -> CertificateRequest:
    """Parses the CSR in `spec.request` (PEM). Raises X509Error if the API server would reject it."""
    if len(data) > LARGEST_CSR:
        raise X509Error(where, f"{len(data)} bytes", f"expected at most {LARGEST_CSR} bytes")
    block = next(pem.blocks(data), None)
    if block is None or block.label != CSR_LABEL:
        seen = "no PEM block" if block is None else f"a {block.label} block comes first"
        raise X509Error(where, seen, f"expected a {CSR_LABEL} block")
    canonical = pem.encode_block(CSR_LABEL, block.body) == data
    try:
        return _parse(
            block.body,
            "" if canonical else "the PEM is not a single block in the form that Go writes",
        )
    except Malformed as error:
        raise X509Error(where, f"not a CSR: {error}", _RIGHT) from None


def _parse(data: bytes, quirk: str) -> CertificateRequest:
    outer = der.Reader(data)
    request = outer.inside(der.SEQUENCE, "asn1: structure error: no SEQUENCE")
    if not outer.empty:
        raise Malformed("asn1: syntax error: trailing data")
    info = request.element(der.SEQUENCE, "asn1: structure error: no CertificationRequestInfo")
    body = der.Reader(info.body)
    body.integer("asn1: structure error: no version", bits=64)
    subject = _read_subject(body.any("asn1: syntax error: no subject").raw)
    key = read_public_key(
        body.element(der.SEQUENCE, "asn1: structure error: no SubjectPublicKeyInfo").raw
    )
    names = _read_names(body.inside(der.explicit(0), "asn1: structure error: no attributes"))
    algorithm = request.element(der.SEQUENCE, "asn1: structure error: no signature algorithm")
    bits = request.bits("asn1: structure error: no signature")
    signature = der.right_aligned(*bits)
    fault = signature_error(
        read_algorithm(algorithm.body), info.raw, signature, key, sha1_allowed=True
    )
    signed = der.encode(der.BIT_STRING, b"\x00", signature)
    if not quirk and (
        algorithm.raw not in _SIGNED_WITH
        or all(
            data != der.encode(der.SEQUENCE, written, algorithm.raw, signed)
            for written in _kubelet_forms(subject, key, names)
        )
    ):
        quirk = "the CSR's bytes differ from a kubelet's for this subject, SANs and key"
    return CertificateRequest(
        der=data,
        subject=subject,
        key=key,
        alt_names=names or SubjectAltNames(),
        signature_fault=fault,
        quirk=printable(fault) or quirk,
    )


def _kubelet_forms(subject: Name, key: PublicKey, names: SubjectAltNames | None) -> Iterator[bytes]:
    """The bytes that kubelets may write as CertificationRequestInfo for these values.

    Yields nothing for values that no kubelet sends. Some kubelets write all text in UTF-8, and some
    write addresses before names. Kubelets make ECDSA P-256 keys. Since 1.37 an administrator can
    choose other common kinds of keys.
    """
    attributes = subject.attributes
    if sorted(kind for kind, _ in attributes) != [ORGANIZATION, COMMON_NAME]:
        return
    if not all(text and text.isascii() and text.isprintable() for _, text in attributes):
        return
    if key.algorithm is KeyAlgorithm.RSA:
        usual = key.modulus.bit_length() in _RSA_SIZES and key.exponent == 65537
    else:
        usual = key.algorithm is KeyAlgorithm.ED25519 or str(key) in (
            "ECDSA P-256",
            "ECDSA P-384",
            "ECDSA P-521",
        )
    if not usual or (names and names.count > MOST_NAMES):
        return
    version, spki = der.encode_integer(0), encode_key(key)
    for in_utf8, addresses_first in product((False, True), repeat=2):
        name = encode_name(*attributes, in_utf8=in_utf8)
        asked = _sans(names, addresses_first=addresses_first) if names and names.count else b""
        yield der.encode(der.SEQUENCE, version, name, spki, der.encode(der.explicit(0), asked))


def _sans(names: SubjectAltNames, *, addresses_first: bool) -> bytes:
    """The CSR attribute that requests these SANs.

    Leaves out duplicates, DNS names that are not host names, and SANs that are neither DNS names
    nor IP addresses.
    """
    hosts = {
        name.lower(): name
        for name in names.dns_names
        if len(name) <= 253 and _HOST.fullmatch(name) and parse_address(name) is None
    }
    addresses = dict.fromkeys(map(unmapped, names.ip_addresses))
    value = encode_alt_names(hosts.values(), addresses, addresses_first=addresses_first)
    extensions = der.encode(der.SEQUENCE, encode_extension(SUBJECT_ALT_NAME, value))
    kind = der.encode_oid(EXTENSION_REQUEST)
    return der.encode(der.SEQUENCE, kind, der.encode(der.SET, extensions))


def _read_subject(raw: bytes) -> Name:
    """Reads the subject as Go's encoding/asn1 does, but skips values that are not text.

    Raises Malformed.
    """
    sequence = der.Reader(raw).inside(der.SEQUENCE, _SUBJECT)
    rdns: list[tuple[Attribute, ...]] = []
    while not sequence.empty:
        members, rdn = sequence.inside(der.SET, _SUBJECT), []
        while not members.empty:
            pair = members.inside(der.SEQUENCE, _SUBJECT)
            oid, value = pair.oid(_SUBJECT), pair.any(_SUBJECT)
            if value.tag in der.STRINGS:
                rdn.append(Attribute(oid, read_string(value)))
        rdns.append(tuple(rdn))
    return Name(tuple(rdns))


def _read_names(attributes: der.Reader) -> SubjectAltNames | None:
    """The SANs among the extensions that Go reads in the CSR; None if it requests no SAN extension.

    Raises Malformed if Go rejects them.
    """
    extensions: dict[str, bytes] = {}
    while not attributes.empty:
        attribute = attributes.any("asn1: syntax error: truncated sequence")
        for oid, _, value in _requested(attribute):
            if oid in extensions:
                raise Malformed("x509: certificate request contains duplicate requested extensions")
            extensions[oid] = value
    names = extensions.get(SUBJECT_ALT_NAME)
    return None if names is None else read_alt_names(names)


def _requested(attribute: der.Element) -> Iterator[Extension]:
    """The extensions in an attribute. Yields nothing if Go skips the attribute."""
    try:
        reader = der.Reader(attribute.raw).inside(der.SEQUENCE, "")
        oid, members = reader.oid(""), reader.inside(der.SET, "")
        values = []
        while not members.empty:
            values.append(members.any(""))
    except Malformed:
        return
    if oid != EXTENSION_REQUEST or not values:
        return
    sequence = der.Reader(values[0].raw).inside(der.SEQUENCE, _ATTRIBUTE)
    while not sequence.empty:
        yield read_extension(sequence)
