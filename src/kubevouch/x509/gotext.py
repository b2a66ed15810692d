"""Texts, times and addresses as Go prints and parses them.

Operators compare kubevouch's output with metrics-server's log, so the texts must be exactly the
same. Sources: strconv/quote.go, net/ip.go, net/netip/netip.go, time/format.go.
"""

from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address

Address = IPv4Address | IPv6Address

_ESCAPES = {
    "\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v",
    '"': r"\"", "\\": r"\\",
}  # fmt: skip


def quote(text: str) -> str:
    """The text in quotes, like `%q` of Go's fmt.

    Bytes that are not UTF-8 must be lone surrogates in the text, as Python's error handler
    surrogateescape makes them.

    Python and Go may use different Unicode releases, so they may disagree on which of the newest
    characters are printable.
    """
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(map(_quoted, text)) + '"'


def printable(text: str) -> str:
    """The text, with an escape for every character that could affect a terminal.

    Texts in certificates may be hostile.
    """
    if text.isprintable():  # the usual case; a check of each character is slow
        return text
    return "".join(char if char.isprintable() else _quoted(char) for char in text)


def _quoted(char: str) -> str:
    code = ord(char)
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    if code < 0x80 or 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code & 0xFF:02x}"
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"  # an unpaired surrogate, which no Go string decodes to
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def utc_text(moment: datetime) -> str:
    """A moment in UTC in RFC 3339, without fractions of a second."""
    return f"{moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()}Z"


def parse_address(text: str) -> Address | None:
    """Parses an address as Go's net.ParseIP does. Returns None for other text and for zones."""
    if "%" in text:
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None


def unmapped(address: Address) -> Address:
    """The IPv4 address in an IPv4-mapped IPv6 address (::ffff:a.b.c.d); other addresses unchanged.

    Go treats both forms as equal.
    """
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped if mapped is not None else address


def address_text(address: Address) -> str:
    """The address as Go's net.IP.String writes it: IPv4-mapped addresses as IPv4, IPv6 as in RFC 5952."""
    return str(unmapped(address))
