"""Cases about reading one certificate: every field spoilt by hand, and whole certificates spoilt by dice."""

from collections.abc import Iterator

from real.oracle.asn1 import (
    FALSE,
    TRUE,
    bits,
    endless_tlv,
    explicit,
    ia5,
    implicit,
    integer,
    long_tlv,
    name,
    null,
    octets,
    oid,
    printable,
    seq,
    set_of,
    time,
    tlv,
    utf8,
)
from real.oracle.cases import Cases
from real.oracle.certificates import (
    NOW,
    SAN,
    YEAR,
    Authority,
    constraints,
    extension,
    leaf,
    san_value,
)
from real.oracle.dice import Dice
from real.oracle.keys import BareKey, ecdsa, ed, rsa

SPOILT = 50


def gather(cases: Cases, ca: Authority) -> None:
    for topic in (_names, _keys, _times, _extensions, _uris, _frames):
        for label, der in topic(ca):
            cases.add(f"read {topic.__name__[1:]}: {label}", der)
    _spoilt(cases, ca)


def _with(ca: Authority, **changed: object) -> bytes:
    made = leaf(ca, ecdsa("leaf"))
    for field, value in changed.items():
        setattr(made, field, value)
    return made.der()


def _names(ca: Authority) -> Iterator[tuple[str, bytes]]:
    def one(value: bytes, kind: str = "2.5.4.3", *more: bytes) -> bytes:
        return seq(set_of(seq(oid(kind), value, *more)))

    subjects = {
        "empty": name(),
        "all": name(
            ("C", "DE"),
            ("ST", "s"),
            ("L", "l"),
            ("STREET", "r"),
            ("POSTALCODE", "p"),
            ("O", "o"),
            ("OU", "u"),
            ("CN", "c"),
            ("SN", "n"),
        ),
        "many": name(
            ("O", "b"),
            ("O", "a"),
            ("OU", "x"),
            ("O", ""),
            ("CN", "one"),
            ("CN", "two"),
            ("SN", "1"),
            ("SN", ""),
        ),
        "joined": name([("CN", "a"), ("O", "b")], [("O", "c"), ("O", "d")]),
        "foreign": name(
            ("DC", "example"),
            ("DC", "com"),
            ("CN", "c"),
            ("1.2.3.4", "a*&b"),
            ("1.2.3.5", "\u00e9"),
        ),
        "escapes": name(
            ("CN", ' #a,b+c"d\\e<f>g;h=i '), ("O", "#x"), ("OU", " "), ("L", "\u00e9 ")
        ),
        "control": name(("CN", "a\0b\x1b[2Jc\n")),
        "latin": one(tlv(0x14, b"caf\xe9")),
        "bmp": one(tlv(0x1E, "caf\u00e9".encode("utf-16-be"))),
        "bmp-zero": one(tlv(0x1E, b"\0a\0\0")),
        "bmp-odd": one(tlv(0x1E, b"\0a\0")),
        "bmp-surrogate": one(tlv(0x1E, b"\xd8\x3d\xde\x00")),
        "bmp-fffe": one(tlv(0x1E, b"\xff\xfe")),
        "bmp-fdd0": one(tlv(0x1E, b"\xfd\xd0")),
        "universal": one(tlv(0x1C, b"\0\0\0a")),
        "general": one(tlv(0x1B, b"a")),
        "numeric": one(tlv(0x12, b"12 3")),
        "numeric-bad": one(tlv(0x12, b"12a")),
        "printable": one(printable("a*&b@"[:4])),
        "printable-bad": one(printable("a@b")),
        "ia5": one(ia5("a@b")),
        "ia5-bad": one(tlv(0x16, b"\xe9")),
        "utf8-bad": one(tlv(0x0C, b"\xff")),
        "utf8-overlong": one(tlv(0x0C, b"\xc0\x80")),
        "utf8-surrogate": one(tlv(0x0C, b"\xed\xa0\x80")),
        "number": one(integer(5)),
        "constructed": one(tlv(0x2C, utf8("a"))),
        "third": one(utf8("a"), "2.5.4.3", null()),
        "no-value": seq(set_of(seq(oid("2.5.4.3")))),
        "no-oid": seq(set_of(seq(utf8("a")))),
        "not-a-set": seq(seq(seq(oid("2.5.4.3"), utf8("a")))),
        "not-a-pair": seq(set_of(oid("2.5.4.3"))),
        "empty-set": seq(set_of()),
        "not-a-sequence": set_of(),
        "oid-long-arc": seq(set_of(seq(tlv(6, b"\x55\x8f\xff\xff\xff\x7f"), utf8("a")))),
        "oid-too-long-arc": seq(set_of(seq(tlv(6, b"\x55\x90\x80\x80\x80\x00"), utf8("a")))),
        "oid-padded": seq(set_of(seq(tlv(6, b"\x55\x80\x03"), utf8("a")))),
        "oid-cut": seq(set_of(seq(tlv(6, b"\x55\x83"), utf8("a")))),
        "oid-empty": seq(set_of(seq(tlv(6), utf8("a")))),
        "oid-2.999": seq(set_of(seq(oid("2.999.1"), utf8("a")))),
    }
    for label, subject in subjects.items():
        yield label, _with(ca, subject=subject)
    yield "issuer", _with(ca, issuer=name(("CN", "somebody"), ("O", "else")))


