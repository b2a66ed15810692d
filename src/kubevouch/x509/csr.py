"""A certificate signing request (CSR) as a value: what Go reads in it, and every way in which it is unusual.

The API server and the signer read a CSR with Go: the first PEM block, and the first value of each PKCS#9 extension
request. The values here are the same, so they are those that end up in the certificate. Wherever another reader could
see something else there is a `Quirk`.

Sources: ParseCertificateRequest, parseCertificateRequest and CheckSignature in Go's crypto/x509/x509.go, ParseCSR in Kubernetes' pkg/apis/certificates/v1,
RFC 2986. A CSR that Go refuses raises X509Error (a few have a quirk instead: Go also parses parts of the subject that
are not text); so does one that is larger than `LARGEST_CSR`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from kubevouch.x509 import der, pem
from kubevouch.x509.csr_attributes import count_alt_names, read_attributes
from kubevouch.x509.errors import Malformed, X509Error
from kubevouch.x509.keys import KeyAlgorithm, PublicKey, read_public_key
from kubevouch.x509.names import COMMON_NAME, ORGANIZATION, Attribute, Name, read_string
from kubevouch.x509.quirks import MOST_QUIRKS, Quirk, QuirkCode, deviation, quirk
from kubevouch.x509.sans import Encoded, SubjectAltNames
from kubevouch.x509.signatures import SignatureAlgorithm, read_algorithm, signature_error

CSR_LABEL = "CERTIFICATE REQUEST"
LARGEST_CSR = 64 * 1024
"""Bytes of PEM. A kubelet's CSR has about 500; policy sets a tighter limit."""

_RIGHT = "a CSR (PKCS#10) as kubelets send it was expected"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CertificateRequest(Encoded):
    """A CSR (PKCS#10): its SAN has the requested names and addresses. Upper case in them is not a quirk."""

    der: bytes
    subject: Name
    key: PublicKey
    alt_names: SubjectAltNames
    has_san_extension: bool
    quirks: tuple[Quirk, ...]
    """The first `MOST_QUIRKS` quirks; empty for a CSR as kubelets send it."""

    def __repr__(self) -> str:
        return f"<CertificateRequest {self.subject} quirks {len(self.quirks)}>"


def read_csr(data: bytes, where: str) -> CertificateRequest:
    """The CSR in `spec.request` (PEM). Raises X509Error if the API server would refuse it."""
    if len(data) > LARGEST_CSR:
        raise X509Error(where, f"{len(data)} bytes", f"at most {LARGEST_CSR} are read")
    block = next(pem.blocks(data), None)
    if block is None or block.label != CSR_LABEL:
        seen = "no PEM block" if block is None else f"a {block.label} block comes first"
        raise X509Error(where, seen, f"a {CSR_LABEL} block was expected")
    outside = () if pem.encode_block(CSR_LABEL, block.body) == data else (_outside(block, data),)
    return parse_csr(block.body, where, quirks=outside)


def names_in(data: bytes) -> int:
    """How many names and addresses the CSR in `spec.request` asks for, without reading them; 0 where that cannot be seen."""
    block = next(pem.blocks(data), None)
    try:
        info = (
            der.Reader(block.body if block else b"")
            .inside(der.SEQUENCE, "")
            .inside(der.SEQUENCE, "")
        )
        while not info.empty:
            if (element := info.any("")).tag == der.explicit(0):
                return count_alt_names(der.Reader(element.body))
    except Malformed:
        pass
    return 0


def parse_csr(data: bytes, where: str, *, quirks: tuple[Quirk, ...] = ()) -> CertificateRequest:
    """The CSR in these bytes of DER. quirks: those found in the PEM. Raises X509Error."""
    if len(data) > LARGEST_CSR:
        raise X509Error(where, f"{len(data)} bytes", f"at most {LARGEST_CSR} are read")
    try:
        return _parse(data, quirks)
    except Malformed as error:
        raise X509Error(where, f"not a CSR: {error}", _RIGHT) from None


def _outside(block: pem.PemBlock, data: bytes) -> Quirk:
    if block.has_headers:
        seen = "headers stand in the PEM block"
    elif b"-----BEGIN " in data[: block.start] + data[block.end :]:
        seen = "there is a second PEM block, or one that Go passes over"
    elif data[: block.start].strip() or data[block.end :].strip():
        seen = "text stands around the PEM block"
    else:
        seen = "blanks, line ends or line lengths are not those of one PEM block as Go writes it"
    return quirk(QuirkCode.PEM_NOT_CANONICAL, seen)


def _parse(data: bytes, quirks: tuple[Quirk, ...]) -> CertificateRequest:
    outer = der.Reader(data)
    request = outer.inside(der.SEQUENCE, "asn1: structure error: no SEQUENCE")
    if not outer.empty:
        raise Malformed("asn1: syntax error: trailing data")
    info = request.element(der.SEQUENCE, "asn1: structure error: no CertificationRequestInfo")
    body = der.Reader(info.body)
    version = body.integer("asn1: structure error: no version", bits=64)
    subject, subject_quirks = read_subject(body.any("asn1: syntax error: no subject").raw)
    spki = body.element(der.SEQUENCE, "asn1: structure error: no SubjectPublicKeyInfo").raw
    key = read_public_key(spki)
    attributes = body.inside(der.explicit(0), "asn1: structure error: no attributes")
    asked = read_attributes(attributes)
    algorithm = request.element(der.SEQUENCE, "asn1: structure error: no signature algorithm")
    signature = der.right_aligned(*request.bits("asn1: structure error: no signature"))
    return CertificateRequest(
        der=data,
        subject=subject,
        key=key,
        alt_names=asked.alt_names or SubjectAltNames(),
        has_san_extension=asked.alt_names is not None,
        quirks=(
            *quirks,
            *_shape_quirks(data, version, left_over=not (request.empty and body.empty)),
            *subject_quirks,
            *key_quirks(key, spki),
            *signature_quirks(algorithm.body, info.raw, signature, key),
            *asked.quirks,
        )[:MOST_QUIRKS],
    )


