"""Whether the certificate policies in a chain allow it.

Hardly any cluster uses them, but an enterprise CA may require them of all certificates below it (policyConstraints),
and then Go refuses a chain without them. We request no policy, so only the lowest row of RFC 9618's policy graph is
needed: the policies that are valid so far, each with those that it allows further down.

Source: policiesValid in Go's crypto/x509/verify.go; RFC 5280, 6.1, as updated by RFC 9618.
"""

from kubevouch.x509.certificate import Certificate

ANY_POLICY = bytes((0x55, 0x1D, 0x20, 0x00))
"""2.5.29.32.0, the contents of the object identifier."""

Row = dict[bytes, set[bytes]]


def policies_allow(chain: tuple[Certificate, ...]) -> bool:
    """Whether a chain (leaf first, root last) fulfils the policy constraints stated in it."""
    if len(chain) == 1:
        return True
    count = len(chain) - 1
    explicit = mapping = inhibit_any = count + 1
    row: Row | None = {ANY_POLICY: {ANY_POLICY}}
    for index in range(count - 1, -1, -1):
        certificate, is_leaf = chain[index], index == 0
        policies = certificate.policies
        if not policies.stated:
            row = None
        if row is None:
            if explicit == 0:
                return False
        else:
            any_counts = inhibit_any > 0 or (not is_leaf and certificate.is_self_issued)
            row = _next_row(row, policies.stated, any_counts=any_counts)
            if not is_leaf and not _map(row, policies.mappings, allowed=mapping > 0):
                return False
        if is_leaf:
            break
        if not certificate.is_self_issued:
            explicit, mapping, inhibit_any = (
                max(0, left - 1) for left in (explicit, mapping, inhibit_any)
            )
        explicit = _lowered(explicit, policies.require_explicit)
        mapping = _lowered(mapping, policies.inhibit_mapping)
        inhibit_any = _lowered(inhibit_any, policies.inhibit_any)
    wanted = explicit <= 1 or chain[0].policies.require_explicit == 0
    return bool(row) or not wanted


def _next_row(row: Row, stated: tuple[bytes, ...], *, any_counts: bool) -> Row:
    """The policies that the certificate states and its issuer allows (RFC 5280, 6.1.3 (d))."""
    passed = set().union(*row.values())
    following: Row = {
        policy: {policy}
        for policy in stated
        if policy != ANY_POLICY and (policy in passed or ANY_POLICY in row)
    }
    if ANY_POLICY in stated and any_counts:
        for policy in passed:
            following.setdefault(policy, {policy})
    return following


def _map(row: Row, mappings: tuple[tuple[bytes, bytes], ...], *, allowed: bool) -> bool:
    """Maps an issuer's policies to its subject's (RFC 5280, 6.1.4 (b)). False if a mapping is invalid."""
    expected: Row = {}
    for issuer, subject in mappings:
        if not allowed:
            row.pop(issuer, None)
        elif ANY_POLICY in {issuer, subject}:
            return False
        else:
            expected.setdefault(issuer, set()).add(subject)
    for issuer, subjects in expected.items():
        if issuer in row or ANY_POLICY in row:
            row[issuer] = subjects
    return True


def _lowered(count: int, stated: int | None) -> int:
    return count if stated is None or stated < 0 else min(count, stated)