def _keys(ca: Authority) -> Iterator[tuple[str, bytes]]:
    rsa_oid, ec_oid, ed_oid = (
        oid("1.2.840.113549.1.1.1"),
        oid("1.2.840.10045.2.1"),
        oid("1.3.101.112"),
    )
    p256 = oid("1.2.840.10045.3.1.7")
    point = ecdsa("leaf").private.public_key().public_numbers()
    whole = b"\4" + point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")
    squeezed = bytes([2 + point.y % 2]) + point.x.to_bytes(32, "big")
    modulus = integer(rsa("cluster").modulus)
    infos = {
        "p224": ecdsa("p224", "P-224").spki,
        "p384": ecdsa("p384", "P-384").spki,
        "p521": ecdsa("p521", "P-521").spki,
        "secp256k1": ecdsa("k1", "secp256k1").spki,
        "ed25519": ed("ed").spki,
        "rsa": rsa("cluster").spki,
        "rsa512": rsa("tiny", 512).spki,
        "rsa-no-null": seq(seq(rsa_oid), bits(seq(modulus, integer(65537)))),
        "rsa-other-null": seq(seq(rsa_oid, integer(0)), bits(seq(modulus, integer(65537)))),
        "rsa-negative": seq(seq(rsa_oid, null()), bits(seq(integer(-5), integer(65537)))),
        "rsa-zero": seq(seq(rsa_oid, null()), bits(seq(integer(0), integer(65537)))),
        "rsa-exponent-0": seq(seq(rsa_oid, null()), bits(seq(modulus, integer(0)))),
        "rsa-exponent-negative": seq(seq(rsa_oid, null()), bits(seq(modulus, integer(-3)))),
        "rsa-exponent-huge": seq(seq(rsa_oid, null()), bits(seq(modulus, integer(1 << 64)))),
        "rsa-exponent-padded": seq(seq(rsa_oid, null()), bits(seq(modulus, tlv(2, b"\0\3")))),
        "rsa-no-exponent": seq(seq(rsa_oid, null()), bits(seq(modulus))),
        "rsa-third-number": seq(seq(rsa_oid, null()), bits(seq(modulus, integer(3), integer(1)))),
        "rsa-no-sequence": seq(seq(rsa_oid, null()), bits(b"")),
        "rsa-16385": seq(seq(rsa_oid, null()), bits(seq(integer(1 << 16384 | 1), integer(3)))),
        "ec-compressed": seq(seq(ec_oid, p256), bits(squeezed)),
        "ec-off-curve": seq(seq(ec_oid, p256), bits(whole[:-1] + bytes([whole[-1] ^ 1]))),
        "ec-infinity": seq(seq(ec_oid, p256), bits(b"\0")),
        "ec-short": seq(seq(ec_oid, p256), bits(whole[:-1])),
        "ec-long": seq(seq(ec_oid, p256), bits(whole + b"\0")),
        "ec-hybrid": seq(seq(ec_oid, p256), bits(bytes([6 + point.y % 2]) + whole[1:])),
        "ec-empty": seq(seq(ec_oid, p256), bits(b"")),
        "ec-no-curve": seq(seq(ec_oid), bits(whole)),
        "ec-null-curve": seq(seq(ec_oid, null()), bits(whole)),
        "ec-explicit": seq(seq(ec_oid, seq(integer(1))), bits(whole)),
        "ec-more": seq(seq(ec_oid, p256, null()), bits(whole), null()),
        "ec-padding": seq(seq(ec_oid, p256), tlv(3, b"\1" + whole[:-1] + b"\0")),
        "ed-null": seq(seq(ed_oid, null()), bits(bytes(32))),
        "ed-short": seq(seq(ed_oid), bits(bytes(31))),
        "unknown": seq(seq(oid("1.2.3.4"), null()), bits(b"anything")),
        "no-bits": seq(seq(ed_oid)),
        "bits-empty": seq(seq(ed_oid), tlv(3)),
        "bits-padding-8": seq(seq(ed_oid), tlv(3, b"\x08\0")),
        "bits-padding-set": seq(seq(ed_oid), tlv(3, b"\1\1")),
        "bits-padding-alone": seq(seq(ed_oid), tlv(3, b"\1")),
        "no-algorithm": seq(bits(b"")),
        "algorithm-empty": seq(seq(), bits(b"")),
        "not-a-sequence": set_of(),
    }
    for label, spki in infos.items():
        yield label, _with(ca, key=BareKey(spki))


