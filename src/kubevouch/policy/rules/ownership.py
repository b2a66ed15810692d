"""Rules about ownership: each requested name and address must belong to the requesting node.

The same code checks names and addresses. A `Kind` contains what differs between them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from kubevouch.policy.claims import (
    Address,
    AllowedNames,
    AskedNames,
    ClaimedBy,
    OtherNodes,
)
from kubevouch.policy.facts import (
    NameFacts,
    RuleResult,
    cannot_tell,
    listed,
    passes,
    refuses,
)
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.reserved import reserved_address, reserved_name
from kubevouch.x509 import unmapped

Value = str | Address


@dataclass(frozen=True, slots=True)
class Kind:
    """What differs between names and addresses: the values to check, and the reason codes."""

    plural: str
    reserved: HoldReason
    foreign: HoldReason
    not_allowed: HoldReason

    def of(self, asked: AskedNames) -> Sequence[Value]:
        """The requested names or addresses."""
        return asked.names if self is NAMES else asked.addresses


NAMES = Kind(
    "names", HoldReason.RESERVED_NAME, HoldReason.FOREIGN_NAME, HoldReason.NAME_NOT_ALLOWED
)
ADDRESSES = Kind(
    "addresses",
    HoldReason.RESERVED_ADDRESS,
    HoldReason.FOREIGN_ADDRESS,
    HoldReason.ADDRESS_NOT_ALLOWED,
)


def reserved_names(facts: NameFacts) -> RuleResult:
    """No name belongs to the cluster: with `kubernetes.default.svc` a kubelet could impersonate the API server."""
    return _reserved(facts, NAMES)


def reserved_addresses(facts: NameFacts) -> RuleResult:
    """No address belongs to an API server, a Service or a pod, or is a virtual IP.

    For exceptions see `reserved_address`.
    """
    return _reserved(facts, ADDRESSES)


def foreign_names(facts: NameFacts) -> RuleResult:
    """No name belongs to another node. Otherwise this kubelet could impersonate that node. No flag overrides this rule.

    A Node keeps its own name even if another node claims it.
    """
    return _foreign(facts, NAMES)


def foreign_addresses(facts: NameFacts) -> RuleResult:
    """No address belongs to another node. Otherwise this kubelet could impersonate that node.

    An address that another node only claims passes in two cases: this node's pin or inventory entry
    lists it, or this node's ssh host key answered there *and* the operator allows it. The ssh host
    key is not enough, since the other node may be the owner.

    An address that is proven to belong to another node passes only if this node's pin or inventory
    entry lists it and takes precedence over that proof (`ClaimedBy.yields`).
    """
    return _foreign(facts, ADDRESSES)


def allowed_names(facts: NameFacts) -> RuleResult:
    """A source proves that this node may have each name."""
    return _allowed(facts, NAMES)


def allowed_addresses(facts: NameFacts) -> RuleResult:
    """A source proves that this node may have each address."""
    return _allowed(facts, ADDRESSES)


def _reserved(facts: NameFacts, kind: Kind) -> RuleResult:
    values = kind.of(facts.asked)
    found = {
        value: why
        for value in values
        if (
            why := reserved_name(value, facts.reserved, facts.allowed)
            if isinstance(value, str)
            else reserved_address(value, facts.reserved, facts.allowed)
        )
    }
    if found:
        by_pin = all(why.by_pin for why in found.values())
        return refuses(
            kind.reserved,
            "this node may have it only with proof, or if the operator allows it"
            if by_pin
            else f"no kubelet may have the cluster's own {kind.plural}",
            seen=listed([f"{value} ({why.what})" for value, why in found.items()]),
            allowed=f"none of the cluster's own {kind.plural}",
            operator_may_allow=tuple(map(str, found)) if by_pin else (),
        )
    if facts.reserved.doubts:
        return cannot_tell(listed(facts.reserved.doubts))
    return passes(listed(values))


def _foreign(facts: NameFacts, kind: Kind) -> RuleResult:
    values = kind.of(facts.asked)
    if facts.other_nodes is None:
        return cannot_tell("the nodes of the cluster could not be read")
    foreign, contested = {}, {}
    for value in values:
        owner = _owner(value, facts.other_nodes)
        claim = facts.allowed.claim(value) if facts.allowed else None
        if owner is None or (owner.yields and claim and claim.source.is_written):
            continue
        if owner.proven or not (claim and (claim.source.is_seen or claim.source.is_written)):
            foreign[value] = owner
        elif kind is ADDRESSES and not claim.by_operator:
            contested[value] = owner
    if foreign:
        return refuses(
            kind.foreign,
            _who_has(foreign.values()),
            seen=_of(foreign),
            allowed=f"no other node's {kind.plural}",
        )
    if contested:
        return refuses(
            HoldReason.CONTESTED_ADDRESS,
            "two nodes claim this address, and the wrong one may answer; the operator must allow it",
            seen=_of(contested),
            allowed="addresses that only one node claims",
            operator_may_allow=tuple(map(str, contested)),
        )
    return passes(listed(values))


def _owner(value: Value, others: OtherNodes) -> ClaimedBy | None:
    if isinstance(value, str):
        return others.names.get(value.lower())
    return others.addresses.get(unmapped(value))


def _of(values: dict[Value, ClaimedBy]) -> str:
    return listed([f"{value} (of {owner.node})" for value, owner in values.items()])


def _who_has(owners: Collection[ClaimedBy]) -> str:
    if all(each.by_pin for each in owners):
        pins = listed(list(dict.fromkeys(each.node for each in owners)))
        return f"the pin of {pins} has it"
    return "another node has or claims it"


def _allowed(facts: NameFacts, kind: Kind) -> RuleResult:
    values = kind.of(facts.asked)
    if facts.allowed is None:
        unknown = HoldReason.NODE_UNKNOWN
        return cannot_tell("no source knows this node", unknown, seen=listed(values))
    if facts.allowed.outdated:
        return _invalid_source(values, facts.allowed)
    return _by_claims(values, facts.allowed, kind)


_WITHOUT_SOURCE = {HoldReason.NODE_UNKNOWN, HoldReason.NOT_IN_EVIDENCE}


def _invalid_source(values: Sequence[Value], allowed: AllowedNames) -> RuleResult:
    """The result of an ownership rule without a valid source of the node's names: the CSR is held.

    The operator can allow the values if the Node claims all of them, and either no source knows the
    node or the sources could not be read.
    """
    claimed = allowed.not_valid in _WITHOUT_SOURCE and all(map(allowed.claim, values))
    return cannot_tell(
        allowed.outdated,
        allowed.not_valid,
        seen=listed(values),
        operator_may_allow=tuple(map(str, values)) if claimed else (),
    )


def _by_claims(values: Sequence[Value], allowed: AllowedNames, kind: Kind) -> RuleResult:
    """Passes if a source proves each value. A claim by the node itself proves nothing."""
    claims = {value: allowed.claim(value) for value in values}
    said = allowed.names if kind is NAMES else allowed.addresses
    known = listed([each for each in said if each.source.is_proof])
    strange = [value for value, claim in claims.items() if claim is None]
    if strange:
        return refuses(
            kind.not_allowed,
            f"not allowed for this node: {listed(strange)}{_changed(strange, allowed)}",
            seen=listed(values),
            allowed=known,
        )
    unproven = [value for value, claim in claims.items() if claim and not claim.source.is_proof]
    if unproven:
        return cannot_tell(
            f"claimed only by the Node's own status: {listed(unproven)}",
            HoldReason.ONLY_THE_NODE_SAYS_SO,
            seen=listed(values),
            allowed=known,
            operator_may_allow=tuple(map(str, unproven)),
        )
    return passes(listed(values), known)


def _changed(strange: Sequence[Value], allowed: AllowedNames) -> str:
    """Advice if the Node claims a requested value that its source does not list; else "".

    Usually the Node has changed since the source was written.
    """
    return f"; {allowed.listed}" if any(str(each) in allowed.unlisted for each in strange) else ""
