"""The subject of a CSR, its key, and whether that key signed it.

Sources: parseCertificateRequest and CheckSignature in Go's crypto/x509/x509.go; generateCSR in client-go's
util/certificate/certificate_manager.go for what kubelets send.
"""

from collections.abc import Iterator

from kubevouch.x509 import der
from kubevouch.x509.keys import KeyAlgorithm, PublicKey
from kubevouch.x509.names import COMMON_NAME, ORGANIZATION, Attribute, Name, read_string
from kubevouch.x509.quirks import Quirk, QuirkCode, quirk
from kubevouch.x509.signatures import SignatureAlgorithm, read_algorithm, signature_error

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