def _times(ca: Authority) -> Iterator[tuple[str, bytes]]:
    texts = (
        (0x17, b"261124120000Z"), (0x17, b"2611241200Z"), (0x17, b"261124120000+0000"), (0x17, b"261124120000-0000"),
        (0x17, b"261124120000+0100"), (0x17, b"261124120000+2400"), (0x17, b"261124120000+2459"), (0x17, b"261124120000+2500"),
        (0x17, b"261124120000+0060"), (0x17, b"261124120000"), (0x17, b"26112412000Z"), (0x17, b"261124120000.5Z"),
        (0x17, b"261324120000Z"), (0x17, b"260230120000Z"), (0x17, b"261124240000Z"), (0x17, b"261124126000Z"),
        (0x17, b"261124120060Z"), (0x17, b"261124120000z"), (0x17, b"261124120000ZZ"), (0x17, b""), (0x17, b"2611241200+0130"),
        (0x17, b"520229000000Z"), (0x17, b"510229000000Z"), (0x17, b"690101000000Z"), (0x17, b"491231235959Z"),
        (0x17, b" 61124120000Z"), (0x17, "\uff12\uff1661124120000Z".encode()),
        (0x18, b"20261124120000Z"), (0x18, b"202611241200Z"), (0x18, b"20261124120000.5Z"), (0x18, b"20261124120000+0100"),
        (0x18, b"00010101000000Z"), (0x18, b"99991231235959Z"), (0x18, b"21000229000000Z"), (0x18, b"20261124120000"),
        (0x18, b"1026112412000Z"), (0x18, b"00000101000000Z"), (0x18, b"99991231235959-0100"), (0x16, b"261124120000Z"), (0x04, b"261124120000Z"),
    )  # fmt: skip
    for tag, text in texts:
        yield f"{tag:#x} {text!r}", _with(ca, not_after=tlv(tag, text))
    yield "none", _with(ca, not_after=b"")
    yield "a third", _with(ca, not_after=time(NOW) + time(NOW + YEAR))


