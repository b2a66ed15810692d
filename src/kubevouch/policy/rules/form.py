"""The form of a kubelet's CSR: canonical bytes, bounded sizes, and the key and usages that kubelets send."""

from kubevouch.kube.resources.certificates import MOST_REQUEST
from kubevouch.policy.facts import (
    CsrFacts,
    NameFacts,
    RuleResult,
    listed,
    passes,
    refuses,
    unreadable,
)
from kubevouch.policy.reasons import HoldReason

_USAGES = frozenset({"digital signature", "server auth"})
_USAGES_WITH_ENCIPHERMENT = _USAGES | {"key encipherment"}
_KEY = "ECDSA P-256"
"""The only kind of key that kubelets generate (client-go util/certificate/certificate_manager.go,
generateCSR)."""

_MOST_NAMES = 8
_MOST_ADDRESSES = 16


def size(facts: CsrFacts) -> RuleResult:
    """The CSR is not much larger than a kubelet's, which has about 500 bytes."""
    seen, allowed = facts.csr.size, MOST_REQUEST
    if seen > allowed:
        return refuses(
            "size",
            HoldReason.TOO_LARGE,
            "larger than any kubelet's CSR",
            seen=f"{seen} bytes",
            allowed=f"at most {allowed} bytes",
        )
    return passes("size", f"{seen} bytes", f"at most {allowed} bytes")


def canonical(facts: CsrFacts) -> RuleResult:
    """The CSR is unambiguous: it is encoded exactly as kubelets encode it.

    In a CSR with two extension requests, two PEM blocks or an IPv4-mapped address, other parsers may
    find other names than the signer's (Go's).
    """
    csr = facts.csr
    allowed = "one PEM block, one extension request with a subjectAltName, nothing else"
    if csr.parsed is None:
        return refuses(
            "canonical",
            HoldReason.UNREADABLE,
            csr.unreadable or "the CSR cannot be read",
            seen="unreadable",
            allowed=allowed,
        )
    if csr.parsed.quirk:
        return refuses(
            "canonical",
            HoldReason.NOT_CANONICAL,
            csr.parsed.quirk,
            seen="not canonical",
            allowed=allowed,
        )
    return passes("canonical", "canonical", allowed)


def usages(facts: CsrFacts) -> RuleResult:
    """The usages are digital signature and server auth. Older kubelets also request key encipherment."""
    seen = facts.csr.usages
    allowed = "digital signature, server auth (and key encipherment)"
    if len(set(seen)) != len(seen) or set(seen) not in (_USAGES, _USAGES_WITH_ENCIPHERMENT):
        return refuses(
            "usages",
            HoldReason.WRONG_USAGES,
            "a serving certificate is for server authentication only",
            seen=listed(seen),
            allowed=allowed,
        )
    return passes("usages", listed(seen), allowed)


def key(facts: CsrFacts) -> RuleResult:
    """The key is ECDSA P-256. Kubelets generate a new key for every CSR."""
    parsed, allowed = facts.csr.parsed, _KEY
    if parsed is None:
        return unreadable("key")
    seen = str(parsed.key)
    if seen != _KEY:
        return refuses(
            "key",
            HoldReason.WRONG_KEY,
            "no kubelet generates a key of this kind",
            seen=seen,
            allowed=allowed,
        )
    return passes("key", seen, allowed)


def lifetime(facts: CsrFacts) -> RuleResult:
    """The requested lifetime is not longer than the policy allows.

    Kubelets leave it unset: the signer then uses its --cluster-signing-duration.
    """
    seconds, most = facts.csr.expiration_seconds, facts.max_lifetime
    hours = int(most.total_seconds()) // 3600
    allowed = f"at most {hours // 24} days" if hours % 24 == 0 else f"at most {hours} hours"
    allowed += ", or unset"
    if seconds is not None and seconds > most.total_seconds():
        return refuses(
            "lifetime",
            HoldReason.LIFETIME_TOO_LONG,
            "the requested lifetime is too long",
            seen=f"{seconds} s",
            allowed=allowed,
        )
    return passes("lifetime", "unset" if seconds is None else f"{seconds} s")


def count(facts: NameFacts) -> RuleResult:
    """The CSR has few names and addresses, and at least one address, like a kubelet's by default.

    The operator must allow each name in a CSR without an address (feature gate
    AllowDNSOnlyNodeCSR).
    """
    asked = facts.asked
    if asked is None:
        return unreadable("count")
    seen = f"{len(asked.names)} DNS, {len(asked.addresses)} IP"
    allowed = f"at most {_MOST_NAMES} DNS, 1 to {_MOST_ADDRESSES} IP"
    if len(asked.names) > _MOST_NAMES or len(asked.addresses) > _MOST_ADDRESSES:
        return refuses(
            "count",
            HoldReason.TOO_MANY_NAMES,
            "no node has so many names or addresses",
            seen=seen,
            allowed=allowed,
        )
    said = {c.value for c in (facts.allowed.names if facts.allowed else ()) if c.by_operator}
    unsaid = tuple(name for name in asked.names if name not in said)
    if not asked.addresses and (unsaid or not asked.names):
        return refuses(
            "count",
            HoldReason.NOTHING_ASKED,
            "kubelets request at least one address, unless AllowDNSOnlyNodeCSR is on",
            seen=seen,
            allowed=allowed,
            operator_may_allow=unsaid,
        )
    return passes("count", seen, allowed)
