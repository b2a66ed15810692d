"""Which DNS names a kubelet may have: plain ones, its own, nobody else's, and never the cluster's."""

import re

from kubevouch.policy.claims import AllowedNames, NameSource
from kubevouch.policy.facts import CsrFacts
from kubevouch.policy.reserved import reserved_name
from kubevouch.policy.rule import (
    HoldReason,
    RuleResult,
    cannot_tell,
    listed,
    passes,
    refuses,
    unreadable,
)

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST = 253


def is_plain(name: str) -> bool:
    """A lower-case RFC 1123 name: no wildcard, no trailing dot, no underscore, no IDN, nothing numeric only.

    A name whose last label is a number could be read as an IPv4 address by somebody (WHATWG URL, section
    3.5), so it is not plain.
    """
    labels = name.split(".")
    return (
        0 < len(name) <= _LONGEST
        and all(_LABEL.fullmatch(label) for label in labels)
        and not any(label.startswith("xn--") for label in labels)
        and not labels[-1].isdigit()
    )


def plain_names(facts: CsrFacts) -> RuleResult:
    """No wildcard and no spelling that two readers compare differently."""
    parsed = facts.csr.parsed
    if parsed is None:
        return unreadable("plain-names")
    odd = [name for name in parsed.dns_names if not is_plain(name)]
    allowed = "lower-case RFC 1123 names"
    if odd:
        return refuses(
            "plain-names",
            HoldReason.NAME_NOT_PLAIN,
            "wildcards and unusual spellings are never a node's",
            seen=listed([repr(name) for name in odd]),
            allowed=allowed,
        )
    return passes("plain-names", listed(parsed.dns_names), allowed)


def sources_of(allowed: AllowedNames | None) -> dict[str, NameSource]:
    """What the node may have, and how we know."""
    entries = (*allowed.names, *allowed.addresses) if allowed else ()
    return {entry.value: entry.source for entry in entries}


def reserved_names(facts: CsrFacts) -> RuleResult:
    """A kubelet with `kubernetes.default.svc` could be the API server to every pod. No flag overrides this."""
    parsed = facts.csr.parsed
    if parsed is None:
        return unreadable("reserved-names")
    taken = [
        f"{name} ({why})"
        for name in parsed.dns_names
        if (why := reserved_name(name, facts.reserved, facts.allowed))
    ]
    if taken:
        return refuses(
            "reserved-names",
            HoldReason.RESERVED_NAME,
            "names of the cluster itself are no kubelet's",
            seen=listed(taken),
            allowed="none of the cluster's own names",
        )
    if facts.reserved.doubts:
        return cannot_tell("reserved-names", listed(facts.reserved.doubts))
    return passes("reserved-names", listed(parsed.dns_names))


def foreign_names(facts: CsrFacts) -> RuleResult:
    """With another node's name a kubelet could be that node. No flag overrides this.

    What another node merely claims does not take away what we saw to be this one's.
    """
    parsed = facts.csr.parsed
    if parsed is None:
        return unreadable("foreign-names")
    if facts.other_nodes is None:
        return cannot_tell("foreign-names", "the nodes of the cluster could not be read")
    others = facts.other_nodes.names
    own = sources_of(facts.allowed)
    theirs = [
        f"{name} (of {owner.node})"
        for name in parsed.dns_names
        if (owner := others.get(name.lower())) and owner.keeps_it_from(own.get(name))
    ]
    if theirs:
        return refuses(
            "foreign-names",
            HoldReason.FOREIGN_NAME,
            "a name that another node has, or says it has",
            seen=listed(theirs),
            allowed="no other node's names",
        )
    return passes("foreign-names", listed(parsed.dns_names))


def allowed_names(facts: CsrFacts) -> RuleResult:
    """Every name is one of those that this node may have."""
    parsed, allowed = facts.csr.parsed, facts.allowed
    if parsed is None:
        return unreadable("allowed-names")
    seen = listed(parsed.dns_names)
    if allowed is None:
        return cannot_tell(
            "allowed-names", "no source knows this node", HoldReason.NODE_UNKNOWN, seen=seen
        )
    known = {entry.value: entry.source for entry in allowed.names}
    listing = listed([f"{value} ({source})" for value, source in known.items()])
    strange = [name for name in parsed.dns_names if name not in known]
    if strange:
        return refuses(
            "allowed-names",
            HoldReason.NAME_NOT_ALLOWED,
            f"not this node's: {listed(strange)}",
            seen=seen,
            allowed=listing,
        )
    unproven = [name for name in parsed.dns_names if not known[name].is_proof]
    if unproven and not allowed.trusts_node:
        return cannot_tell(
            "allowed-names",
            f"only the node itself says so: {listed(unproven)}",
            HoldReason.ONLY_THE_NODE_SAYS_SO,
            seen=seen,
            allowed=listing,
        )
    return passes("allowed-names", seen, listing)
