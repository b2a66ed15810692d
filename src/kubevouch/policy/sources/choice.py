"""Takes a node's names and addresses from the strongest source that knows the node, and ignores weaker sources."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from kubevouch.kube.resources import Node
from kubevouch.policy.claims import (
    AllowedNames,
    AskedNames,
    Claim,
    NameSource,
    as_address,
)
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.sources.allowing import (
    allowed_by,
    another_machine,
    not_valid_now,
    pin_that_helps,
    pinning,
)
from kubevouch.policy.sources.configuration import (
    ApproverConfiguration,
    IdentitySource,
    NewNodeRule,
    rule_for,
)
from kubevouch.policy.sources.nodes import (
    Admitted,
    InventoryNode,
    PinnedNode,
    RecordedNode,
)
from kubevouch.policy.sources.renewal import RenewalEvidence, allowed_by_renewal
from kubevouch.policy.sources.stored import Shard, Unreadable


class IdentitySources(msgspec.Struct, frozen=True):
    """The content of all sources, as last read."""

    configuration: ApproverConfiguration | Unreadable = ApproverConfiguration()
    inventory: Shard[InventoryNode] | Unreadable | None = None
    """None if there is no inventory."""

    pins: Mapping[str, PinnedNode | Unreadable] = {}
    recorded: Mapping[str, RecordedNode | Unreadable] = {}

    def listed(self, node: str) -> InventoryNode | Unreadable | None:
        """The inventory's entry for this node. Unreadable if the whole inventory cannot be read, since it may list this node."""
        whole = self.inventory
        return whole.entries.get(node) if isinstance(whole, Shard) else whole

    def counts(self, source: IdentitySource) -> bool:
        """Whether the configuration lists this source."""
        configuration = self.configuration
        return not isinstance(configuration, Unreadable) and source in configuration.sources


class SourceAnswer(msgspec.Struct, frozen=True):
    """The names and addresses that a node's certificate may contain, and their source."""

    source: IdentitySource
    allowed: AllowedNames
    """If no source knows the node, or the node's source is unreadable, the field `outdated` is set,
    and any claims are from the Node's status or --allow."""

    why: str
    """The source in words, such as "pinned on 2026-11-25 by alice", or why no source knows the node."""

    admits: Admitted | None = None
    """What the rule for new nodes admits. The caller records it before it approves the CSR."""


def answer_for(
    node: Node,
    asked: AskedNames,
    sources: IdentitySources,
    *,
    at: datetime,
    renewal: RenewalEvidence | None = None,
) -> SourceAnswer:
    """The answer of the strongest source that knows the node.

    renewal: None if the kubelet was not dialled (see `wants_renewal`).
    """
    if isinstance(sources.configuration, Unreadable):
        return _unreadable(node, IdentitySource.NONE, sources.configuration)
    if written := _by_writing(node, sources):
        return written
    served: AllowedNames | str = ""
    if sources.counts(IdentitySource.RENEWAL):
        served = "the kubelet was not dialled"
        if renewal is not None:
            served = allowed_by_renewal(node, asked, renewal)
    if isinstance(served, AllowedNames):
        words = "by the certificate that the kubelet serves"
        return SourceAnswer(IdentitySource.RENEWAL, served, words)
    configuration = sources.configuration
    if admitted := _by_rule(node, asked, sources, configuration.new_nodes, at):
        return admitted
    why = f"no source knows this node ({', '.join(configuration.sources)})"
    why += f"; renewal: {served}" if served else ""
    why += f". {pin_that_helps(node, asked.values)}"
    return SourceAnswer(IdentitySource.NONE, not_valid_now(node, why, HoldReason.NODE_UNKNOWN), why)


def written_answer(node: Node, sources: IdentitySources) -> SourceAnswer | None:
    """The answer of the inventory, a pin, or the approver's own record; None if none of them knows the node.

    Only the running approver can use the other sources.
    """
    if isinstance(sources.configuration, Unreadable):
        return _unreadable(node, IdentitySource.NONE, sources.configuration)
    return _by_writing(node, sources)


def wants_renewal(node: Node, sources: IdentitySources) -> bool:
    """Whether the caller should dial the kubelet, since no stronger source knows the node."""
    return sources.counts(IdentitySource.RENEWAL) and _by_writing(node, sources) is None


def _by_writing(node: Node, sources: IdentitySources) -> SourceAnswer | None:
    return _by_inventory(node, sources) or _by_pin(node, sources) or _by_record(node, sources)


def _by_inventory(node: Node, sources: IdentitySources) -> SourceAnswer | None:
    found = sources.listed(node.name) if sources.counts(IdentitySource.INVENTORY) else None
    if found is None:
        return None
    if isinstance(found, Unreadable):
        return _unreadable(node, IdentitySource.INVENTORY, found)
    allowed = allowed_by(
        node,
        (found.names, found.addresses),
        NameSource.INVENTORY,
        outdated=another_machine(node, found.machine_id, "the inventory"),
        listed="the Node claims it, but the inventory does not list it",
    )
    return SourceAnswer(IdentitySource.INVENTORY, allowed, "listed in the inventory")


