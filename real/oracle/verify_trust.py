"""Cases about dates, chains, signatures and usages."""

from datetime import UTC, datetime, timedelta

from real.oracle.asn1 import explicit, implicit, integer, name, null, oid, seq, time, tlv
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
    authority_key_id,
    basic,
    extension,
    key_id,
    key_usage,
    leaf,
    policies,
    subject_key_id,
    usages,
)
from real.oracle.keys import BareKey, EcKey, Key, RsaKey, ecdsa, ed, pss_algorithm, rsa

CLUSTER = name(("CN", "kubernetes"))
NAMELESS = name(("OU", "neither CN nor O"))
"""Of CAs by this name Go tells the serial number, so one sees which it means."""
SECOND = timedelta(seconds=1)


def gather(cases: Cases, ca: Authority) -> None:
    for topic in (_dates, _authorities, _intermediates, _key_ids, _usages, _extensions):
        topic(cases, ca)
    for topic in (_signatures, _roots, _limits, _policies, _versions, _pools):
        topic(cases, ca)


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


def _intermediates(cases: Cases, ca: Authority) -> None:
    first = cases.add_authority("sub1", authority(name(("CN", "sub1")), ecdsa("sub1"), issuer=ca))
    second = cases.add_authority("sub2", authority(name(("CN", "sub2")), rsa("sub2"), issuer=first))
    third = cases.add_authority(
        "sub3", authority(name(("CN", "sub3")), ecdsa("sub3"), issuer=second)
    )
    for depth, (issuer, chain) in enumerate(
        ((first, ["sub1"]), (second, ["sub2", "sub1"]), (third, ["sub3", "sub2", "sub1"])), start=1
    ):
        made = cases.add(f"depth{depth}", leaf(issuer, ecdsa("leaf")))
        cases.ask(f"intermediates: {depth}", made, intermediates=chain)
        cases.ask(f"intermediates: {depth}, in another order", made, intermediates=chain[::-1])
        cases.ask(f"intermediates: {depth}, the first missing", made, intermediates=chain[1:])
        cases.ask(f"intermediates: {depth}, the last missing", made, intermediates=chain[:-1])
        cases.ask(f"intermediates: {depth}, the lowest a root", made, chain[:1])
        cases.ask(f"intermediates: {depth}, all roots", made, ["ca", *chain])
        cases.ask(f"intermediates: {depth}, no root", made, [], intermediates=chain)
        cases.ask(f"intermediates: {depth}, the root too", made, intermediates=[*chain, "ca"])
    for path in (0, 1, 2):
        root = cases.add_authority(
            f"path{path}", authority(name(("CN", "path")), rsa("cluster"), path=path)
        )
        below = [root]
        for depth in (1, 2, 3):
            step = authority(name(("CN", f"step{depth}")), ecdsa(f"step{depth}"), issuer=below[-1])
            below.append(cases.add_authority(f"step{depth}", step))
            made = cases.add(f"step{depth}-leaf", leaf(below[-1], ecdsa("leaf")))
            cases.ask(
                f"path length {path}, {depth} below",
                made,
                [root.id],
                intermediates=[each.id for each in below[1:]],
            )
    for label, changed in _doubtful(ca).items():
        doubtful = cases.add_authority(f"doubtful-{label}", changed)
        made = cases.add(f"below-{label}", leaf(doubtful, ecdsa("leaf")))
        cases.ask(f"doubtful CA: {label} as an intermediate", made, intermediates=[doubtful.id])
        cases.ask(f"doubtful CA: {label} as a root", made, [doubtful.id])
        sound = cases.add(
            f"sound-{label}",
            authority(changed.subject, changed.key, issuer=ca, others=[extension("1.2.3.4", b"x")]),
        )
        cases.ask(
            f"doubtful CA: {label}, then a sound one", made, intermediates=[doubtful.id, sound]
        )
        cases.ask(
            f"doubtful CA: {label}, after a sound one", made, intermediates=[sound, doubtful.id]
        )


def _doubtful(ca: Authority) -> dict[str, Certificate]:
    """CAs that something is the matter with. Each has its own name and key."""

    def plain(label: str) -> Certificate:
        return authority(name(("CN", f"doubtful {label}")), ecdsa(f"doubtful {label}"), issuer=ca)

    made = {
        label: plain(label)
        for label in (
            "not-a-ca", "no-basic", "version1", "version2", "no-cert-sign", "no-key-usage", "empty-key-usage", "expired",
            "not-yet", "critical", "no-key-ids", "path-zero", "wrong-signature", "sha1",
        )
    }  # fmt: skip
    made["not-a-ca"].extensions[1] = basic(ca=False)
    del made["no-basic"].extensions[1]
    made["version1"].version, made["version1"].extensions = 1, []
    made["version2"].version, made["version2"].extensions = 2, []
    made["no-cert-sign"].extensions[0] = key_usage(0, 2)
    del made["no-key-usage"].extensions[0]
    made["empty-key-usage"].extensions[0] = key_usage()
    made["expired"].not_after = time(NOW - timedelta(days=41))
    made["not-yet"].not_before = time(NOW + timedelta(days=41))
    made["critical"].extensions.append(extension("1.2.3.4.5", b"\0", critical=True))
    made["no-key-ids"].extensions = made["no-key-ids"].extensions[:2]
    made["path-zero"].extensions[1] = basic(ca=True, path=0)
    made["wrong-signature"].signer = rsa("cluster anew")
    made["sha1"].scheme = "SHA1"
    return made