def _shape_quirks(data: bytes, version: int, *, left_over: bool) -> Iterator[Quirk]:
    spelling = deviation(data)
    if spelling:
        yield quirk(QuirkCode.DER_NOT_CANONICAL, spelling)
    if left_over:
        yield quirk(QuirkCode.EXTRA_ELEMENTS, "elements follow where RFC 2986 ends")
    if version != 0:
        yield quirk(QuirkCode.VERSION, f"version {version}, not 0")


_RSA_SIZES = range(2048, 8192 + 1)
_USUAL_STRINGS = {der.PRINTABLE_STRING, der.UTF8_STRING}
_NULL = b"\x05\x00"
_MALFORMED = "asn1: structure error: malformed subject"


def read_subject(raw: bytes) -> tuple[Name, list[Quirk]]:
    """The subject as encoding/asn1 reads it, with its quirks: values that are not text are skipped. Raises Malformed."""
    sequence = der.Reader(raw).inside(der.SEQUENCE, _MALFORMED)
    rdns: list[tuple[Attribute, ...]] = []
    quirks: list[Quirk] = []
    while not sequence.empty:
        members, rdn = sequence.inside(der.SET, _MALFORMED), []
        while not members.empty:
            pair = members.inside(der.SEQUENCE, _MALFORMED)
            oid, value = pair.oid(_MALFORMED), pair.any(_MALFORMED)
            if not pair.empty:
                quirks.append(quirk(QuirkCode.EXTRA_ELEMENTS, f"a third element beside {oid}"))
            text, odd = _text(oid, value)
            if text is not None:
                rdn.append(Attribute(oid, text))
            if odd:
                quirks.append(quirk(QuirkCode.NAME_TEXT, odd))
        rdns.append(tuple(rdn))
    name = Name(tuple(rdns))
    shape = sorted(attribute.oid for attribute in name.attributes)
    if shape != sorted((COMMON_NAME, ORGANIZATION)) or len(rdns) != 2:
        quirks.append(quirk(QuirkCode.NAME_SHAPE, f"the subject is {name}, not one O and one CN"))
    return name, quirks


def _text(oid: str, value: der.Element) -> tuple[str | None, str]:
    """The text of an attribute (None if it is not text), and what is unusual about it."""
    if value.tag >= 0x40 or value.tag & 0x20 or value.tag not in der.STRINGS:
        return None, f"{oid} holds tag {value.tag:#04x} instead of text"
    text = read_string(value)
    if value.tag not in _USUAL_STRINGS:
        return text, f"{oid} is written in string type {value.tag:#04x}"
    if not text or not all(" " <= char <= "~" for char in text):
        return text, f"{oid} is {text!r}"
    return text, ""


def key_quirks(key: PublicKey, spki: bytes) -> Iterator[Quirk]:
    """What is unusual about the key. Kubelets make ECDSA P-256; since 1.37 sites can choose other common kinds."""
    usual = {
        KeyAlgorithm.ECDSA: str(key) != "ECDSA P-224",
        KeyAlgorithm.RSA: key.modulus.bit_length() in _RSA_SIZES and key.exponent == 65537,
        KeyAlgorithm.ED25519: True,
    }
    if not usual.get(key.algorithm, False):
        yield quirk(QuirkCode.KEY, f"an unusual key: {key}")
    if _has_more(spki):
        yield quirk(QuirkCode.EXTRA_ELEMENTS, "more than an algorithm and a key in the key info")


def _has_more(spki: bytes) -> bool:
    reader = der.Reader(spki).inside(der.SEQUENCE, "")
    identifier = reader.inside(der.SEQUENCE, "")
    identifier.any("")
    if not identifier.empty:
        identifier.any("")
    _, padding = reader.bits("")
    return bool(padding) or not (identifier.empty and reader.empty)


def signature_quirks(
    identifier: bytes, signed: bytes, signature: bytes, key: PublicKey
) -> Iterator[Quirk]:
    """What is unusual about the signature. Raises Malformed if the algorithm identifier cannot be read."""
    algorithm = read_algorithm(identifier)
    fault = signature_error(algorithm, signed, signature, key, sha1_allowed=True)
    if fault:
        yield quirk(QuirkCode.SIGNATURE, fault)
    if algorithm.hash in {"SHA1", "MD5"} or algorithm.pss or not _plain(identifier, algorithm):
        yield quirk(
            QuirkCode.SIGNATURE_ALGORITHM,
            f"signed with {algorithm.name}, or with parameters that do not belong there",
        )


def _plain(identifier: bytes, algorithm: SignatureAlgorithm) -> bool:
    """Whether the parameters are the standard ones: NULL for RSA (RFC 4055), none otherwise (RFC 5758, 8410)."""
    reader = der.Reader(identifier)
    reader.any("")
    return reader.rest == (_NULL if algorithm.key is KeyAlgorithm.RSA else b"")
