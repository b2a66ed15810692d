"""DER, written; and BER where a case wants bytes that no encoder would write."""

from datetime import datetime


def tlv(tag: int, *contents: bytes) -> bytes:
    """One element with its shortest length."""
    body = b"".join(contents)
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 128 + len(octets)]) + octets + body


def long_tlv(tag: int, *contents: bytes) -> bytes:
    """BER: the length takes four octets although fewer would do."""
    body = b"".join(contents)
    return bytes([tag, 0x84]) + len(body).to_bytes(4, "big") + body


def endless_tlv(tag: int, *contents: bytes) -> bytes:
    """BER: no length at all, two zero octets at the end."""
    return bytes([tag, 0x80]) + b"".join(contents) + b"\0\0"


def seq(*contents: bytes) -> bytes:
    return tlv(0x30, *contents)


def set_of(*contents: bytes) -> bytes:
    return tlv(0x31, *contents)


def integer(value: int) -> bytes:
    return tlv(
        0x02,
        value.to_bytes((value if value >= 0 else ~value).bit_length() // 8 + 1, "big", signed=True),
    )


TRUE = bytes((0x01, 1, 0xFF))
FALSE = bytes((0x01, 1, 0))


def null() -> bytes:
    return tlv(0x05)


def octets(*contents: bytes) -> bytes:
    return tlv(0x04, *contents)


def bits(body: bytes, unused: int = 0) -> bytes:
    return tlv(0x03, bytes([unused]), body)


def named_bits(*numbers: int) -> bytes:
    """A BIT STRING with these bits set, as short as it can be."""
    if not numbers:
        return bits(b"")
    last = max(numbers)
    value = sum(1 << (last - number) for number in numbers)
    unused = 7 - last % 8
    return bits((value << unused).to_bytes(last // 8 + 1, "big"), unused)


def oid_body(text: str) -> bytes:
    first, second, *others = map(int, text.split("."))
    body = b""
    for arc in (40 * first + second, *others):
        groups = [arc & 127]
        while arc := arc >> 7:
            groups.insert(0, arc & 127 | 128)
        body += bytes(groups)
    return body


def oid(text: str) -> bytes:
    return tlv(0x06, oid_body(text))


def utf8(text: str) -> bytes:
    return tlv(0x0C, text.encode())


def printable(text: str) -> bytes:
    return tlv(0x13, text.encode())


def ia5(text: str) -> bytes:
    return tlv(0x16, text.encode())


def time(moment: datetime) -> bytes:
    """As RFC 5280 wants it: two digits of the year through 2049."""
    text = f"{moment:%Y%m%d%H%M%S}Z".encode()
    return tlv(0x17, text[2:]) if 1950 <= moment.year < 2050 else tlv(0x18, text)


def implicit(number: int, *contents: bytes) -> bytes:
    return tlv(0x80 + number, *contents)


def explicit(number: int, *contents: bytes) -> bytes:
    return tlv(0xA0 + number, *contents)


def name(*attributes: tuple[str, str] | list[tuple[str, str]]) -> bytes:
    """A name in UTF-8; a list of pairs shares a relative name."""
    rdns = []
    for attribute in attributes:
        pairs = attribute if isinstance(attribute, list) else [attribute]
        rdns.append(set_of(*(seq(oid(SHORT.get(kind, kind)), utf8(text)) for kind, text in pairs)))
    return seq(*rdns)


SHORT = {
    "CN": "2.5.4.3",
    "SN": "2.5.4.5",
    "C": "2.5.4.6",
    "L": "2.5.4.7",
    "ST": "2.5.4.8",
    "STREET": "2.5.4.9",
    "O": "2.5.4.10",
    "OU": "2.5.4.11",
    "POSTALCODE": "2.5.4.17",
    "DC": "0.9.2342.19200300.100.1.25",
}
