"""Which addresses a kubelet may have: usable ones, its own, nobody else's, and never the cluster's."""

from ipaddress import ip_address

from kubevouch.policy.claims import plainest
from kubevouch.policy.facts import CsrFacts
from kubevouch.policy.names import sources_of
from kubevouch.policy.reserved import reserved_address, unusable
from kubevouch.policy.rule import (
    HoldReason,
    RuleResult,
    cannot_tell,
    listed,
    passes,
    refuses,
    unreadable,
)


def usable_addresses(facts: CsrFacts) -> RuleResult:
    """No loopback, link-local, multicast or mapped address: the signer issues `::ffff:a.b.c.d` as `a.b.c.d`.

    A loopback address passes only where the operator lists that very one (docs/lab.md).
    """
    parsed = facts.csr.parsed
    if parsed is None:
        return unreadable("usable-addresses")
    bad = [f"{a} ({what})" for a in parsed.ip_addresses if (what := unusable(a, facts.reserved))]
    if bad:
        return refuses(
            "usable-addresses",
            HoldReason.ADDRESS_NOT_USABLE,
            "no node is reached at such an address",
            seen=listed(bad),
            allowed="unicast addresses in their plain form",
        )
    return passes("usable-addresses", listed(parsed.ip_addresses))


def reserved_addresses(facts: CsrFacts) -> RuleResult:
    """API servers, Services and virtual addresses are no kubelet's. No flag overrides this.

    The one exception is by pin: a control-plane node has its API server's address as its own.
    """
    parsed = facts.csr.parsed
    if parsed is None:
        return unreadable("reserved-addresses")
    taken = [
        f"{address} ({why})"
        for address in parsed.ip_addresses
        if (why := reserved_address(address, facts.reserved, facts.allowed))
    ]
    if taken:
        return refuses(
            "reserved-addresses",
            HoldReason.RESERVED_ADDRESS,
            "addresses of the cluster itself are no kubelet's",
            seen=listed(taken),
            allowed="none of the cluster's own addresses",
        )
    if facts.reserved.doubts:
        return cannot_tell("reserved-addresses", listed(facts.reserved.doubts))
    return passes("reserved-addresses", listed(parsed.ip_addresses))


def foreign_addresses(facts: CsrFacts) -> RuleResult:
    """With another node's address a kubelet could be that node. No flag overrides this.

    What another node merely claims does not take away what we saw to be this one's.
    """
    parsed = facts.csr.parsed
    if parsed is None:
        return unreadable("foreign-addresses")
    if facts.other_nodes is None:
        return cannot_tell("foreign-addresses", "the nodes of the cluster could not be read")
    others = facts.other_nodes.addresses
    own = sources_of(facts.allowed)
    theirs = [
        f"{address} (of {owner.node})"
        for address in parsed.ip_addresses
        if (owner := others.get(plainest(address))) and owner.keeps_it_from(own.get(str(address)))
    ]
    if theirs:
        return refuses(
            "foreign-addresses",
            HoldReason.FOREIGN_ADDRESS,
            "an address that another node has, or says it has",
            seen=listed(theirs),
            allowed="no other node's addresses",
        )
    return passes("foreign-addresses", listed(parsed.ip_addresses))


def allowed_addresses(facts: CsrFacts) -> RuleResult:
    """Every address is one of those that this node may have."""
    parsed, allowed = facts.csr.parsed, facts.allowed
    if parsed is None:
        return unreadable("allowed-addresses")
    seen = listed(parsed.ip_addresses)
    if allowed is None:
        return cannot_tell(
            "allowed-addresses", "no source knows this node", HoldReason.NODE_UNKNOWN, seen=seen
        )
    known = {ip_address(entry.value): entry.source for entry in allowed.addresses}
    listing = listed([f"{value} ({source})" for value, source in known.items()])
    strange = [address for address in parsed.ip_addresses if address not in known]
    if strange:
        return refuses(
            "allowed-addresses",
            HoldReason.ADDRESS_NOT_ALLOWED,
            f"not this node's: {listed(strange)}",
            seen=seen,
            allowed=listing,
        )
    unproven = [address for address in parsed.ip_addresses if not known[address].is_proof]
    if unproven and not allowed.trusts_node:
        return cannot_tell(
            "allowed-addresses",
            f"only the node itself says so: {listed(unproven)}",
            HoldReason.ONLY_THE_NODE_SAYS_SO,
            seen=seen,
            allowed=listing,
        )
    return passes("allowed-addresses", seen, listing)