def _key_ids(cases: Cases, ca: Authority) -> None:
    """Which of several CAs of one name is tried first, and so named, depends on the key ids."""
    right = authority(NAMELESS, ca.key)
    right.serial = 99
    root = cases.add_authority("kid-root", right)
    made = leaf(root, ecdsa("leaf"))
    without = leaf(root, ecdsa("leaf"))
    del without.extensions[3]
    other = leaf(root, ecdsa("leaf"))
    other.extensions[3] = authority_key_id(b"another id")
    foreign = leaf(root, ecdsa("leaf"))
    foreign.extensions[3] = authority_key_id(b"an id of nobody here")
    unissued = leaf(Authority("", NAMELESS, rsa("nobody")), ecdsa("leaf"))
    leaves = {
        "right": cases.add("kid-right", made),
        "none": cases.add("kid-none", without),
        "wrong": cases.add("kid-wrong", other),
        "foreign": cases.add("kid-foreign", foreign),
        "unissued": cases.add("kid-unissued", unissued),
    }
    candidates: list[str] = []
    for label, kid in (
        ("same", key_id(ca.key)), ("none", b""), ("another", b"another id"), ("third", b"third id"), ("nobody", key_id(rsa("nobody"))),
    ):  # fmt: skip
        candidate = authority(NAMELESS, ecdsa(f"kid {label}"))
        candidate.serial = len(candidates) + 100
        candidate.extensions[2:] = [subject_key_id(kid)] if kid else []
        candidates.append(cases.add(f"kid-ca-{label}", candidate))
    for label, made_leaf in leaves.items():
        for turn in range(len(candidates)):
            order = candidates[turn:] + candidates[:turn]
            cases.ask(f"key ids: {label}, wrong CAs from {turn}", made_leaf, order)
            cases.ask(
                f"key ids: {label}, wrong CAs from {turn}, the right one last",
                made_leaf,
                [*order, root.id],
            )
            cases.ask(
                f"key ids: {label}, wrong CAs from {turn} as intermediates",
                made_leaf,
                [],
                intermediates=order,
            )
    bare = authority(name(("CN", "bare")), rsa("bare"))
    del bare.extensions[2]
    bare_leaf = leaf(cases.add_authority("bare-ca", bare), ecdsa("leaf"))
    del bare_leaf.extensions[3]
    cases.ask(
        "key ids: none on either side, as kubectl takes it",
        cases.add("bare-leaf", bare_leaf),
        ["bare-ca"],
    )


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


