"""The form of a kubelet's CSR: canonical bytes, bounded sizes, and the key and usages that kubelets send."""

from kubevouch.kube.resources.certificates import MOST_REQUEST
from kubevouch.policy.facts import (
    UNREADABLE,
    CsrFacts,
    NameFacts,
    RuleResult,
    listed,
    passes,
    passes_if,
    refuses,
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
    return passes_if(
        good=facts.csr.size <= MOST_REQUEST,
        reason=HoldReason.TOO_LARGE,
        message="larger than any kubelet's CSR",
        seen=f"{facts.csr.size} bytes",
        allowed=f"at most {MOST_REQUEST} bytes",
    )


def canonical(facts: CsrFacts) -> RuleResult:
    """The CSR is unambiguous: it is encoded exactly as kubelets encode it.

    In other CSRs, the signer's parser, which is Go's, and another parser may find different names.
    Examples are a CSR with two extension requests, two PEM blocks or an IPv4-mapped address.
    """
    csr = facts.csr
    allowed = "one PEM block, one extension request with a subjectAltName, nothing else"
    if csr.parsed is None:
        why = csr.unreadable or "the CSR cannot be read"
        return refuses(HoldReason.UNREADABLE, why, seen="unreadable", allowed=allowed)
    return passes_if(
        good=not csr.parsed.quirk,
        reason=HoldReason.NOT_CANONICAL,
        message=csr.parsed.quirk,
        seen="not canonical" if csr.parsed.quirk else "canonical",
        allowed=allowed,
    )


def usages(facts: CsrFacts) -> RuleResult:
    """The usages are digital signature and server auth. Older kubelets also request key encipherment."""
    seen = facts.csr.usages
    usual = set(seen) in (_USAGES, _USAGES_WITH_ENCIPHERMENT)
    return passes_if(
        good=usual and len(set(seen)) == len(seen),
        reason=HoldReason.WRONG_USAGES,
        message="a serving certificate is for server authentication only",
        seen=listed(seen),
        allowed="digital signature, server auth (and key encipherment)",
    )


def key(facts: CsrFacts) -> RuleResult:
    """The key is ECDSA P-256. Kubelets generate a new key for every CSR."""
    if facts.csr.parsed is None:
        return UNREADABLE
    seen = str(facts.csr.parsed.key)
    return passes_if(
        good=seen == _KEY,
        reason=HoldReason.WRONG_KEY,
        message="no kubelet generates a key of this kind",
        seen=seen,
        allowed=_KEY,
    )


def lifetime(facts: CsrFacts) -> RuleResult:
    """The requested lifetime is not longer than the policy allows.

    Kubelets leave it unset: the signer then uses its --cluster-signing-duration.
    """
    seconds, most = facts.csr.expiration_seconds, facts.max_lifetime
    hours = int(most.total_seconds()) // 3600
    limit = f"{hours // 24} days" if hours % 24 == 0 else f"{hours} hours"
    return passes_if(
        good=seconds is None or seconds <= most.total_seconds(),
        reason=HoldReason.LIFETIME_TOO_LONG,
        message="the requested lifetime is too long",
        seen="unset" if seconds is None else f"{seconds} s",
        allowed=f"at most {limit}, or unset",
    )


def count(facts: NameFacts) -> RuleResult:
    """The CSR has few names and addresses, and at least one address, as kubelets send by default.

    With the feature gate AllowDNSOnlyNodeCSR, a kubelet may request no address. Then the operator
    must allow each requested name.
    """
    asked = facts.asked
    seen = f"names: {len(asked.names)}, addresses: {len(asked.addresses)}"
    allowed = f"at most {_MOST_NAMES} names, 1 to {_MOST_ADDRESSES} addresses"
    if len(asked.names) > _MOST_NAMES or len(asked.addresses) > _MOST_ADDRESSES:
        return refuses(
            HoldReason.TOO_MANY_NAMES,
            "too many names or addresses",
            seen=seen,
            allowed=allowed,
        )
    said = {c.value for c in (facts.allowed.names if facts.allowed else ()) if c.by_operator}
    unsaid = tuple(name for name in asked.names if name not in said)
    if not asked.addresses and (unsaid or not asked.names):
        return refuses(
            HoldReason.NOTHING_ASKED,
            "kubelets request at least one address, unless AllowDNSOnlyNodeCSR is on",
            seen=seen,
            allowed=allowed,
            operator_may_allow=unsaid,
        )
    return passes(seen, allowed)
