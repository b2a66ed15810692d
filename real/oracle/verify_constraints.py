"""Cases about name constraints."""

from real.oracle.asn1 import implicit, name, tlv
from real.oracle.cases import Cases
from real.oracle.certificates import (
    SAN,
    Authority,
    authority,
    constraints,
    dns_name,
    extension,
    leaf,
    network_name,
    san_value,
)
from real.oracle.keys import ecdsa, ed


def _email(text: str) -> bytes:
    return implicit(1, text.encode())


def _uri(text: str) -> bytes:
    return implicit(6, text.encode())


def _dns(*names: str) -> list[bytes]:
    return [dns_name(text) for text in names]


def _nets(*networks: str) -> list[bytes]:
    return [network_name(text) for text in networks]


_DIRECTORY = tlv(0xA4, name(("CN", "x")))
_MAPPED_NET = implicit(7, bytes(10) + b"\xff\xff\x0a\0\0\0" + b"\xff" * 13 + bytes(3))
_WIDE_MAPPED_NET = implicit(7, bytes(10) + b"\xff\xff" + bytes(4) + b"\xff" * 8 + bytes(8))

SUBTREES: dict[str, bytes] = {
    "permit example.com": constraints(_dns("example.com")),
    "permit .example.com": constraints(_dns(".example.com")),
    "permit EXAMPLE.com": constraints(_dns("EXAMPLE.com")),
    "permit w1.example.com": constraints(_dns("w1.example.com")),
    "permit all names": constraints(_dns("")),
    "permit many": constraints(
        _dns(
            "a.com",
            "a-a.com",
            "a.a.com",
            "b.a.com",
            "com.example",
            "w1.example.com",
            "x.example.com",
        )
    ),
    "exclude many": constraints(
        (), _dns("a.com", "a-a.com", "a.a.com", "b.c.com", "B.a.C.com", "ab.com")
    ),
    "exclude example.com": constraints((), _dns("example.com")),
    "exclude .example.com": constraints((), _dns(".example.com")),
    "exclude w1.example.com": constraints((), _dns("w1.example.com")),
    "exclude W1.Example.com": constraints((), _dns("W1.Example.com", "w2.example.com")),
    "exclude all names": constraints((), _dns("")),
    "exclude two siblings": constraints((), _dns("a.example.com", "b.example.com")),
    "permit and exclude": constraints(_dns("example.com"), _dns("w1.example.com")),
    "permit 10/8": constraints(_nets("10.0.0.0/8")),
    "permit 10/8 and more": constraints(
        _nets("10.0.0.0/8", "10.1.0.0/16", "192.168.0.0/16", "fd00::/8")
    ),
    "permit fd00/8": constraints(_nets("fd00::/8")),
    "permit all v4": constraints(_nets("0.0.0.0/0")),
    "exclude 10/8": constraints((), _nets("10.0.0.0/8")),
    "exclude one": constraints((), _nets("10.0.0.5/32", "10.0.0.9/32")),
    "permit mapped": constraints([_MAPPED_NET]),
    "permit both kinds": constraints([*_dns("example.com"), *_nets("10.0.0.0/8")]),
    "permit mail host": constraints([_email("example.com")]),
    "permit mail box": constraints([_email("root@Example.com")]),
    "exclude mail": constraints((), [_email("root@example.com"), _email(".sub.example.com")]),
    "permit uri": constraints([_uri("example.com")]),
    "exclude uri": constraints((), [_uri(".example.com")]),
    "directory names": constraints([_DIRECTORY]),
    "directory names, not critical": constraints([_DIRECTORY], critical=False),
    "permit every v6": constraints(_nets("::/0")),
    "permit every v6, exclude v4": constraints(_nets("::/0"), _nets("0.0.0.0/0")),
    "exclude every v6": constraints((), _nets("::/0")),
    "exclude every mapped v6": constraints((), [_MAPPED_NET]),
    "permit every wide mapped v6": constraints([_WIDE_MAPPED_NET]),
    "exclude every wide mapped v6": constraints((), [_WIDE_MAPPED_NET]),
}