def _signatures(cases: Cases, ca: Authority) -> None:
    del ca
    keys: dict[str, tuple[Key, tuple[str, ...]]] = {
        "rsa": (rsa("cluster"), ("MD5", "SHA1", "SHA256", "SHA384", "SHA512", "PSS-SHA256", "PSS-SHA384", "PSS-SHA512", "PSS-SHORT-SHA256")),
        "rsa1024": (rsa("small", 1024), ("SHA256", "SHA512", "PSS-SHA256")),
        "rsa1023": (rsa("small", 1023), ("SHA256",)),
        "rsa768": (rsa("tiny", 768), ("SHA256", "PSS-SHA256")),
        "rsa1025": (rsa("odd", 1025), ("SHA256", "PSS-SHA256")),
        "rsa-e3": (rsa("three", 2048, 3), ("SHA256",)),
        "p224": (ecdsa("p224", "P-224"), ("SHA256",)),
        "p256": (ecdsa("p256"), ("SHA1", "SHA256", "SHA384", "SHA512")),
        "p384": (ecdsa("p384", "P-384"), ("SHA256", "SHA384")),
        "p521": (ecdsa("p521", "P-521"), ("SHA512",)),
        "ed25519": (ed("ed"), ("",)),
    }  # fmt: skip
    for label, (key, schemes) in keys.items():
        root = cases.add_authority(f"sig-{label}", authority(name(("CN", f"signs {label}")), key))
        for scheme in schemes:
            signed = leaf(root, ecdsa("leaf"))
            signed.scheme = scheme
            made = cases.add(f"sig-{label}-{scheme}", signed)
            cases.ask(f"signature: {label} {scheme}", made, [root.id])
            wrong = cases.add(f"sig-wrong-{label}", authority(root.subject, _other(key)))
            cases.ask(f"signature: {label} {scheme}, of another key", made, [wrong])
            broken = bytearray(cases.certificates[made])
            broken[-1] ^= 1
            cases.ask(
                f"signature: {label} {scheme}, broken",
                cases.add(f"{made}-broken", bytes(broken)),
                [root.id],
            )
    claims = {
        "unknown": seq(oid("1.2.3.4")),
        "dsa-sha1": seq(oid("1.2.840.10040.4.3")),
        "dsa-sha256": seq(oid("2.16.840.1.101.3.4.3.2")),
        "iso-sha1": seq(oid("1.3.14.3.2.29"), null()),
        "md2": seq(oid("1.2.840.113549.1.1.2"), null()),
        "no-null": seq(oid("1.2.840.113549.1.1.11")),
        "odd-parameters": seq(oid("1.2.840.113549.1.1.11"), integer(5)),
        "ecdsa": seq(oid("1.2.840.10045.4.3.2")),
        "ed25519": seq(oid("1.3.101.112")),
        "ed25519-null": seq(oid("1.3.101.112"), null()),
        "pss-bare": seq(oid("1.2.840.113549.1.1.10")),
        "pss-salt": pss_algorithm("SHA256", salt=20),
        "pss-mask": pss_algorithm("SHA256", mask="SHA1"),
        "pss-sha1": pss_algorithm("SHA1"),
        "pss-trailer": pss_algorithm("SHA256", trailer=explicit(3, integer(1))),
        "pss-trailer-2": pss_algorithm("SHA256", trailer=explicit(3, integer(2))),
    }
    for label, claim in claims.items():
        signed = leaf(Authority("", CLUSTER, rsa("cluster")), ecdsa("leaf"))
        signed.algorithm = claim
        made = cases.add(f"claims-{label}", signed)
        cases.ask(f"signature: claims {label}", made, ["cluster-rsa"])
        cases.ask(f"signature: claims {label}, of an ECDSA CA", made, ["cluster-ecdsa"])
    for label, exponent in (
        ("one", 1),
        ("two", 2),
        ("even", 65536),
        ("large", (1 << 31) + 1),
        ("largest", (1 << 31) - 1),
    ):
        weak = seq(integer(rsa("cluster").modulus), integer(exponent))
        spki = seq(seq(oid("1.2.840.113549.1.1.1"), null()), tlv(3, b"\0", weak))
        root_made = authority(CLUSTER, BareKey(spki))
        root_made.signer = rsa("cluster")
        cases.ask(
            f"signature: RSA exponent {label}", "dates", [cases.add(f"exponent-{label}", root_made)]
        )
    even = seq(integer(rsa("cluster").modulus + 1), integer(65537))
    spki = seq(seq(oid("1.2.840.113549.1.1.1"), null()), tlv(3, b"\0", even))
    root_made = authority(CLUSTER, BareKey(spki))
    root_made.signer = rsa("cluster")
    cases.ask("signature: RSA modulus even", "by-rsa", [cases.add("modulus-even", root_made)])


def _other(key: Key) -> Key:
    """Another key of the same kind, more or less."""
    if isinstance(key, RsaKey):
        return rsa("cluster anew")
    return ecdsa("cluster anew") if isinstance(key, EcKey) else ed("another")


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


def _limits(cases: Cases, ca: Authority) -> None:
    """After a hundred signatures Go stops looking."""
    bare_leaf = leaf(Authority("", CLUSTER, ca.key), ecdsa("leaf"))
    del bare_leaf.extensions[3]
    cases.add("limited-leaf", bare_leaf)
    many = []
    for number in range(103):
        wrong = authority(CLUSTER, ed("wrong"))
        wrong.serial = number
        wrong.extensions = wrong.extensions[:2]
        many.append(cases.add(f"wrong-{number}", wrong))
    for count in (99, 100, 101, 103):
        cases.ask(f"limit: {count} wrong roots", "limited-leaf", many[:count])
        cases.ask(
            f"limit: {count} wrong roots before the right one",
            "limited-leaf",
            [*many[:count], "bare-cluster"],
        )
        cases.ask(
            f"limit: {count} wrong intermediates, the right root",
            "limited-leaf",
            ["bare-cluster"],
            intermediates=many[:count],
        )
    bare = authority(CLUSTER, ca.key)
    del bare.extensions[2]
    cases.add("bare-cluster", bare)
    one = authority(
        name(("CN", "x-one")), ecdsa("x"), issuer=Authority("", name(("CN", "x-two")), ecdsa("y"))
    )
    two = authority(
        name(("CN", "x-two")), ecdsa("y"), issuer=Authority("", name(("CN", "x-one")), ecdsa("x"))
    )
    made = cases.add("looped", leaf(cases.add_authority("loop-one", one), ecdsa("leaf")))
    cases.add("loop-two", two)
    cases.ask("loop: two CAs that signed one another", made, intermediates=["loop-one", "loop-two"])
    cases.ask(
        "loop: two CAs that signed one another, one a root",
        made,
        ["loop-two"],
        intermediates=["loop-one"],
    )


