"""Cases about names and addresses: what was dialled against what the certificate says."""

from real.oracle.asn1 import implicit, name, oid, seq, set_of, tlv, utf8
from real.oracle.cases import Cases
from real.oracle.certificates import SAN, Authority, extension, leaf, san_value
from real.oracle.keys import ed

DIALLED = (
    "w1.example.com", "W1.Example.COM", "w1.example.com.", "w1.example.com..", ".w1.example.com", "w1",
    "example.com", "x.example.com", "x.y.example.com", "*.example.com", "*.example.com.", "*", ".", "", "w1..example.com",
    "w1_a.example.com", "-w1.example.com", "w1-.example.com", "xn--bcher-kva.example.com", "b\u00fccher.example.com",
    "\u212a.example.com", "w1.example.com:10250", "https://w1.example.com", " w1.example.com", "w1 example com",
    "10.0.0.5", "10.0.0.6", "[10.0.0.5]", "[10.0.0.6]", "010.0.0.5", "10.0.0.5.", "10.0.5", "10.0.0.256",
    "167772165", "10.0.0.5:10250", "::ffff:10.0.0.5", "::ffff:a00:5", "[::ffff:10.0.0.5]", "0:0:0:0:0:ffff:a00:5",
    "fd00::5", "FD00::5", "fd00:0:0:0:0:0:0:5", "[fd00::5]", "fd00::5%eth0", "[fd00::5%25eth0]", "fd00::6", "fd00::",
    "::", "::1", "[::1]", "[]", "[", "[x]", "[w1.example.com]", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::",
    "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:9", "1::2::3", ":1::2", "1:::2", "12345::", "1:2:3:4:5:6:1.2.3.4",
    "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3.4", "::1.2.3.04", "\uff11\uff10.0.0.5", "1.2.3.4::", "g::1",
)  # fmt: skip

LEAVES: dict[str, bytes | None] = {
    "node": san_value(["w1.example.com", "w1"], ["10.0.0.5", "fd00::5"]),
    "wildcard": san_value(["*.example.com", "*", "w*.example.com", "x.*.example.com"]),
    "odd": san_value(
        [
            "", ".", "w1.example.com.", "w1..example.com", "-w1.example.com", "[w1.example.com]",
            "w1 example com", "10.0.0.5", "*.*.example.com", "w1.example.com:10250", "W1_A.EXAMPLE.COM",
        ]
    ),
    "addresses": san_value((), ["10.0.0.5", "fd00::5", "::1", "2001:db8::1:0:0:1", "1:2:3:4:5:6:7:8"]),
    "mapped": seq(
        implicit(7, bytes(10) + b"\xff\xff\x0a\x00\x00\x05"), implicit(7, b"\x0a\x00\x00\x07")
    ),
    "no-names": san_value((), (), [implicit(1, b"root@example.com")]),
    "uri-only": san_value((), (), [implicit(6, b"spiffe://cluster.local/ns/x/sa/y")]),
    "empty-san": seq(),
    "no-san": None,
    "empty-name": san_value([""]),
}  # fmt: skip


def gather(cases: Cases, ca: Authority) -> None:
    key = ed("leaf")
    for kind, san in LEAVES.items():
        made = cases.add(f"names-{kind}", leaf(ca, key, dns=(), ips=(), san=san))
        for dialled in (
            DIALLED
            if kind in {"node", "wildcard", "odd", "addresses", "mapped"}
            else DIALLED[:40:3]
        ):
            cases.ask(f"names: {kind} for {dialled!r}", made, name=dialled)
    _legacy(cases, ca)
    _many(cases, ca)


def _legacy(cases: Cases, ca: Authority) -> None:
    """No SAN extension, a host name in the CN: as certificates were made long ago."""
    key = ed("leaf")
    for common_name in ("w1.example.com", "*.example.com", "10.0.0.5", "W1.example.com", ""):
        made = cases.add(
            f"legacy-{common_name}",
            leaf(ca, key, dns=(), ips=(), subject=name(("CN", common_name))),
        )
        for dialled in (
            "w1.example.com",
            "w1.example.com.",
            "10.0.0.5",
            "w2.example.com",
            "[10.0.0.5]",
        ):
            cases.ask(f"legacy: {common_name!r} for {dialled!r}", made, name=dialled)
    two = seq(
        set_of(seq(oid("2.5.4.3"), utf8("w1.example.com"))),
        set_of(seq(oid("2.5.4.3"), utf8("last.example.com"))),
    )
    made = cases.add("legacy-two-names", leaf(ca, key, dns=(), ips=(), subject=two))
    for dialled in ("w1.example.com", "last.example.com"):
        cases.ask(f"legacy: two common names for {dialled!r}", made, name=dialled)
    made = cases.add(
        "legacy-with-san",
        leaf(ca, key, dns=["other"], ips=(), subject=name(("CN", "w1.example.com"))),
    )
    cases.ask("legacy: a SAN extension makes the common name count for nothing", made)


def _many(cases: Cases, ca: Authority) -> None:
    """From a hundred names on the message counts them instead of listing them."""
    key = ed("leaf")
    for count in (1, 2, 99, 100, 150):
        made = cases.add(
            f"many-{count}",
            leaf(
                ca,
                key,
                dns=[f"n{number}.example.com" for number in range(count)],
                ips=[f"10.9.{number // 250}.{number % 250}" for number in range(count)],
            ),
        )
        for dialled in ("n0.example.com", "other.example.com", "10.9.0.0", "10.8.0.0", "fd00::1"):
            cases.ask(f"many: {count} for {dialled}", made, name=dialled)
    made = cases.add(
        "critical-san-of-others",
        leaf(
            ca,
            key,
            dns=(),
            ips=(),
            others=[extension(SAN, seq(tlv(0xA4, name(("CN", "x")))), critical=True)],
        ),
    )
    cases.ask("names: a critical SAN with nothing that Go reads", made)
