"""Which addresses a kubelet may have: usable ones, its own, nobody else's, and never the cluster's."""

from ipaddress import IPv6Address, ip_address, ip_network

from kubevouch.policy.names import sources_of
from kubevouch.policy.question import Address, Allowance, Question, Reserved
from kubevouch.policy.ruling import Reason, Ruling, cannot_tell, listed, passes, refuses, unreadable

_LOOPBACK = "loopback"
# What no node is reached at from elsewhere (IANA special-purpose registries, RFC 6890).
_UNUSABLE = {
    ip_network(text): what
    for text, what in {
        "0.0.0.0/8": "this network",
        "127.0.0.0/8": _LOOPBACK,
        "169.254.0.0/16": "link-local",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved, broadcast",
        "::/128": "unspecified",
        "::1/128": _LOOPBACK,
        "::ffff:0:0/96": "an IPv4 address in IPv6 clothes",
        "64:ff9b::/96": "an IPv4 address in IPv6 clothes",
        "fe80::/10": "link-local",
        "ff00::/8": "multicast",
    }.items()
}


def usable_addresses(question: Question) -> Ruling:
    """No loopback, link-local, multicast or mapped address: the signer issues `::ffff:a.b.c.d` as `a.b.c.d`.

    A loopback address passes only where the operator lists that very one (docs/lab.md).
    """
    parsed = question.request.parsed
    if parsed is None:
        return unreadable("usable-addresses")
    bad = [f"{a} ({what})" for a in parsed.ip_addresses if (what := unusable(a, question.reserved))]
    if bad:
        return refuses(
            "usable-addresses",
            Reason.ADDRESS_NOT_USABLE,
            "no node is reached at such an address",
            seen=listed(bad),
            allowed="unicast addresses in their plain form",
        )
    return passes("usable-addresses", listed(parsed.ip_addresses))


def unusable(address: Address, reserved: Reserved) -> str | None:
    """Why no node is reached at such an address, or None."""
    for network, what in _UNUSABLE.items():
        if address.version == network.version and address in network:
            return None if what == _LOOPBACK and address in reserved.loopback else what
    return None


def plainest(address: Address) -> Address:
    """The address a mapped one stands for: comparisons never miss it, whatever form it came in."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def reserved_addresses(question: Question) -> Ruling:
    """API servers, Services and virtual addresses are no kubelet's. No flag overrides this.

    The one exception is by pin: a control-plane node has its API server's address as its own.
    """
    parsed = question.request.parsed
    if parsed is None:
        return unreadable("reserved-addresses")
    taken = [
        f"{address} ({why})"
        for address in parsed.ip_addresses
        if (why := reserved_address(address, question.reserved, question.allowance))
    ]
    if taken:
        return refuses(
            "reserved-addresses",
            Reason.RESERVED_ADDRESS,
            "addresses of the cluster itself are no kubelet's",
            seen=listed(taken),
            allowed="none of the cluster's own addresses",
        )
    if question.reserved.doubts:
        return cannot_tell("reserved-addresses", listed(question.reserved.doubts))
    return passes("reserved-addresses", listed(parsed.ip_addresses))


def reserved_address(
    address: Address, reserved: Reserved, allowance: Allowance | None
) -> str | None:
    """What an address is reserved for, or None."""
    address = plainest(address)
    if why := reserved.addresses.get(address):
        return why
    for network, what in reserved.networks.items():
        if address.version == network.version and address in network:
            return what
    if (why := reserved.external_addresses.get(address)) and not _is_pinned(address, allowance):
        return why
    why = reserved.endpoint_addresses.get(address)
    own = allowance is not None and allowance.control_plane and _is_pinned(address, allowance)
    return None if own else why


def _is_pinned(address: Address, allowance: Allowance | None) -> bool:
    """By more than the word of the node, and more than its name."""
    return allowance is not None and any(
        ip_address(entry.value) == address and entry.source.is_pin for entry in allowance.addresses
    )


def foreign_addresses(question: Question) -> Ruling:
    """With another node's address a kubelet could be that node. No flag overrides this.

    What another node merely claims does not take away what we saw to be this one's.
    """
    parsed = question.request.parsed
    if parsed is None:
        return unreadable("foreign-addresses")
    if question.others is None:
        return cannot_tell("foreign-addresses", "the nodes of the cluster could not be read")
    others = question.others.addresses
    own = sources_of(question.allowance)
    theirs = [
        f"{address} (of {owner.node})"
        for address in parsed.ip_addresses
        if (owner := others.get(plainest(address))) and owner.keeps_it_from(own.get(str(address)))
    ]
    if theirs:
        return refuses(
            "foreign-addresses",
            Reason.FOREIGN_ADDRESS,
            "an address that another node has, or says it has",
            seen=listed(theirs),
            allowed="no other node's addresses",
        )
    return passes("foreign-addresses", listed(parsed.ip_addresses))


def allowed_addresses(question: Question) -> Ruling:
    """Every address is one of those that this node may have."""
    parsed, allowance = question.request.parsed, question.allowance
    if parsed is None:
        return unreadable("allowed-addresses")
    seen = listed(parsed.ip_addresses)
    if allowance is None:
        return cannot_tell(
            "allowed-addresses", "no source knows this node", Reason.NODE_UNKNOWN, seen=seen
        )
    known = {ip_address(entry.value): entry.source for entry in allowance.addresses}
    allowed = listed([f"{value} ({source})" for value, source in known.items()])
    strange = [address for address in parsed.ip_addresses if address not in known]
    if strange:
        return refuses(
            "allowed-addresses",
            Reason.ADDRESS_NOT_ALLOWED,
            f"not this node's: {listed(strange)}",
            seen=seen,
            allowed=allowed,
        )
    unproven = [address for address in parsed.ip_addresses if not known[address].is_proof]
    if unproven and not allowance.trusts_node:
        return cannot_tell(
            "allowed-addresses",
            f"only the node itself says so: {listed(unproven)}",
            Reason.ONLY_THE_NODE_SAYS_SO,
            seen=seen,
            allowed=allowed,
        )
    return passes("allowed-addresses", seen, allowed)
