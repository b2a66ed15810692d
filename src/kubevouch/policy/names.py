"""Which DNS names a kubelet may have: plain ones, its own, nobody else's, and never the cluster's."""

import re

from kubevouch.policy.question import Allowance, Question, Reserved, Source
from kubevouch.policy.ruling import Reason, Ruling, cannot_tell, listed, passes, refuses, unreadable

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST = 253

# Reserved in every cluster, whatever its domain is called.
_SUFFIXES = {
    ".kubernetes": "the API server",
    ".localhost": "every machine's own",
    ".svc": "a Service",
    ".cluster.local": "the cluster's own domain",
}


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


def plain_names(question: Question) -> Ruling:
    """No wildcard and no spelling that two readers compare differently."""
    parsed = question.request.parsed
    if parsed is None:
        return unreadable("plain-names")
    odd = [name for name in parsed.dns_names if not is_plain(name)]
    allowed = "lower-case RFC 1123 names"
    if odd:
        return refuses(
            "plain-names",
            Reason.NAME_NOT_PLAIN,
            "wildcards and unusual spellings are never a node's",
            seen=listed([repr(name) for name in odd]),
            allowed=allowed,
        )
    return passes("plain-names", listed(parsed.dns_names), allowed)


def sources_of(allowance: Allowance | None) -> dict[str, Source]:
    """What the node may have, and how we know."""
    entries = (*allowance.names, *allowance.addresses) if allowance else ()
    return {entry.value: entry.source for entry in entries}


def reserved_names(question: Question) -> Ruling:
    """A kubelet with `kubernetes.default.svc` could be the API server to every pod. No flag overrides this."""
    parsed = question.request.parsed
    if parsed is None:
        return unreadable("reserved-names")
    taken = [
        f"{name} ({why})"
        for name in parsed.dns_names
        if (why := reserved_name(name, question.reserved, question.allowance))
    ]
    if taken:
        return refuses(
            "reserved-names",
            Reason.RESERVED_NAME,
            "names of the cluster itself are no kubelet's",
            seen=listed(taken),
            allowed="none of the cluster's own names",
        )
    if question.reserved.doubts:
        return cannot_tell("reserved-names", listed(question.reserved.doubts))
    return passes("reserved-names", listed(parsed.dns_names))


def reserved_name(name: str, reserved: Reserved, allowance: Allowance | None) -> str | None:
    """What a name is reserved for, or None.

    A control plane may be reached by the name of its one node: that node may have it.
    """
    name = name.lower().rstrip(".")
    own = allowance is not None and allowance.control_plane and name == allowance.node
    if (why := reserved.names.get(name)) and not own:
        return why
    for suffix, what in (_SUFFIXES | reserved.suffixes).items():
        if name.endswith(suffix) or name == suffix.removeprefix("."):
            return what
    return "the API server" if name.startswith("kubernetes.") else None


def foreign_names(question: Question) -> Ruling:
    """With another node's name a kubelet could be that node. No flag overrides this.

    What another node merely claims does not take away what we saw to be this one's.
    """
    parsed = question.request.parsed
    if parsed is None:
        return unreadable("foreign-names")
    if question.others is None:
        return cannot_tell("foreign-names", "the nodes of the cluster could not be read")
    others = question.others.names
    own = sources_of(question.allowance)
    theirs = [
        f"{name} (of {owner.node})"
        for name in parsed.dns_names
        if (owner := others.get(name.lower())) and owner.keeps_it_from(own.get(name))
    ]
    if theirs:
        return refuses(
            "foreign-names",
            Reason.FOREIGN_NAME,
            "a name that another node has, or says it has",
            seen=listed(theirs),
            allowed="no other node's names",
        )
    return passes("foreign-names", listed(parsed.dns_names))


def allowed_names(question: Question) -> Ruling:
    """Every name is one of those that this node may have."""
    parsed, allowance = question.request.parsed, question.allowance
    if parsed is None:
        return unreadable("allowed-names")
    seen = listed(parsed.dns_names)
    if allowance is None:
        return cannot_tell(
            "allowed-names", "no source knows this node", Reason.NODE_UNKNOWN, seen=seen
        )
    known = {entry.value: entry.source for entry in allowance.names}
    allowed = listed([f"{value} ({source})" for value, source in known.items()])
    strange = [name for name in parsed.dns_names if name not in known]
    if strange:
        return refuses(
            "allowed-names",
            Reason.NAME_NOT_ALLOWED,
            f"not this node's: {listed(strange)}",
            seen=seen,
            allowed=allowed,
        )
    unproven = [name for name in parsed.dns_names if not known[name].is_proof]
    if unproven and not allowance.trusts_node:
        return cannot_tell(
            "allowed-names",
            f"only the node itself says so: {listed(unproven)}",
            Reason.ONLY_THE_NODE_SAYS_SO,
            seen=seen,
            allowed=allowed,
        )
    return passes("allowed-names", seen, allowed)
