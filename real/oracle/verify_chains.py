"""Cases about the way from a leaf to a root: intermediates, key ids, limits, loops."""

from datetime import timedelta

from real.oracle.asn1 import name, time
from real.oracle.cases import Cases
from real.oracle.certificates import (
    NOW,
    SAN,
    Authority,
    Certificate,
    authority,
    authority_key_id,
    basic,
    extension,
    key_id,
    key_usage,
    leaf,
    san_value,
    subject_key_id,
)
from real.oracle.keys import ecdsa, ed, rsa

CLUSTER = name(("CN", "kubernetes"))
NAMELESS = name(("OU", "neither CN nor O"))
"""Of CAs by this name Go tells the serial number, so one sees which it means."""


def gather(cases: Cases, ca: Authority) -> None:
    _intermediates(cases, ca)
    _key_ids(cases, ca)
    _limits(cases, ca)


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
    branch = authority(name(("CN", "branch")), ed("branch"), issuer=Authority("", CLUSTER, ca.key))
    del branch.extensions[3]
    made = cases.add("on-a-branch", leaf(cases.add_authority("branch", branch), ecdsa("leaf")))
    cases.ask("limit: reached on a branch", made, [], intermediates=["branch", *many])
    dressed = [
        cases.add(
            f"dressed-{number}",
            authority(name(("CN", "dressed")), ed("dressed"), others=others),
        )
        for number, others in enumerate(
            ([], [extension(SAN, san_value(["a"]))], [extension(SAN, san_value(["b"]))])
        )
    ]
    worn = leaf(Authority("", name(("CN", "dressed")), ed("dressed")), ecdsa("leaf"))
    made = cases.add("dressed", worn)
    cases.ask("loop: one CA under three names", made, dressed[:1], intermediates=dressed)
    cases.ask("loop: one CA under three names, no root", made, [], intermediates=dressed)
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