def _policies(cases: Cases, ca: Authority) -> None:
    """An enterprise CA may demand certificate policies of all below it."""
    gold, silver, any_policy = "1.2.3.4.1", "1.2.3.4.2", "2.5.29.32.0"

    def demand(explicit_in: int | None = None, mapping_in: int | None = None) -> bytes:
        body = [
            implicit(number, bytes([value]))
            for number, value in enumerate((explicit_in, mapping_in))
            if value is not None
        ]
        return extension("2.5.29.36", seq(*body), critical=True)

    mapping = extension("2.5.29.33", seq(seq(oid(gold), oid(silver))))
    bad_mapping = extension("2.5.29.33", seq(seq(oid(any_policy), oid(silver))))
    no_any = extension("2.5.29.54", integer(0), critical=True)
    subs: dict[str, list[bytes]] = {
        "demands": [demand(0)],
        "demands-gold": [demand(0), policies(gold)],
        "demands-any": [demand(0), policies(any_policy)],
        "later": [demand(1), policies(gold)],
        "maps": [demand(0), policies(gold), mapping],
        "maps-not": [demand(0, 0), policies(gold), mapping],
        "maps-any": [demand(0), policies(any_policy), mapping],
        "maps-badly": [demand(0), policies(gold), bad_mapping],
        "no-any": [demand(0), policies(any_policy), no_any],
        "mild": [policies(gold), mapping],
        "critical-only": [demand()],
    }
    leaf_policies: dict[str, list[bytes]] = {
        "none": [],
        "gold": [policies(gold)],
        "silver": [policies(silver)],
        "any": [policies(any_policy)],
        "gold-demands": [policies(gold), demand(0)],
        "demands": [demand(0)],
    }
    for label, others in subs.items():
        sub = cases.add_authority(
            f"policy-{label}",
            authority(name(("CN", f"policy {label}")), ecdsa("policy"), issuer=ca, others=others),
        )
        below = cases.add_authority(
            f"policy-{label}/sub",
            authority(
                name(("CN", f"policy {label} sub")),
                ecdsa("policy sub"),
                issuer=sub,
                others=[policies(gold, any_policy)],
            ),
        )
        for leaf_label, extra in leaf_policies.items():
            made = cases.add(
                f"policy-{label}/{leaf_label}",
                leaf(
                    sub,
                    ed("leaf"),
                    dns=["w1.example.com"],
                    ips=(),
                    subject=name(("CN", "w1")),
                    others=extra,
                ),
            )
            cases.ask(f"policy: {label}, leaf {leaf_label}", made, intermediates=[sub.id])
            cases.ask(f"policy: root {label}, leaf {leaf_label}", made, [sub.id])
            if leaf_label in {"silver", "demands"}:
                continue
            deep = cases.add(
                f"policy-{label}/sub/{leaf_label}",
                leaf(
                    below,
                    ed("leaf"),
                    dns=["w1.example.com"],
                    ips=(),
                    subject=name(("CN", "w1")),
                    others=extra,
                ),
            )
            cases.ask(
                f"policy: {label} above, leaf {leaf_label}", deep, intermediates=[sub.id, below.id]
            )
    client = cases.add(
        "policy-client",
        leaf(
            Authority("", name(("CN", "policy demands")), ecdsa("policy")),
            ed("leaf"),
            usage=(CLIENT_AUTH,),
        ),
    )
    root = cases.add("policy-root", authority(name(("CN", "policy demands")), ecdsa("policy")))
    cases.ask(
        "policy: one chain fails by policy, one by usage",
        client,
        ["ca", root],
        intermediates=["policy-demands"],
    )
    sub = Authority("policy-no-any", name(("CN", "policy no-any")), ecdsa("policy"))
    rolled = authority(
        sub.subject, ecdsa("policy rolled"), issuer=sub, others=[policies(any_policy)]
    )
    below = cases.add_authority("policy-rolled", rolled)
    for leaf_label in ("gold", "any"):
        extra = leaf_policies[leaf_label]
        made = cases.add(f"policy-rolled/{leaf_label}", leaf(below, ed("leaf"), others=extra))
        cases.ask(
            f"policy: any, by a key rolled over, leaf {leaf_label}",
            made,
            intermediates=[sub.id, below.id],
        )


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