NAMES: dict[str, bytes | None] = {
    "plain": san_value(["w1.example.com"], ["10.0.0.5"]),
    "upper": san_value(["W1.EXAMPLE.COM"], ["10.0.0.5"]),
    "wildcard": san_value(["w1.example.com", "*.example.com"]),
    "outside": san_value(["w1.example.com", "w1.other.org"], ["10.0.0.5", "192.168.1.1"]),
    "near": san_value(["w1.example.com", "w1.notexample.com"]),
    "apex": san_value(["w1.example.com", "example.com"]),
    "v6": san_value(["w1.example.com"], ["fd00::5", "10.0.0.5"]),
    "mapped": san_value(["w1.example.com"], (), [implicit(7, bytes(10) + b"\xff\xff\x0a\0\0\5")]),
    "low": san_value(["w1.example.com"], ["10.0.0.3", "9.0.0.1"]),
    "sorted deep": san_value(["w1.example.com", "b.a.com", "x.a.a.com", "a-a.com"]),
    "sorted dash": san_value(["w1.example.com", "x-a.com", "a-a-a.com", "x.b.com"]),
    "sorted end": san_value(["w1.example.com", "b.x.com", "x.b.a.c.com"]),
    "trailing": san_value(["w1.example.com", "w2.example.com."]),
    "empty": san_value(["w1.example.com", ""]),
    "mail": san_value(
        ["w1.example.com"], (), [_email("root@example.com"), _email('"a b"@SUB.example.com')]
    ),
    "bad mail": san_value(["w1.example.com"], (), [_email("no at sign")]),
    "uri": san_value(
        ["w1.example.com"], (), [_uri("https://w1.Example.com:8443/x"), _uri("spiffe://cluster/ns")]
    ),
    "none": None,
}

_SUBJECT = name(("CN", "w1"))
_SKIPPED = 8
"""Of the many pairs, those on the diagonal of this width are asked about in the deep chain too."""


def gather(cases: Cases, ca: Authority) -> None:
    for number, (label, constraint) in enumerate(SUBTREES.items()):
        subject = name(("CN", f"constrained {number}"))
        sub = cases.add_authority(
            f"constrained-{number}",
            authority(subject, ecdsa("constrained"), issuer=ca, others=[constraint]),
        )
        deep = cases.add_authority(
            f"constrained-{number}-sub",
            authority(name(("CN", f"below {number}")), ecdsa("below"), issuer=sub),
        )
        for turn, (kind, san) in enumerate(NAMES.items()):
            if not _asked(label, kind):
                continue
            made = cases.add(
                f"constrained-{number}-{kind}",
                leaf(sub, ed("leaf"), subject=_SUBJECT, dns=(), ips=(), san=san),
            )
            cases.ask(f"constraints: {label}, {kind}", made, intermediates=[sub.id], name="")
            if (number + turn) % _SKIPPED == 0:
                below = cases.add(
                    f"constrained-{number}-sub-{kind}",
                    leaf(deep, ed("leaf"), subject=_SUBJECT, dns=(), ips=(), san=san),
                )
                cases.ask(
                    f"constraints: root {label}, {kind} below",
                    below,
                    [sub.id],
                    intermediates=[deep.id],
                    name="",
                )
    _named_authority(cases, ca)


def _asked(label: str, kind: str) -> bool:
    """Some names only matter to the constraints made for them, and to one more."""
    if "every" in label:
        return kind in {"plain", "v6", "mapped"}
    special = next((word for word in ("mail", "uri", "sorted", "low") if word in kind), "")
    wanted = {"sorted": "many", "low": "exclude one"}.get(special, special)
    return not special or wanted in label or label == "permit example.com"


def _named_authority(cases: Cases, ca: Authority) -> None:
    """Constraints also hold for the names of the CAs below."""
    top = cases.add_authority(
        "named-top",
        authority(
            name(("CN", "named top")),
            ecdsa("named top"),
            issuer=ca,
            others=[constraints(_dns("example.com"))],
        ),
    )
    middle = cases.add_authority(
        "named-middle",
        authority(
            name(("CN", "named middle")),
            ecdsa("named middle"),
            issuer=top,
            others=[
                extension(SAN, san_value(["kubernetes"])),
                constraints((), _dns("x.example.com")),
            ],
        ),
    )
    made = cases.add("named-leaf", leaf(middle, ed("leaf")))
    cases.ask("constraints: a CA's own name", made, intermediates=["named-top", "named-middle"])
    cases.ask("constraints: a CA's own name, the CA a root", made, ["named-middle"])
    both = cases.add(
        "named-excluded", leaf(middle, ed("leaf"), dns=["w1.example.com", "x.example.com"])
    )
    cases.ask("constraints: two that differ", both, intermediates=["named-top", "named-middle"])
