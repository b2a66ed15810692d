"""Cases about signatures: good, bad, weak, of another kind than they claim."""

from real.oracle.asn1 import explicit, integer, name, null, oid, seq, tlv
from real.oracle.cases import Cases
from real.oracle.certificates import (
    Authority,
    authority,
    leaf,
)
from real.oracle.keys import BareKey, EcKey, Key, RsaKey, ecdsa, ed, pss_algorithm, rsa

CLUSTER = name(("CN", "kubernetes"))


def gather(cases: Cases, ca: Authority) -> None:
    _signatures(cases, ca)


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
