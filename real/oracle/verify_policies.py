"""Cases about certificate policies."""

from real.oracle.asn1 import implicit, integer, name, oid, seq
from real.oracle.cases import Cases
from real.oracle.certificates import (
    CLIENT_AUTH,
    Authority,
    authority,
    extension,
    leaf,
    policies,
)
from real.oracle.keys import ecdsa, ed


def gather(cases: Cases, ca: Authority) -> None:
    _policies(cases, ca)


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