def _extensions(ca: Authority) -> Iterator[tuple[str, bytes]]:
    values: dict[str, tuple[str, list[bytes]]] = {
        "key usage": ("2.5.29.15", [tlv(3, b"\0"), tlv(3, b"\7\x80"), tlv(3, b"\0\xff\xff"), tlv(3, b"\0\0"), tlv(3), octets(b""), b"", tlv(3, b"\5\xff"), tlv(3, b"\5\xa0") + null()]),
        "basic": ("2.5.29.19", [seq(), seq(TRUE), seq(FALSE), seq(tlv(1, b"\1")), seq(integer(3)), seq(TRUE, integer(-1)), seq(TRUE, integer(1 << 62)), seq(TRUE, integer(1 << 63)), seq(TRUE, integer(0), null()), null(), b"", seq(null())]),
        "san": (SAN, [
            seq(), seq() + null(), null(), san_value([], ["10.0.0.5"]), seq(implicit(7, b"\1\2\3")), seq(implicit(7, bytes(5))), seq(implicit(7, b"")),
            seq(implicit(7, bytes(10) + b"\xff\xff\1\2\3\4")), seq(implicit(2, b"\xe9")), seq(implicit(2, b"a\0b")), seq(implicit(1, b"\xff")), seq(tlv(0xA2, utf8("a"))),
            seq(tlv(0xA0, oid("1.2.3"), explicit(0, utf8("x"))), implicit(8, b"\x2a"), tlv(0xA4, name(("CN", "x"))), tlv(0xA3, null()), tlv(0xA5, null()), tlv(0x8E, b"x")),
            seq(tlv(0x9F, b"\1x")), seq(implicit(2, b"a") + b"\x82"), seq(implicit(2, b"a"), implicit(7, bytes(4)), implicit(2, b"b"), implicit(7, bytes(16)), implicit(1, b"m")),
        ]),
        "policies": ("2.5.29.32", [seq(seq(oid("1.2.3")))]),
        "mappings": ("2.5.29.33", [seq(seq(oid("1.2.3"), oid("1.2.4")))]),
        "policy constraints": ("2.5.29.36", [seq(implicit(0, b"\0"))]),
        "inhibit any": ("2.5.29.54", [integer(0)]),
        "crl points": ("2.5.29.31", [seq(seq(explicit(0, explicit(0, implicit(6, b"http://x")))))]),
        "constraints": ("2.5.29.30", [seq(), seq(explicit(0)), seq(explicit(0), explicit(1)), seq(explicit(2, null())), seq(explicit(1, seq(implicit(2, b"a"))), explicit(0, seq(implicit(2, b"b")))), null(), seq(explicit(0, seq(implicit(2, b"a")))) + null()]),
        "usages": ("2.5.29.37", [seq(), seq(oid("1.2.3"), oid("2.5.29.37.0")), seq(null()), null(), seq(oid("1.3.6.1.5.5.7.3.1"), oid("1.3.6.1.5.5.7.3.1")), seq(tlv(6, b"\x80"))]),
        "subject key": ("2.5.29.14", [octets(b""), octets(b"abc"), null(), octets(b"a") + null()]),
        "authority key": ("2.5.29.35", [seq(), seq(implicit(0, b"abc")), seq(implicit(1, b"abc")), seq(explicit(1, null()), implicit(2, b"\1")), null(), seq(implicit(0, b"a"), implicit(2, b"\1"))]),
        "unknown": ("1.2.3.4", [b"", b"\xff"]),
        "unknown 2.5.29": ("2.5.29.99", [b""]),
    }  # fmt: skip
    for label, (kind, bodies) in values.items():
        for number, value in enumerate(bodies):
            yield f"{label} {number}", _with(ca, extensions=[extension(kind, value)])
            yield (
                f"{label} {number}, critical",
                _with(ca, extensions=[extension(kind, value, critical=True)]),
            )
    yield from _constraint_values(ca)
    shapes = {
        "default critical": seq(oid("1.2.3"), FALSE, octets(b"")),
        "odd critical": seq(oid("1.2.3"), tlv(1, b"\1"), octets(b"")),
        "long critical": seq(oid("1.2.3"), tlv(1, b"\xff\xff"), octets(b"")),
        "no value": seq(oid("1.2.3")),
        "no octets": seq(oid("1.2.3"), null()),
        "more": seq(oid("1.2.3"), octets(b""), null()),
        "no oid": seq(octets(b"")),
        "not a sequence": null(),
        "two alike": extension("1.2.3", b"a") + extension("1.2.3", b"b"),
    }
    for label, shape in shapes.items():
        yield f"shape {label}", _with(ca, extensions=[shape])


def _constraint_values(ca: Authority) -> Iterator[tuple[str, bytes]]:
    bases = {
        2: (b"", b".", b"a.", b"..a", b".a", b"a..b", b"a b", b"\xe9", b"*.a", b"A_b", b"a\x00"),
        7: (bytes(8), bytes(32), bytes(4), b"\1\2\3\4\xff\xff\xff\0", b"\1\2\3\4\xff\0\xff\0", b"\1\2\3\4\xff\xff\xff\1", bytes(16) + b"\xff" * 16),
        1: (b"a@b", b"b.c", b".b", b"\xff@a", b"a b"),
        6: (b"a.b", b".a", b"10.0.0.5", b"a:1", b"::1", b"\xff", b"", b"a b"),
    }  # fmt: skip
    for number, bodies in bases.items():
        for body in bodies:
            yield (
                f"constraint {number} {body!r}",
                _with(ca, extensions=[constraints([implicit(number, body)])]),
            )


