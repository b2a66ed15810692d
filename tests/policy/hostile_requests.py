"""Signing requests of worker-1 in which much is as a kubelet writes it, and some things are not, by the fall of dice.

They are built from DER by `real.oracle`, not by the code under test, and signed after they were spoilt, so that what is
strange in them is not hidden behind a broken signature. PEM is spoilt in ways that make two readers see two things.
"""

from base64 import b64encode
from collections.abc import Callable

from real.oracle.asn1 import (
    endless_tlv,
    explicit,
    ia5,
    implicit,
    long_tlv,
    null,
    octets,
    oid,
    printable,
    seq,
    set_of,
    tlv,
    utf8,
)
from real.oracle.certificates import (
    EXTENSION_REQUEST,
    MICROSOFT_EXTENSIONS,
    SAN,
    Request,
    asks_for,
    attribute,
    basic,
    challenge,
    dns_name,
    extension,
    ip_name,
    key_usage,
    usages,
)
from real.oracle.dice import Dice
from real.oracle.keys import Key, ecdsa, ed

from .conftest import ADDRESS, NODE

KEY = ecdsa("hostile")
_NAMES = (
    "kubernetes.default.svc", "kubernetes", "worker-2.example.com", "worker-1", NODE.upper(), f"{NODE}.", f"{NODE}\0.evil",
    f".{NODE}", "*.example.com", "", "localhost", "192.168.88.111", "xn--wrker-1-q1a.example.com", "b\u00fccher",
    f"{NODE},kubernetes", f"{NODE} ", f"{NODE}\n", "x" * 300,
)  # fmt: skip
_ADDRESSES = ("192.168.88.113", "192.168.88.111", "10.96.0.1", "127.0.0.1", "::1", "fd00::112")
_MAPPED = bytes(10) + b"\xff\xff" + bytes((192, 168, 88, 112))

_NAMES_OF_OTHERS = (
    *map(dns_name, ("kubernetes.default.svc", "kubernetes", "worker-2.example.com", "worker-1")),
    *map(ip_name, _ADDRESSES),
)
_GOOD_NAMES = (dns_name(NODE), ip_name(ADDRESS))
_ODD_NAMES = (
    *map(dns_name, _NAMES),
    *map(ip_name, _ADDRESSES),
    implicit(7, _MAPPED),
    implicit(1, b"root@example.com"),
    implicit(6, b"spiffe://cluster.local/x"),
    tlv(0xA0, oid("1.3.6.1.4.1.311.20.2.3"), explicit(0, utf8("kubernetes"))),
    tlv(0xA2, ia5("kubernetes")),
    tlv(0xA2, dns_name("kubernetes")),
    long_tlv(0x82, NODE.encode()),
    implicit(8, b"\x2a\3"),
    implicit(14, b"x"),
    null(),
)
_OTHER_EXTENSIONS = (
    key_usage(0),
    usages("1.3.6.1.5.5.7.3.1"),
    basic(ca=True),
    extension("1.2.3.4", b"x"),
    extension("2.5.29.18", seq(dns_name("kubernetes"))),
)


def _rdn(kind: str, value: bytes) -> bytes:
    return set_of(seq(oid(kind), value))


_ORGANIZATION = _rdn("2.5.4.10", printable("system:nodes"))
_COMMON_NAME = _rdn("2.5.4.3", printable(f"system:node:{NODE}"))
_ANOTHER = _rdn("2.5.4.3", printable("system:node:worker-2"))
_SUBJECT = seq(_ORGANIZATION, _COMMON_NAME)
_ODD_SUBJECTS = (
    seq(_COMMON_NAME, _ORGANIZATION),
    seq(_ORGANIZATION),
    seq(_COMMON_NAME),
    seq(_ORGANIZATION, _ANOTHER),
    seq(_ORGANIZATION, _COMMON_NAME, _ANOTHER),
    seq(_ANOTHER, _ORGANIZATION, _COMMON_NAME),
    seq(_ORGANIZATION, _rdn("2.5.4.10", printable("system:masters")), _COMMON_NAME),
    seq(_rdn("2.5.4.10", printable("system:masters")), _COMMON_NAME),
    seq(_ORGANIZATION, _rdn("2.5.4.3", utf8(f"system:node:{NODE}\0"))),
    seq(_ORGANIZATION, _rdn("2.5.4.3", tlv(0x14, f"system:node:{NODE}".encode()))),
    seq(set_of(_ORGANIZATION[2:], _COMMON_NAME[2:])),
    long_tlv(0x30, _ORGANIZATION, _COMMON_NAME),
    null(),
)


def hostile_pem(dice: Dice) -> bytes:
    """What a CSR's spec.request may hold: a request, in most cases as one canonical block."""
    der = _der(dice)
    pem = dice.of(_spellings(der)) if dice.one_in(10) else _block(der)
    return _changed(pem, dice) if dice.one_in(25) else pem


