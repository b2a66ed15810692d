"""Cases about signing requests: what a kubelet sends, and every way known to make two readers see two things."""

from base64 import b64encode
from collections.abc import Iterator

from real.oracle.asn1 import (
    FALSE,
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
    tlv,
    utf8,
)
from real.oracle.cases import Cases
from real.oracle.certificates import (
    EXTENSION_REQUEST,
    MICROSOFT_EXTENSIONS,
    SAN,
    Request,
    asks_for,
    attribute,
    basic,
    challenge,
    extension,
    key_usage,
    san_value,
    usages,
)
from real.oracle.dice import Dice
from real.oracle.keys import BareKey, Key, ecdsa, ed, pss_algorithm, rsa

SPOILT = 25

KEY = ecdsa("request")
NODE = san_value(["w1", "w1.example.com"], ["192.168.88.112", "fd00::112"])
LIE = san_value(["kubernetes.default.svc"], ["10.96.0.1"])
ASKED = asks_for(extension(SAN, NODE))
SUBJECT = seq(
    set_of(seq(oid("2.5.4.10"), printable("system:nodes"))),
    set_of(seq(oid("2.5.4.3"), printable("system:node:w1"))),
)


def block(
    der: bytes, label: str = "CERTIFICATE REQUEST", *, width: int = 64, end: str = "\n"
) -> bytes:
    """A PEM block; as Go writes it unless told otherwise."""
    text = b64encode(der).decode()
    lines = [text[at : at + width] for at in range(0, len(text), width)]
    return (end.join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----")) + end).encode()


def request(**changed: object) -> bytes:
    """The DER of a kubelet's request, with these fields changed."""
    made = Request(KEY, SUBJECT, [ASKED])
    for field, value in changed.items():
        setattr(made, field, value)
    return made.der()


def san_request(value: bytes, *, critical: bool = False) -> bytes:
    return request(attributes=[asks_for(extension(SAN, value, critical=critical))])


def gather(cases: Cases) -> None:
    for topic in (_good, _names, _attributes, _extensions, _subjects, _keys, _der):
        for label, der, quirks in topic():
            cases.request(f"{topic.__name__[1:]}: {label}", block(der), *quirks)
    for label, pem, quirks in _pem():
        cases.request(f"pem: {label}", pem, *quirks)
    _spoilt(cases)


Found = Iterator[tuple[str, bytes, tuple[str, ...]]]


def _good() -> Found:
    yield "a kubelet's", request(), ()
    yield "a kubelet's, for a client certificate", request(attributes=[]), ()
    yield "in UTF-8", request(subject=name(("O", "system:nodes"), ("CN", "system:node:w1"))), ()
    yield "CN before O", request(subject=name(("CN", "system:node:w1"), ("O", "system:nodes"))), ()
    yield (
        "addresses before names",
        san_request(seq(implicit(7, b"\x0a\0\0\5"), implicit(2, b"w1"))),
        (),
    )
    yield "only an address", san_request(san_value((), ["10.0.0.5"])), ()
    yield "only a name", san_request(san_value(["w1"])), ()
    yield "upper case and underscore", san_request(san_value(["W_1.Example.com"])), ()
    keys: dict[str, tuple[Key, str]] = {
        "P-384": (ecdsa("r384", "P-384"), "SHA384"),
        "P-521": (ecdsa("r521", "P-521"), "SHA512"),
        "RSA 2048": (rsa("cluster"), "SHA256"),
        "Ed25519": (ed("request"), ""),
    }
    for label, (key, scheme) in keys.items():
        yield f"key {label}", request(key=key, scheme=scheme), ()


def _names() -> Found:
    otherwise = tlv(0xA0, oid("1.3.6.1.4.1.311.20.2.3"), explicit(0, utf8("x")))
    for label, extra in {
        "e-mail": implicit(1, b"root@example.com"),
        "URI": implicit(6, b"spiffe://cluster.local/x"),
        "otherName": otherwise,
        "directoryName": tlv(0xA4, name(("CN", "x"))),
        "registeredID": implicit(8, b"\x2a\3"),
        "x400Address": tlv(0xA3, null()),
        "ediPartyName": tlv(0xA5, null()),
        "a tag nobody knows": implicit(14, b"x"),
        "a constructed dNSName": tlv(0xA2, ia5("w1")),
    }.items():
        yield (
            f"{label} beside",
            san_request(san_value(["w1"], ["10.0.0.5"], [extra])),
            ("san-kind",),
        )
        yield f"{label} alone", san_request(seq(extra)), ("san-kind",)
    mapped = bytes(10) + b"\xff\xff\xc0\xa8\x58\x6f"
    yield "mapped address", san_request(seq(implicit(7, mapped))), ("san-mapped-address",)
    yield (
        "mapped address and the address itself",
        san_request(seq(implicit(7, mapped), implicit(7, mapped[12:]))),
        ("san-mapped-address", "san-duplicate"),
    )
    for length in (0, 1, 3, 5, 8, 15, 17, 32):
        yield f"address of {length} bytes", san_request(seq(implicit(7, bytes(length)))), ()
    for label, names in {
        "twice the same name": ["w1", "w1"],
        "twice the same name, upper case": ["w1", "W1"],
    }.items():
        yield label, san_request(san_value(names)), ("san-duplicate",)
    yield (
        "twice the same address",
        san_request(san_value((), ["10.0.0.5", "10.0.0.5"])),
        ("san-duplicate",),
    )
    for text in (
        "*.example.com", "*", "", ".", "w1.", ".w1", "w1..x", "a b", "a\0b", "w1\0.example.com", "10.0.0.5", "fd00::5", "w1:10250",
        "-w1", "w1-", "http://w1", "a" * 64, ".".join(["a" * 60] * 5), "w1\n", "\x1b[2J", "w1/x", "kubernetes,w1",
    ):  # fmt: skip
        yield (
            f"name {text[:30]!r} of {len(text)}",
            san_request(san_value([text, "w1.example.com"])),
            ("san-text",),
        )
    yield "name that is no ASCII", san_request(seq(implicit(2, "b\u00fccher".encode()))), ()
    yield "no name at all", san_request(seq()), ("san-empty",)
    yield "names that are no list", san_request(null()), ()
    yield "trailing data after the names", san_request(NODE + null()), ("der-not-canonical",)
    yield "critical names", san_request(NODE, critical=True), ("extension",)
    yield "many names", san_request(san_value([f"n{number}" for number in range(300)])), ("many",)
    yield (
        "many odd names",
        san_request(san_value([f"*{number}" for number in range(300)])),
        ("san-text",),
    )


def _attributes() -> Found:
    lie = asks_for(extension(SAN, LIE))
    decoy = asks_for(extension(SAN, san_value(["w2"])), kind=MICROSOFT_EXTENSIONS)
    two = ("attribute-count",)
    yield (
        "Microsoft's first, then the lie",
        request(attributes=[decoy, lie]),
        (*two, "attribute-kind"),
    )
    yield (
        "the lie first, then Microsoft's",
        request(attributes=[lie, decoy]),
        (*two, "attribute-kind"),
    )
    yield "Microsoft's alone", request(attributes=[decoy]), ("attribute-kind",)
    yield "two requests for names", request(attributes=[ASKED, lie]), ()
    yield (
        "two requests, names and usage",
        request(attributes=[ASKED, asks_for(key_usage(0))]),
        (*two, "extension"),
    )
    yield "two requests, the second empty", request(attributes=[ASKED, asks_for()]), two
    yield "a challenge password", request(attributes=[challenge("x")]), ("attribute-kind",)
    yield (
        "a challenge password beside",
        request(attributes=[challenge("x"), ASKED]),
        (*two, "attribute-kind"),
    )
    yield (
        "two values, the lie second",
        request(
            attributes=[
                attribute(EXTENSION_REQUEST, seq(extension(SAN, NODE)), seq(extension(SAN, LIE)))
            ]
        ),
        ("attribute-values",),
    )
    yield (
        "two values, the lie first",
        request(
            attributes=[
                attribute(EXTENSION_REQUEST, seq(extension(SAN, LIE)), seq(extension(SAN, NODE)))
            ]
        ),
        ("attribute-values",),
    )
    yield "no value", request(attributes=[attribute(EXTENSION_REQUEST)]), ("attribute-values",)
    yield "no extension in the file", request(attributes=[asks_for()]), ("attribute-values",)
    yield "a value that is no list", request(attributes=[attribute(EXTENSION_REQUEST, null())]), ()
    yield (
        "values that are no set",
        request(attributes=[seq(oid(EXTENSION_REQUEST), seq(seq()))]),
        ("attribute-kind",),
    )
    yield "no values", request(attributes=[seq(oid(EXTENSION_REQUEST))]), ("attribute-kind",)
    yield "an attribute that is none", request(attributes=[null()]), ("attribute-kind",)
    yield (
        "an attribute with more",
        request(
            attributes=[seq(oid(EXTENSION_REQUEST), set_of(seq(extension(SAN, NODE))), null())]
        ),
        ("extra-elements",),
    )
    yield "no attributes", request(bare_attributes=b""), ()
    yield "attributes in a plain set", request(bare_attributes=set_of(ASKED)), ()
    yield "attributes tagged [1]", request(bare_attributes=explicit(1, ASKED)), ()
    yield "attributes twice", request(info_tail=explicit(0, lie)), ("extra-elements",)


def _extensions() -> Found:
    for label, other in {
        "key usage": key_usage(0),
        "extended usage": usages("1.3.6.1.5.5.7.3.1"),
        "basic constraints": basic(ca=True),
        "an unknown one": extension("1.2.3.4", b"x"),
    }.items():
        yield (
            f"{label} beside",
            request(attributes=[asks_for(other, extension(SAN, NODE))]),
            ("extension",),
        )
        yield f"{label} alone", request(attributes=[asks_for(other)]), ("extension",)
    yield (
        "names twice",
        request(attributes=[asks_for(extension(SAN, NODE), extension(SAN, LIE))]),
        (),
    )
    yield (
        "the default written out",
        request(attributes=[asks_for(seq(oid(SAN), FALSE, octets(NODE)))]),
        ("der-not-canonical",),
    )
    yield (
        "critical as 01",
        request(attributes=[asks_for(seq(oid(SAN), tlv(1, b"\1"), octets(NODE)))]),
        (),
    )
    yield (
        "more in the extension",
        request(attributes=[asks_for(seq(oid(SAN), octets(NODE), null()))]),
        ("extra-elements",),
    )
    yield "no value", request(attributes=[asks_for(seq(oid(SAN)))]), ()
    yield (
        "octets in pieces",
        request(
            attributes=[asks_for(seq(oid(SAN), tlv(0x24, octets(NODE[:9]), octets(NODE[9:]))))]
        ),
        (),
    )


def _subjects() -> Found:
    def one(kind: str, value: bytes) -> bytes:
        return set_of(seq(oid(kind), value))

    org, node = (
        one("2.5.4.10", printable("system:nodes")),
        one("2.5.4.3", printable("system:node:w1")),
    )
    shape = ("name-shape",)
    for label, subject in {
        "empty": seq(),
        "no O": seq(node),
        "no CN": seq(org),
        "two O": seq(org, one("2.5.4.10", printable("system:masters")), node),
        "two CN": seq(org, node, one("2.5.4.3", printable("system:node:w2"))),
        "two CN, the other first": seq(one("2.5.4.3", printable("system:node:w2")), org, node),
        "an OU": seq(org, one("2.5.4.11", printable("x")), node),
        "in one relative name": seq(
            set_of(
                seq(oid("2.5.4.3"), printable("system:node:w1")),
                seq(oid("2.5.4.10"), printable("system:nodes")),
            )
        ),
        "an empty relative name": seq(org, set_of(), node),
        "a foreign attribute": seq(org, node, one("1.2.3.4", printable("x"))),
    }.items():
        yield label, request(subject=subject), shape
    text = ("name-text",)
    for label, value in {
        "IA5": ia5("system:node:w1"),
        "T.61": tlv(0x14, b"system:node:w1"),
        "BMP": tlv(0x1E, "system:node:w1".encode("utf-16-be")),
        "general": tlv(0x1B, b"system:node:w1"),
        "a NUL in it": utf8("system:node:w1\0.evil"),
        "a line break in it": utf8("system:node:w1\n"),
        "an escape in it": utf8("system:node:w1\x1b[2J"),
        "a look-alike in it": utf8("system:node:\u0501w1"),
        "nothing in it": utf8(""),
        "a number": integer(5),
        "a blank at its end": utf8("system:node:w1\u00a0"),
    }.items():
        yield f"CN {label}", request(subject=seq(org, one("2.5.4.3", value))), text
    yield "O in T.61", request(subject=seq(one("2.5.4.10", tlv(0x14, b"system:nodes")), node)), text
    yield "CN not UTF-8", request(subject=seq(org, one("2.5.4.3", tlv(0x0C, b"\xff")))), ()
    yield "CN not printable", request(subject=seq(org, one("2.5.4.3", printable("a@b")))), ()
    yield (
        "a third element",
        request(subject=seq(org, set_of(seq(oid("2.5.4.3"), printable("system:node:w1"), null())))),
        ("extra-elements",),
    )
    yield "no list", request(subject=null()), ()
    yield "no sets", request(subject=seq(seq(seq(oid("2.5.4.3"), printable("x"))))), ()


def _keys() -> Found:
    key = ("key",)
    yield "P-224", request(key=ecdsa("r224", "P-224")), key
    yield "RSA 1024", request(key=rsa("small", 1024)), key
    yield "RSA 512", request(key=rsa("tiny", 512)), key
    yield "RSA exponent 3", request(key=rsa("three", 2048, 3)), key
    bare = BareKey(seq(seq(oid("1.2.3.4")), bits(b"x")))
    yield "of an unknown kind", request(spki=bare.spki), (*key, "signature")
    yield (
        "of X25519",
        request(spki=seq(seq(oid("1.3.101.110")), bits(bytes(32)))),
        (*key, "signature"),
    )
    yield "another than signed it", request(spki=ecdsa("somebody else").spki), ("signature",)
    yield "off the curve", request(spki=KEY.spki[:-1] + bytes([KEY.spki[-1] ^ 1])), ()
    yield "with more", request(spki=tlv(0x30, KEY.spki[2:], null())), ("extra-elements",)
    seed = next(
        ed(f"shifted {number}") for number in range(9) if ed(f"shifted {number}").spki[-32] < 128
    )
    shifted = (int.from_bytes(seed.spki[-32:], "big") << 1).to_bytes(32, "big")
    yield (
        "with padding",
        request(key=seed, scheme="", spki=seq(seq(oid("1.3.101.112")), tlv(3, b"\1", shifted))),
        ("extra-elements",),
    )
    algorithm = ("signature-algorithm",)
    yield "signed with SHA-1", request(scheme="SHA1"), algorithm
    yield "signed with SHA-1 and RSA", request(key=rsa("cluster"), scheme="SHA1"), algorithm
    yield "signed with MD5", request(key=rsa("cluster"), scheme="MD5"), (*algorithm, "signature")
    yield "signed with PSS", request(key=rsa("cluster"), scheme="PSS-SHA256"), algorithm
    yield (
        "claims PSS",
        request(key=rsa("cluster"), algorithm=pss_algorithm("SHA256")),
        (*algorithm, "signature"),
    )
    yield "claims RSA", request(algorithm=seq(oid("1.2.840.113549.1.1.11"), null())), ("signature",)
    yield "claims something unknown", request(algorithm=seq(oid("1.2.3.4"))), ("signature",)
    yield (
        "NULL parameters with ECDSA",
        request(algorithm=seq(oid("1.2.840.10045.4.3.2"), null())),
        algorithm,
    )
    yield (
        "no parameters with RSA",
        request(key=rsa("cluster"), algorithm=seq(oid("1.2.840.113549.1.1.11"))),
        algorithm,
    )
    yield (
        "more than parameters",
        request(key=rsa("cluster"), algorithm=seq(oid("1.2.840.113549.1.1.11"), null(), null())),
        algorithm,
    )
    broken = bytearray(request())
    broken[-1] ^= 1
    yield "a broken signature", bytes(broken), ("signature",)


def _der() -> Found:
    good = request()
    inner = good[3:] if good[1] == 0x81 else good[4:]
    yield "trailing data", good + b"\0", ()
    yield "twice", good + good, ()
    yield "a fourth element", request(tail=null()), ("extra-elements",)
    yield "a fifth element in the body", request(info_tail=null()), ("extra-elements",)
    yield "long length", long_tlv(0x30, inner), ()
    yield "endless length", endless_tlv(0x30, inner), ()
    yield "long length of the names", san_request(long_tlv(0x30, implicit(2, b"w1"))), ()
    yield "long length of the subject", request(subject=long_tlv(0x30, SUBJECT[2:])), ()
    yield (
        "long length in a key parameter",
        request(
            spki=seq(
                seq(oid("1.2.840.10045.2.1"), b"\x06\x81\x08" + oid("1.2.840.10045.3.1.7")[2:]),
                KEY.spki[23:],
            )
        ),
        (),
    )
    yield "version 1", request(version=1), ("version",)
    yield "version -1", request(version=-1), ("version",)
    yield "empty", b"", ()
    yield "cut", good[:-1], ()
    yield "not a sequence", b"\x31" + good[1:], ()
    yield "a certificate's shape", seq(seq(integer(1)), seq(oid("1.2.3")), bits(b"")), ()
    yield (
        "nested deep",
        request(attributes=[attribute("1.2.3.4", _nested(60))]),
        ("attribute-kind", "der-not-canonical"),
    )
    yield (
        "an unsorted set",
        request(attributes=[attribute("1.2.3.4", integer(2), integer(1))]),
        ("attribute-kind", "der-not-canonical"),
    )
    yield (
        "a string in pieces",
        request(attributes=[attribute("1.2.3.4", tlv(0x24, octets(b"a")))]),
        ("attribute-kind", "der-not-canonical"),
    )
    yield (
        "a padded number",
        request(attributes=[attribute("1.2.3.4", tlv(2, b"\0\1"))]),
        ("attribute-kind", "der-not-canonical"),
    )


def _nested(depth: int) -> bytes:
    body = null()
    for _ in range(depth):
        body = seq(body)
    return body


def _pem() -> Found:
    canonical = ("pem-not-canonical",)
    good, lie = block(request()), block(san_request(LIE))
    indented = b"".join(b"  " + line for line in lie.splitlines(keepends=True))
    yield "an indented block first", indented + good, canonical
    yield "a block, then an indented one", good + indented, canonical
    yield "only an indented block", indented, ()
    yield "text before", b"hello\n" + good, canonical
    yield "text after", good + b"hello\n", canonical
    yield "two blocks", good + lie, canonical
    yield "two blocks, the lie first", lie + good, canonical
    yield "another kind of block first", block(request(), "CERTIFICATE") + good, ()
    yield "another kind of block after", good + block(request(), "CERTIFICATE"), canonical
    yield "the label of old", block(request(), "NEW CERTIFICATE REQUEST"), ()
    yield "the label in lower case", block(request(), "certificate request"), ()
    yield "CRLF", block(request(), end="\r\n"), canonical
    yield "lines of 76", block(request(), width=76), canonical
    yield "one long line", block(request(), width=10**6), canonical
    yield "no newline at the end", good[:-1], canonical
    yield "two newlines at the end", good + b"\n", canonical
    yield "a blank line first", b"\n" + good, canonical
    yield "blanks at the line ends", good.replace(b"\n", b" \n"), canonical
    yield "blanks in the lines", good.replace(b"MII", b"M I I", 1), canonical
    yield "an empty line inside", good.replace(b"\n", b"\n\n", 2), canonical
    yield (
        "headers",
        good.replace(b"-----\n", b"-----\nProc-Type: 4,ENCRYPTED\nX: y\n\n", 1),
        canonical,
    )
    yield "headers without a blank line", good.replace(b"-----\n", b"-----\nX: y\n", 1), canonical
    yield "BEGIN twice", b"-----BEGIN CERTIFICATE REQUEST-----\n" + good, canonical
    yield "BEGIN twice, with the lie", lie.split(b"-----END")[0] + good, canonical
    yield (
        "the lie with a broken end",
        lie.replace(b"-----END CERTIFICATE REQUEST-----", b"-----END X-----") + good,
        canonical,
    )
    yield "the lie with broken base64", lie.replace(b"MII", b"M?I", 1) + good, canonical
    yield "no padding", good.rstrip().replace(b"=", b""), ()
    yield (
        "empty block",
        b"-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n",
        (),
    )
    yield "nothing", b"", ()
    yield "DER", request(), ()
    yield "a byte order mark", b"\xef\xbb\xbf" + good, ()
    yield "a NUL at the end", good + b"\0", canonical
    yield "a NUL on the last line", good[:-1] + b"\0\n", ()
    yield "old Mac line ends", good.replace(b"\n", b"\r"), ()
    yield "stray bits in the last group", _stray(good), canonical


def _stray(pem: bytes) -> bytes:
    """The last group of base64 with bits that no byte takes; the group before the padding is left as it is."""
    padding = pem.find(b"=")
    if padding < 0:
        raise ValueError("the request must end in padding")
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    at = letters.index(pem[padding - 1])
    return pem[: padding - 1] + letters[at + 1 : at + 2] + pem[padding:]


def _spoilt(cases: Cases) -> None:
    """Bits turned in the DER: most are refused, some are read; whatever is read must be what Go reads."""
    good = request()
    for number in range(SPOILT):
        dice = Dice(f"spoilt request {number}")
        der = bytearray(good)
        der[dice.below(len(der) - 80)] ^= 1 << dice.below(8)
        cases.request(f"spoilt: {number}", block(bytes(der)))