def _uris(ca: Authority) -> Iterator[tuple[str, bytes]]:
    for text in (
        "spiffe://cluster.local/ns/a/sa/b", "https://example.com", "https://example.com:8443/x?y#z", "HTTP://EXAMPLE.com", "urn:a:b", "mailto:a@b",
        "", "*", ":", ":a", "1:a", "a", "a/b:c", "a:b/c", "/a:b", "//host/x", "///x", "http:///x", "http://", "http://a b", "http://a%20b", "http://a%41",
        "http://%c3%a9", "http://a%2", "http://x/%zz", "http://x/%", "http://x/%2", "http://x/#%zz", "http://x/?%zz", "http://u:p@h/", "http://u@v@h/", "http://u v@h/",
        "http://u%zz@h/", "http://[::1]/", "http://[::1]:80/", "http://[::1]:x/", "http://[::1/", "http://a[::1]/", "http://[1.2.3.4]/", "http://[fe80::1%25en0]/", "http://[x]/",
        "http://h:80/", "http://h:/", "http://h:x/", "http://h:1:2/", "postgres://h:1,i:2/", "http://h.", "http://h..i", "http://.h", "http://h_", "http://h\"<>", "http://h|", "http://h\\",
        "http://a\x7f", "http://a\x01", "a b", "a\tb", "http://h?x", "http://h#x", "http://h\u00e9",
    ):  # fmt: skip
        yield repr(text), _with(ca, extensions=[extension(SAN, seq(implicit(6, text.encode())))])


def _frames(ca: Authority) -> Iterator[tuple[str, bytes]]:
    """What surrounds the fields: versions, serials, tails, lengths."""
    good = leaf(ca, ecdsa("leaf")).der()
    for label, serial in (("zero", 0), ("negative", -1), ("huge", 1 << 200)):
        yield f"serial {label}", _with(ca, serial=serial)
    for version in (1, 2, 4, 5):
        yield f"version {version}", _with(ca, version=version)
    yield "version 0", _with(ca, version=0)
    yield "no extensions", _with(ca, extensions=[])
    yield "trailing", good + b"\0"
    yield "empty", b""
    yield "cut", good[:-1]
    yield "twice", good + good
    yield "endless", endless_tlv(0x30, good[4:])
    yield "long length", long_tlv(0x30, good[4:])
    yield "other tag", b"\x31" + good[1:]
    yield "high tag", b"\x3f\x10" + good[1:]
    issuer, subject = name(("CN", "kubernetes")), name(("CN", "w1"))
    algorithm = seq(oid("1.2.840.10045.4.3.2"))
    validity = seq(time(NOW), time(NOW + YEAR))
    key = ecdsa("leaf").spki
    fields = [explicit(0, integer(2)), integer(1), algorithm, issuer, validity, subject, key]
    signature = bits(b"x")
    yield "nothing left out", seq(seq(*fields), algorithm, signature)
    for number in range(len(fields)):
        kept = fields[:number] + fields[number + 1 :]
        yield f"without field {number}", seq(seq(*kept), algorithm, signature)
    yield (
        "unique ids",
        seq(seq(*fields, implicit(1, b"\0x"), implicit(2, b"\0y")), algorithm, signature),
    )
    yield "constructed unique ids", seq(seq(*fields, explicit(1, bits(b"x"))), algorithm, signature)
    yield (
        "more in the version",
        seq(seq(explicit(0, integer(2), null()), *fields[1:]), algorithm, signature),
    )
    yield "more after all", seq(seq(*fields), algorithm, signature, null())
    yield "more in the body", seq(seq(*fields, null()), algorithm, signature)
    yield "extensions not a list", seq(seq(*fields, explicit(3, null())), algorithm, signature)
    yield "two extension lists", seq(seq(*fields, explicit(3, seq(), seq())), algorithm, signature)
    yield "no signature", seq(seq(*fields), algorithm)
    yield "padded signature", seq(seq(*fields), algorithm, tlv(3, b"\4\xf0"))
    yield "algorithms differ", seq(seq(*fields), seq(oid("1.2.3")), signature)
    yield "empty algorithm", seq(seq(*fields[:2], seq(), *fields[3:]), seq(), signature)
    broken = seq(oid("1.2.3"), b"\x05\x01")
    yield "broken parameters", seq(seq(*fields[:2], broken, *fields[3:]), broken, signature)


def _spoilt(cases: Cases, ca: Authority) -> None:
    """Bits turned, bytes lost, doubled and swapped."""
    good = [leaf(ca, ecdsa("leaf")).der(), leaf(ca, ed("ed"), dns=["a", "b"]).der()]
    for number in range(SPOILT):
        dice = Dice(f"spoilt {number}")
        der = bytearray(dice.of(good))
        for _ in range(1 + dice.below(2)):
            _spoil(dice, der)
        cases.add(f"read spoilt: {number}", bytes(der))


def _spoil(dice: Dice, der: bytearray) -> None:
    at = dice.below(len(der))
    match dice.below(5):
        case 0 | 1:
            der[at] ^= 1 << dice.below(8)
        case 2:
            der[at] = dice.below(256)
        case 3:
            del der[at : at + 1 + dice.below(3)]
        case _:
            der[at:at] = der[at : at + 1 + dice.below(4)]
