"""Cases about dates, authorities, usages, versions and pools."""

from datetime import UTC, datetime, timedelta

from real.oracle.asn1 import implicit, name, oid, seq, time, tlv
from real.oracle.cases import Cases
from real.oracle.certificates import (
    ANY_USAGE,
    CLIENT_AUTH,
    NOW,
    SERVER_AUTH,
    YEAR,
    Authority,
    Certificate,
    authority,
    extension,
    leaf,
    usages,
)
from real.oracle.keys import BareKey, Key, ecdsa, ed, rsa

CLUSTER = name(("CN", "kubernetes"))
SECOND = timedelta(seconds=1)


def gather(cases: Cases, ca: Authority) -> None:
    _dates(cases, ca)
    _authorities(cases, ca)
    _usages(cases, ca)
    _extensions(cases, ca)
    _roots(cases, ca)
    _versions(cases, ca)
    _pools(cases, ca)


def _dates(cases: Cases, ca: Authority) -> None:
    start, end = NOW - YEAR / 2, NOW + YEAR / 2
    made = cases.add("dates", leaf(ca, ecdsa("leaf")))
    for label, at in {
        "at its first second": start,
        "a second before it": start - SECOND,
        "a microsecond before it": start - timedelta(microseconds=1),
        "at its last second": end,
        "half a second after it": end + SECOND / 2,
        "a second after it": end + SECOND,
        "years after it": end + 20 * YEAR,
        "years before it": start - 20 * YEAR,
    }.items():
        cases.ask(f"dates: {label}", made, at=at)
        cases.ask(f"dates: {label}, and for a wrong name", made, at=at, name="other")
    forms = {
        "offset-east": (tlv(0x17, b"260101000000+0130"), tlv(0x17, b"261124130000+0130")),
        "offset-west": (tlv(0x18, b"20260101000000-0800"), tlv(0x18, b"20261124035959-0800")),
        "minutes": (tlv(0x17, b"2601010000Z"), tlv(0x17, b"2611241159Z")),
        "generalized-early": (tlv(0x18, b"20260101000000Z"), tlv(0x18, b"20261124115959Z")),
        "far": (
            time(datetime(1950, 1, 1, tzinfo=UTC)),
            time(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ),
        "backwards": (time(NOW + YEAR), time(NOW - YEAR)),
        "1968": (tlv(0x17, b"500101000000Z"), tlv(0x17, b"681231235959Z")),
    }
    for form, (first, last) in forms.items():
        made_of = leaf(ca, ecdsa("leaf"))
        made_of.not_before, made_of.not_after = first, last
        cases.ask(f"dates: written {form}", cases.add(f"dates-{form}", made_of))


def _authorities(cases: Cases, ca: Authority) -> None:
    """The right one, another one, and ones made anew under the same name."""
    signers: dict[str, Key] = {
        "rsa": rsa("cluster"),
        "rsa-anew": rsa("cluster anew"),
        "ecdsa": ecdsa("cluster"),
        "ecdsa-anew": ecdsa("cluster anew"),
        "p384": ecdsa("cluster", "P-384"),
        "ed25519": ed("cluster"),
    }
    leaves = {}
    for label, key in signers.items():
        made = cases.add_authority(f"cluster-{label}", authority(CLUSTER, key))
        signed = leaf(made, ecdsa("leaf"))
        signed.scheme = "SHA384" if label == "p384" else "SHA256"
        leaves[label] = cases.add(f"by-{label}", signed)
    cases.add_authority("cluster-other-name", authority(name(("CN", "etcd-ca")), rsa("cluster")))
    for label, made_leaf in leaves.items():
        cases.ask(f"authority: none at all for {label}", made_leaf, [])
        cases.ask(f"authority: only another name for {label}", made_leaf, ["cluster-other-name"])
        cases.ask(
            f"authority: all of them for {label}",
            made_leaf,
            [f"cluster-{each}" for each in signers],
        )
        for other in signers:
            cases.ask(f"authority: {label} under {other}", made_leaf, [f"cluster-{other}"])
    subjects = {
        "org-only": name(("O", "the org"), ("O", "another")),
        "nameless": name(),
        "quoted": name(("CN", 'a "quoted" \\ name\n\u2028\u00e9\U0001f600\ufeff')),
        "empty-cn": name(("CN", ""), ("O", "the org")),
    }
    for label, subject in subjects.items():
        wrong = authority(subject, rsa("cluster anew"))
        wrong.serial = 0xC0FFEE
        cases.add_authority(f"wrong-{label}", wrong)
        signed = leaf(Authority("", subject, rsa("cluster")), ecdsa("leaf"))
        cases.ask(f"authority: anew, {label}", cases.add(f"by-{label}", signed), [f"wrong-{label}"])
    del ca


def _usages(cases: Cases, ca: Authority) -> None:
    sets: dict[str, tuple[str, ...] | None] = {
        "none": None,
        "empty": (),
        "server": (SERVER_AUTH,),
        "client": (CLIENT_AUTH,),
        "both": (CLIENT_AUTH, SERVER_AUTH),
        "any": (ANY_USAGE,),
        "unknown": ("1.2.3.4",),
        "gated": ("2.16.840.1.113730.4.1", "1.3.6.1.4.1.311.10.3.3"),
    }
    for label, kinds in sets.items():
        made = cases.add(f"usage-{label}", leaf(ca, ecdsa("leaf"), usage=kinds))
        cases.ask(f"usage: leaf {label}", made)
        cases.ask(f"usage: leaf {label}, unknown CA", made, [])
        if kinds is None:
            continue
        limited = authority(
            name(("CN", f"limited {label}")), ecdsa("limited"), issuer=ca, others=[usages(*kinds)]
        )
        sub = cases.add_authority(f"limited-{label}", limited)
        for leaf_label in ("none", "server", "both"):
            below = cases.add(
                f"limited-{label}/{leaf_label}", leaf(sub, ecdsa("leaf"), usage=sets[leaf_label])
            )
            cases.ask(
                f"usage: intermediate {label}, leaf {leaf_label}", below, intermediates=[sub.id]
            )
            cases.ask(f"usage: root {label}, leaf {leaf_label}", below, [sub.id])
    cases.ask(
        "usage: one chain that allows it and one that does not",
        "limited-client/server",
        ["ca", "limited-server"],
        intermediates=["limited-client"],
    )


def _extensions(cases: Cases, ca: Authority) -> None:
    critical = leaf(ca, ecdsa("leaf"), others=[extension("1.2.3.4.5", b"\0", critical=True)])
    made = cases.add("critical", critical)
    cases.ask("critical extension: in a good leaf", made)
    cases.ask("critical extension: in an expired leaf", made, at=NOW + YEAR)
    cases.ask("critical extension: and a wrong name", made, name="other")
    plain = leaf(ca, ecdsa("leaf"), others=[extension("1.2.3.4.5", b"\0")])
    cases.ask("unknown extension that is not critical", cases.add("uncritical", plain))
    known = leaf(
        ca, ecdsa("leaf"), others=[extension("2.5.29.36", seq(implicit(0, b"\5")), critical=True)]
    )
    cases.ask(
        "critical extension: policy constraints, which Go knows", cases.add("known-critical", known)
    )


def _roots(cases: Cases, ca: Authority) -> None:
    """The leaf itself among the roots, and the kubelet's own pair."""
    alone = leaf(
        Authority("", name(("O", "system:nodes"), ("CN", "system:node:w1")), ecdsa("leaf")),
        ecdsa("leaf"),
    )
    made = cases.add("alone", alone)
    cases.ask("roots: a self-signed leaf among them", made, [made])
    cases.ask("roots: a self-signed leaf, not among them", made)
    cases.ask(
        "roots: a self-signed leaf among them, as a client's",
        cases.add("client", leaf(ca, ecdsa("leaf"), usage=(CLIENT_AUTH,))),
        ["client"],
    )
    cases.ask("roots: an issued leaf among them", "dates", ["dates"])
    cases.ask("roots: an issued leaf among them, expired", "dates", ["dates"], at=NOW + YEAR)
    cases.ask("roots: an issued leaf among them, a wrong name", "dates", ["dates"], name="other")
    own = authority(name(("CN", "w1-ca@1790805524")), rsa("own ca"))
    own.extensions = own.extensions[:3]
    own_ca = cases.add_authority("kubelet-ca", own)
    kubelet = leaf(own_ca, rsa("own"), dns=["w1"], ips=(), subject=name(("CN", "w1@1790805525")))
    kubelet.not_after = time(NOW - timedelta(days=41))
    fresh = leaf(own_ca, rsa("own"), dns=["w1"], ips=(), subject=name(("CN", "w1@1790805525")))
    for label, pair in (
        ("expired", cases.add("kubelet-expired", kubelet)),
        ("fresh", cases.add("kubelet-fresh", fresh)),
    ):
        for dialled in ("w1", "10.0.0.5", "w1.example.com"):
            cases.ask(
                f"kubelet's own pair: {label} for {dialled}",
                pair,
                intermediates=["kubelet-ca"],
                name=dialled,
            )
            cases.ask(
                f"kubelet's own pair: {label} for {dialled}, its CA a root",
                pair,
                ["kubelet-ca"],
                name=dialled,
            )
    unknown = leaf(ca, BareKey(seq(seq(oid("1.3.101.110")), tlv(3, b"\0", bytes(range(32))))))
    cases.ask("roots: a leaf with a key of X25519", cases.add("x25519", unknown))
    keyless = authority(
        CLUSTER, BareKey(seq(seq(oid("1.3.101.110")), tlv(3, b"\0", bytes(range(32)))))
    )
    keyless.signer = rsa("cluster")
    cases.ask("roots: a CA with a key of X25519", "dates", [cases.add("x25519-ca", keyless)])


def _versions(cases: Cases, ca: Authority) -> None:
    old = Certificate(name(("CN", "w1.example.com")), ca.subject, ecdsa("leaf"), ca.key, version=1)
    cases.ask("version 1: a leaf", cases.add("v1-leaf", old))
    cases.ask("version 1: a leaf, no name asked", "v1-leaf", name="")
    root = Certificate(
        name(("CN", "v1 root")), name(("CN", "v1 root")), rsa("v1"), rsa("v1"), version=1
    )
    root.serial = 7
    made = leaf(cases.add_authority("v1-root", root), ecdsa("leaf"))
    cases.ask("version 1: a root", cases.add("below-v1", made), ["v1-root"])
    cases.ask(
        "version 1: an intermediate that is its own issuer", "below-v1", intermediates=["v1-root"]
    )


def _pools(cases: Cases, ca: Authority) -> None:
    del ca
    cases.ask("pools: the same root twice", "dates", ["ca", "ca"])
    cases.ask("pools: the root as an intermediate too", "dates", intermediates=["ca", "ca"])
    cases.ask("pools: the leaf as an intermediate", "dates", intermediates=["dates"])
    cases.ask("pools: two roots of one name", "dates", ["cluster-rsa", "ca"])
    cases.ask("pools: nothing at all", "dates", [])
    cases.ask("pools: no name asked", "dates", name="")
    cases.ask(
        "pools: intermediates that have nothing to do with it",
        "dates",
        intermediates=["sub1", "sub2"],
    )
