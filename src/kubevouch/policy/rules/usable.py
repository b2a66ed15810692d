"""Rules about the form of names and addresses, so that all programs interpret them alike."""

import re
from ipaddress import ip_network

from kubevouch.policy.claims import Address
from kubevouch.policy.facts import NameFacts, RuleResult, listed, passes, passes_if, refuses
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.reserved import ReservedNames

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]*|[0-9]+")
_LONGEST = 253

_LOOPBACK = "loopback"
# Addresses at which no other host can reach a node (IANA special-purpose registries, RFC 6890).
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
        "::ffff:0:0/96": "an IPv4 address inside an IPv6 address",
        "64:ff9b::/96": "an IPv4 address inside an IPv6 address",
        "fe80::/10": "link-local",
        "ff00::/8": "multicast",
    }.items()
}


def malformed(name: str) -> str | None:
    """Why no host can have this name, or None. The operator cannot allow such a name.

    Labels are as in RFC 1123, section 2.1. Some programs take an all-numeric name for an IPv4
    address (WHATWG URL, section 3.5).
    """
    labels = name.split(".")
    if not 0 < len(name) <= _LONGEST:
        return f"{len(name)} characters"
    if "*" in name:
        return "a wildcard"
    if not all(_LABEL.fullmatch(label) for label in labels):
        return "not an RFC 1123 name"
    if all(_NUMBER.fullmatch(label) for label in labels):
        return "an address, not a name"
    return None


def unusual(name: str) -> str | None:
    """Why programs may misread a well-formed name, or None. The operator can allow such a name."""
    labels = name.lower().split(".")
    if name != name.lower():
        return "capital letters"
    if any(label.startswith("xn--") for label in labels):
        return "an internationalized name"
    if _NUMBER.fullmatch(labels[-1]):
        return "ends in a number, like an address"
    if labels[0] == "kubernetes":
        return "begins like the API server's name"
    return None


def plain_names(facts: NameFacts) -> RuleResult:
    """No name is a wildcard, or has a spelling that programs may compare differently.

    A lower-case RFC 1123 name passes, unless it is `unusual`. A `malformed` name never passes. The
    operator can allow an unusual one.
    """
    names, allowed = facts.asked.names, "lower-case RFC 1123 names"
    bad = {name: why for name in names if (why := malformed(name))}
    if bad:
        return refuses(
            HoldReason.NAME_NOT_PLAIN,
            "no node can have this name",
            seen=listed([f"{name!r} ({why})" for name, why in bad.items()]),
            allowed=allowed,
        )
    known = {each.value: each for each in (facts.allowed.names if facts.allowed else ())}
    odd = {
        name: why
        for name in names
        if (why := unusual(name)) and not (name in known and known[name].by_operator)
    }
    if odd:
        return refuses(
            HoldReason.NAME_NOT_PLAIN,
            "programs may read this name differently, so only the operator can allow it",
            seen=listed([f"{name!r} ({why})" for name, why in odd.items()]),
            allowed=allowed,
            operator_may_allow=tuple(odd),
        )
    return passes(listed(names), allowed)


def usable_addresses(facts: NameFacts) -> RuleResult:
    """No address is loopback, link-local, multicast or IPv4-mapped: the signer would issue `::ffff:a.b.c.d` as `a.b.c.d`.

    A loopback address passes only if the operator lists that address (docs/lab.md).
    """
    addresses = facts.asked.addresses
    bad = [f"{a} ({why})" for a in addresses if (why := unusable(a, facts.reserved))]
    return passes_if(
        good=not bad,
        reason=HoldReason.ADDRESS_NOT_USABLE,
        message="no other host can reach a node at this address",
        seen=listed(bad or addresses),
        allowed="canonical unicast addresses",
    )


def unusable(address: Address, reserved: ReservedNames) -> str | None:
    """Why no other host can reach a node at this address, or None."""
    for network, what in _UNUSABLE.items():
        if address.version == network.version and address in network:
            return None if what == _LOOPBACK and address in reserved.loopback else what
    return None
