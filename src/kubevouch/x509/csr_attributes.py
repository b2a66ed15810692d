"""The extensions that a CSR requests: those that Go sees, and those that another reader might see.

Go takes the first value of every PKCS#9 extension request (and refuses two of them with the same extension). It skips
every other attribute, also Microsoft's extension request, which `cryptography` reads.

Source: parseCSRExtensions in Go's crypto/x509/x509.go; RFC 2985, 5.4.2.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kubevouch.x509 import der
from kubevouch.x509.errors import Malformed
from kubevouch.x509.extensions import Extension
from kubevouch.x509.gotext import address_text, parse_address, unmapped
from kubevouch.x509.quirks import Quirk, QuirkCode, deviation, quirk
from kubevouch.x509.sans import SUBJECT_ALT_NAME, SubjectAltNames, read_alt_names

EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
_MICROSOFT = "1.3.6.1.4.1.311.2.1.14"
_BROKEN = "asn1: structure error: malformed extension request"
_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*")


@dataclass(frozen=True, slots=True)
class CsrExtensions:
    """The requested extensions. `alt_names` is None if there is no SAN extension, and may be empty if there is one."""

    alt_names: SubjectAltNames | None
    quirks: tuple[Quirk, ...]


def read_attributes(attributes: der.Reader) -> CsrExtensions:
    """The extensions that Go reads in the attributes. Raises Malformed if Go refuses them."""
    quirks: list[Quirk] = []
    extensions: dict[str, Extension] = {}
    count = 0
    while not attributes.empty:
        count += 1
        attribute = attributes.any("asn1: syntax error: truncated sequence")
        for extension in _requested(attribute, quirks):
            if extension.oid in extensions:
                raise Malformed("x509: certificate request contains duplicate requested extensions")
            extensions[extension.oid] = extension
    if count > 1:
        quirks.insert(0, quirk(QuirkCode.ATTRIBUTE_COUNT, f"{count} attributes"))
    for extension in extensions.values():
        quirks.extend(_extension_quirks(extension))
    san = extensions.get(SUBJECT_ALT_NAME)
    if san is None:
        return CsrExtensions(None, tuple(quirks))
    names = read_alt_names(san.value)
    return CsrExtensions(names, (*quirks, *_name_quirks(names)))


def count_alt_names(attributes: der.Reader) -> int:
    """How many alternative names the attributes ask for; of each only the length is read. Raises Malformed."""
    count = 0
    while not attributes.empty:
        for extension in _requested(attributes.any(_BROKEN), []):
            if extension.oid == SUBJECT_ALT_NAME:
                count += der.Reader(extension.value).inside(der.SEQUENCE, _BROKEN).count(_BROKEN)
    return count


def _requested(attribute: der.Element, quirks: list[Quirk]) -> list[Extension]:
    """The extensions in one attribute; none if Go skips it."""
    try:
        oid, values, extra = _attribute(attribute)
    except Malformed:
        quirks.append(quirk(QuirkCode.ATTRIBUTE_KIND, "an attribute that Go cannot read"))
        return []
    if extra:
        quirks.append(quirk(QuirkCode.EXTRA_ELEMENTS, f"a third element in attribute {oid}"))
    if oid != EXTENSION_REQUEST:
        name = "Microsoft's extension request" if oid == _MICROSOFT else f"attribute {oid}"
        quirks.append(quirk(QuirkCode.ATTRIBUTE_KIND, f"{name}, which the signer does not read"))
        return []
    if len(values) != 1:
        quirks.append(
            quirk(QuirkCode.ATTRIBUTE_VALUES, f"{len(values)} values in the extension request")
        )
    return _extensions(values[0], quirks) if values else []


def _attribute(attribute: der.Element) -> tuple[str, list[der.Element], bool]:
    reader = der.Reader(attribute.raw).inside(der.SEQUENCE, _BROKEN)
    oid = reader.oid(_BROKEN)
    members = reader.inside(der.SET, _BROKEN)
    values = []
    while not members.empty:
        values.append(members.any(_BROKEN))
    return oid, values, not reader.empty


def _extensions(value: der.Element, quirks: list[Quirk]) -> list[Extension]:
    sequence = der.Reader(value.raw).inside(der.SEQUENCE, _BROKEN)
    extensions = []
    while not sequence.empty:
        inner = sequence.inside(der.SEQUENCE, _BROKEN)
        oid = inner.oid(_BROKEN)
        stated = inner.peek(der.BOOLEAN)
        critical = inner.boolean(_BROKEN) if stated else False
        extensions.append(Extension(oid, critical, inner.body(der.OCTET_STRING, _BROKEN)))
        if stated and not critical:
            quirks.append(
                quirk(QuirkCode.DER_NOT_CANONICAL, f"extension {oid} spells out its default")
            )
        if not inner.empty:
            quirks.append(quirk(QuirkCode.EXTRA_ELEMENTS, f"a fourth element in extension {oid}"))
    return extensions


def _extension_quirks(extension: Extension) -> Iterator[Quirk]:
    if extension.oid != SUBJECT_ALT_NAME:
        yield quirk(QuirkCode.EXTENSION, f"asks for extension {extension.oid}")
        return
    if extension.critical:
        yield quirk(QuirkCode.EXTENSION, "the subject alternative names are critical")
    spelling = deviation(extension.value)
    if spelling:
        yield quirk(QuirkCode.DER_NOT_CANONICAL, f"in the alternative names: {spelling}")


def _name_quirks(names: SubjectAltNames) -> Iterator[Quirk]:
    if names.empty:
        yield quirk(QuirkCode.SAN_EMPTY, "the alternative names name nothing that Go reads")
    kinds = [*["rfc822Name"] * len(names.emails), *["URI"] * len(names.uris), *names.other_names]
    if kinds:
        yield quirk(QuirkCode.SAN_KIND, f"alternative names of other kinds: {', '.join(kinds)}")
    for address in names.ip_addresses:
        if unmapped(address) is not address:
            yield quirk(
                QuirkCode.SAN_MAPPED_ADDRESS,
                f"{address_text(address)} is written as an IPv6 address",
            )
    plain = [str(unmapped(address)) for address in names.ip_addresses]
    yield from _duplicates([*(name.lower() for name in names.dns_names), *plain])
    for name in names.dns_names:
        if not _HOST.fullmatch(name) or len(name) > 253 or parse_address(name) is not None:
            yield quirk(QuirkCode.SAN_TEXT, f"the DNS name {name!r} is not a valid host name")


def _duplicates(names: list[str]) -> Iterator[Quirk]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield quirk(QuirkCode.SAN_DUPLICATE, f"{name} is asked for twice")
        seen.add(name)