def _by_pin(node: Node, sources: IdentitySources) -> SourceAnswer | None:
    found = sources.pins.get(node.name) if sources.counts(IdentitySource.PINS) else None
    if found is None:
        return None
    if isinstance(found, Unreadable):
        return _unreadable(node, IdentitySource.PINS, found)
    words, outdated = str(found), another_machine(node, found.machine_id, "the pin")
    allowed = _since(
        node, found, NameSource.PIN, words, uid=found.uid or node.uid, outdated=outdated
    )
    return SourceAnswer(IdentitySource.PINS, allowed, words)


def _by_record(node: Node, sources: IdentitySources) -> SourceAnswer | None:
    counts = sources.counts(IdentitySource.PINS) or sources.counts(IdentitySource.NEW_NODES)
    found = sources.recorded.get(node.name) if counts else None
    if isinstance(found, Unreadable):
        return _unreadable(node, IdentitySource.RECORDED, found)
    if found is None or found.admitted is None:
        return None
    admitted = found.admitted
    words = f"admitted by the rule for new nodes ({admitted.rule}) on {admitted.at:%Y-%m-%d}"
    allowed = _since(node, admitted, NameSource.NEW_NODE_RULE, words, uid=found.uid)
    return SourceAnswer(IdentitySource.RECORDED, allowed, words)


def _since(
    node: Node,
    found: PinnedNode | Admitted,
    source: NameSource,
    words: str,
    *,
    uid: str,
    outdated: str = "",
) -> AllowedNames:
    advice = f"kubevouch approver pin {node.name} --diff"
    if uid != node.uid:
        outdated = f"the Node has been recreated since it was {words}: {advice}"
    listed = f"the Node claims it, but was {words} without it: {advice}"
    values = found.names, found.addresses
    return allowed_by(node, values, source, outdated=outdated, listed=listed)


def _by_rule(
    node: Node,
    asked: AskedNames,
    sources: IdentitySources,
    rules: Iterable[NewNodeRule],
    at: datetime,
) -> SourceAnswer | None:
    rule = rule_for(rules, node.name)
    if rule is None or not sources.counts(IdentitySource.NEW_NODES):
        return None
    words = f"by the rule for new nodes ({rule.names})"
    records = sources.recorded.values()
    # An unreadable record may be that of a node that the rule has just admitted.
    unread = sum(isinstance(each, Unreadable) for each in records)
    earlier = [r.admitted for r in records if isinstance(r, RecordedNode) and r.admitted]
    if rule.left(earlier, at) <= unread:
        why = (
            f"the rule for new nodes ({rule.names}) has reached its perHour limit of {rule.per_hour}: "
            f"{pinning(node.name)}"
        )
        allowed = not_valid_now(node, why, HoldReason.TOO_MANY_NEW_NODES)
        return SourceAnswer(IdentitySource.NEW_NODES, allowed, why)
    claimed = {as_address(each.address) for each in node.status.addresses}
    names = tuple(name for name in asked.names if name == node.name)
    addresses = tuple(str(each) for each in asked.addresses if each in claimed and rule.has(each))
    networks = ", ".join(map(str, rule.networks))
    allowed = allowed_by(
        node,
        (names, addresses),
        NameSource.NEW_NODE_RULE,
        listed=f"the rule for new nodes ({rule.names}) admits a Node's own name, and addresses in {networks}",
    )
    admits = Admitted(names, addresses, at, rule.names)
    return SourceAnswer(IdentitySource.NEW_NODES, allowed, words, admits)


def _unreadable(node: Node, source: IdentitySource, found: Unreadable) -> SourceAnswer:
    return SourceAnswer(
        source, not_valid_now(node, str(found), HoldReason.SOURCE_UNREADABLE), str(found)
    )


def written_claims(sources: IdentitySources, node: str) -> tuple[Claim, ...]:
    """What the inventory, a pin or a record lists for a node, even if the Node does not exist.

    No other node may have these values. An unreadable pin or inventory entry claims everything that
    it mentions. If the configuration is unreadable, every source counts.
    """
    claims: list[Claim] = []
    inventory = sources.inventory
    listed = inventory.entries.get(node) if isinstance(inventory, Shard) else None
    unread = isinstance(sources.configuration, Unreadable)
    if unread or sources.counts(IdentitySource.INVENTORY):
        claims += [Claim(value, NameSource.INVENTORY) for value in _values_of(listed, node)]
    if unread or sources.counts(IdentitySource.PINS):
        claims += [Claim(v, NameSource.PIN) for v in _values_of(sources.pins.get(node), node)]
    record = sources.recorded.get(node)
    if isinstance(record, RecordedNode) and record.admitted:
        admitted = record.admitted
        claims += [
            Claim(v, NameSource.NEW_NODE_RULE) for v in (*admitted.names, *admitted.addresses)
        ]
    return tuple(claims)


def _values_of(
    written: InventoryNode | PinnedNode | Unreadable | None, node: str
) -> tuple[str, ...]:
    if written is None:
        return ()
    if isinstance(written, Unreadable):
        return tuple(dict.fromkeys((node, *written.mentioned)))
    return (*written.names, *written.addresses)