def _der(dice: Dice) -> bytes:
    """DER of a request; its signature is valid, save in a few."""
    keys: tuple[Key, ...] = (ed("hostile"), ecdsa("hostile", "P-384"))
    key = dice.of(keys) if dice.one_in(40) else KEY
    request = Request(
        key,
        dice.of(_ODD_SUBJECTS) if dice.one_in(12) else _SUBJECT,
        _attributes(dice),
        version=int(dice.one_in(60)),
        info_tail=_SECOND_ATTRIBUTES if dice.one_in(60) else b"",
        tail=null() if dice.one_in(60) else b"",
        spki=ecdsa("somebody else").spki if dice.one_in(60) else b"",
    )
    info = request.info()
    return request.signed(_changed(info, dice) if dice.one_in(10) else info)


def _attributes(dice: Dice) -> list[bytes]:
    """One extension request as a kubelet has it, in most cases; else several, in two dialects, or with several values."""
    extensions = [_san(dice)]
    if dice.one_in(20):
        extensions.insert(dice.below(2), dice.of(_OTHER_EXTENSIONS))
    asked = asks_for(*extensions)
    if not dice.one_in(6):
        return [asked]
    also = _san(dice)
    return dice.of(
        (
            [asks_for(also, kind=MICROSOFT_EXTENSIONS), asked],
            [asked, asks_for(also, kind=MICROSOFT_EXTENSIONS)],
            [asked, asks_for(also)],
            [asked, asks_for()],
            [asks_for(), asked],
            [challenge("x"), asked],
            [attribute(EXTENSION_REQUEST, seq(*extensions), seq(also))],
            [attribute(EXTENSION_REQUEST, seq(also), seq(*extensions))],
            [attribute(EXTENSION_REQUEST)],
            [asks_for(*extensions, also)],
            [long_tlv(0x30, oid(EXTENSION_REQUEST), set_of(seq(*extensions)))],
            [],
        )
    )


def _san(dice: Dice) -> bytes:
    """The subject alternative names: as a kubelet writes them, then with some added, doubled or moved."""
    names = list(_GOOD_NAMES[dice.below(2) :]) if dice.one_in(4) else list(_GOOD_NAMES)
    while dice.one_in(2):
        names.insert(dice.below(len(names) + 1), _odd_name(dice))
    value = _sequence(dice)(*names)
    if dice.one_in(30):
        value += dice.of((null(), b"\0", dns_name("kubernetes")))
    if not dice.one_in(15):
        return extension(SAN, value)
    return dice.of(
        (
            extension(SAN, value, critical=True),
            seq(oid(SAN), tlv(1, b"\0"), octets(value)),
            seq(oid(SAN), octets(value), null()),
            seq(oid(SAN), long_tlv(0x04, value)),
            seq(oid(SAN), tlv(0x24, octets(value[:5]), octets(value[5:]))),
            long_tlv(0x30, oid(SAN), octets(value)),
        )
    )


def _odd_name(dice: Dice) -> bytes:
    """The name of somebody else in half of the cases; else one that cannot be, or bytes."""
    if dice.one_in(2):
        return dice.of(_NAMES_OF_OTHERS)
    if not dice.one_in(4):
        return dice.of(_ODD_NAMES)
    return implicit(dice.of((2, 7)), bytes(dice.below(256) for _ in range(dice.below(18))))


def _sequence(dice: Dice) -> Callable[..., bytes]:
    if not dice.one_in(30):
        return seq
    return dice.of((lambda *p: long_tlv(0x30, *p), lambda *p: endless_tlv(0x30, *p)))


_SECOND_ATTRIBUTES = explicit(0, asks_for(extension(SAN, seq(dns_name("kubernetes")))))


def _changed(body: bytes, dice: Dice) -> bytes:
    """One to three of its bytes changed."""
    made = bytearray(body)
    for _ in range(1 + dice.below(3)):
        made[dice.below(len(made))] = dice.below(256)
    return bytes(made)


def _block(
    der: bytes, *, label: str = "CERTIFICATE REQUEST", width: int = 64, end: str = "\n"
) -> bytes:
    text = b64encode(der).decode()
    lines = [text[at : at + width] for at in range(0, len(text), width)]
    return (end.join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----")) + end).encode()


_LIE = Request(KEY, _SUBJECT, [asks_for(extension(SAN, seq(dns_name("kubernetes"))))]).der()


def _spellings(der: bytes) -> list[bytes]:
    """PEM with this request in it, and with other things around it."""
    good, lie = _block(der), _block(_LIE)
    return [
        _block(der, width=76),
        _block(der, end="\r\n"),
        _block(der, label="NEW CERTIFICATE REQUEST"),
        good + lie,
        lie + good,
        b"  " + good,
        b"".join(b" " + line for line in good.splitlines(keepends=True)) + lie,
        b"text\n" + good,
        good + b"text",
        good.replace(b"-----\n", b"-----\nA: b\n\n", 1),
        good.replace(b"-----END", b"-----END X-----\n-----END"),
        b"-----BEGIN CERTIFICATE REQUEST-----\n" + good,
        good.replace(b"=\n-----END", b"\n-----END"),
        good[:-1],
        _block(der + b"\0"),
        _block(der + _LIE),
    ]
