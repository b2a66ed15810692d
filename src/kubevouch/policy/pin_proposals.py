"""What to pin for each Node: the values in its status that belong neither to another node nor to the cluster.

Nothing here proves that a value belongs to its Node. The operator reads the table and confirms it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from shlex import join

import msgspec

from kubevouch.evidence.names import ClusterNames
from kubevouch.evidence.snapshot import is_control_plane
from kubevouch.kube.resources import Node
from kubevouch.outcome import Explained, Outcome
from kubevouch.policy.claims import (
    AllowedNames,
    Claim,
    ClaimedBy,
    NameSource,
    OtherNodes,
    as_address,
    canonical,
    claimed_values,
    compared,
)
from kubevouch.policy.decide import ONE_VALUE_RULES, decide_entitlement
from kubevouch.policy.machines import MACHINE_ID, MachineIdentity, shared_identities, sharing
from kubevouch.policy.node_index import NodeIndex
from kubevouch.policy.reserved import ReservedNames, reserved_name, reserved_of
from kubevouch.policy.sources.nodes import PinnedNode, difference
from kubevouch.policy.sources.stored import Unreadable


def allow_flag(node: str, value: str) -> str:
    """The --allow flag for a node's value. It is shell-quoted, since an attacker may have chosen the name or the value."""
    return join(("--allow", f"{node}={value}"))


class PinState(Explained):
    """How writing the proposal would change a node's pin."""

    NEW = "new", "the node has no pin, and would get this one"
    CHANGES = "changes", "the node's pin would change to this one"
    UNCHANGED = "unchanged", "the node already has this pin"
    NOTHING = "nothing to pin", "the node has no name or address that may be pinned"
    UNREADABLE = (
        "unreadable",
        "the node's pin cannot be read; `approver pin NODE --remove` removes it",
    )


@dataclass(frozen=True)
class Proposal:
    """What to pin for one Node, its present pin, and the values left out, with reasons."""

    pin: PinnedNode
    now: PinnedNode | Unreadable | None
    left_out: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    """How the present pin and the live Node differ, in words."""

    refused: tuple[str, ...] = ()
    """Values of --allow that the policy refuses."""

    names: bool = False
    """Whether the operator specified a client certificate. If so, the pin gets a new date even if
    nothing else changes."""

    @property
    def changes(self) -> tuple[str, ...]:
        """How the new pin differs from the present one, in words."""
        if not self.writes or not isinstance(self.now, PinnedNode):
            return ()
        return pin_changes(self.now, self.pin, again=self.names)

    @property
    def writes(self) -> bool:
        """Whether the proposal can be written, and changes something."""
        if isinstance(self.now, Unreadable) or not (self.pin.names or self.pin.addresses):
            return False
        return self.now is None or self.names or _content(self.now) != _content(self.pin)

    @property
    def state(self) -> PinState:
        """How writing the proposal would change the node's pin."""
        if isinstance(self.now, Unreadable):
            return PinState.UNREADABLE
        if self.now is None:
            return PinState.NEW if self.writes else PinState.NOTHING
        return PinState.CHANGES if self.writes else PinState.UNCHANGED


def _content(pin: PinnedNode) -> PinnedNode:
    return msgspec.structs.replace(pin, pinned_at=None, by="")


@dataclass(frozen=True)
class Seen:
    """The state of the cluster, and the names, addresses and client certificates from the operator's flags, by node."""

    nodes: Sequence[Node]
    names: ClusterNames
    pins: Mapping[str, PinnedNode | Unreadable]
    said: Mapping[str, Collection[str]]
    certificates: Mapping[str, str]


def proposals(seen: Seen, chosen: Iterable[str], *, at: datetime, by: str) -> tuple[Proposal, ...]:
    """One proposal for each chosen Node, sorted by name."""
    wanted = set(chosen)
    machines = [MachineIdentity(n.name, n.status.node_info.machine_id) for n in seen.nodes]
    cloned = sharing(shared_identities(machines), MACHINE_ID)
    pinned = _pinned(seen, wanted)
    judge = _Judge(seen, NodeIndex(seen.nodes), pinned, reserved_of(seen.names, seen.nodes))
    return tuple(
        _proposal(node, judge, at, by, cloned=node.name in cloned)
        for node in sorted(seen.nodes, key=lambda each: each.name)
        if node.name in wanted
    )


@dataclass(frozen=True)
class _Judge:
    seen: Seen
    index: NodeIndex
    pinned: Mapping[str, Sequence[str]]
    """For each value in lower case, the nodes whose pins contain it."""

    reserved: ReservedNames

    def others(self, node: str, value: str) -> list[str]:
        """The other nodes that have this name or claim this value."""
        return sorted((self.index.claimants(compared(value)) | self.index.called(value)) - {node})

    def pins_of_others(self, node: str, value: str) -> list[str]:
        """The other nodes whose pins contain the value. Empty for an address that several kubelets share on different ports."""
        if as_address(value) in self.reserved.shared:
            return []
        return [each for each in self.pinned.get(value.lower(), ()) if each != node]

    def anothers(self, node: str, value: str, *, claims: bool, has: bool) -> str:
        """Why even --allow cannot pin the value to `node`: another node has it. Otherwise "".

        claims: whether this Node claims the value. has: whether its pin contains it.
        """
        if (pins := self.pins_of_others(node, value)) and not (claims and has):
            return _pin_has_it(pins[0])
        others = self.others(node, value)
        if others and not claims and not has:
            return f"Node {others[0]} claims it, and {node} does not"
        return ""

    def doubled(self, node: str, value: str) -> str:
        """A warning if another node's pin also has the value; else ""."""
        if pins := self.pins_of_others(node, value):
            return f"! {value}: {_pin_has_it(pins[0])}, too"
        return ""

    def called(self, node: Node, value: str) -> str:
        """The Service with this name, if the operator can allow a node to have the same name; else ""."""
        if as_address(value) is not None:
            return ""
        allowed = AllowedNames(node.name, (Claim(value, NameSource.NODE_STATUS),))
        found = reserved_name(value, self.reserved, allowed)
        return found.what if found and found.by_pin else ""

    def refused(self, node: Node, value: str) -> str:
        """Why the policy would refuse the value even if it were pinned; else ""."""
        claim, address = Claim(value, NameSource.PIN), as_address(value)
        control_plane = is_control_plane(node)
        owners = [each for each in self.others(node.name, value) if each == value]
        if address is None:
            allowed = AllowedNames(node.name, (claim,), control_plane=control_plane)
            others = OtherNodes(
                names={value.lower(): ClaimedBy(each, proven=True) for each in owners}
            )
        else:
            allowed = AllowedNames(node.name, (), (claim,), control_plane=control_plane)
            others = OtherNodes()
        decision = decide_entitlement(allowed, others, self.reserved, ONE_VALUE_RULES)
        return decision.why if decision.outcome is Outcome.REFUSE else ""


def _proposal(node: Node, judge: _Judge, at: datetime, by: str, *, cloned: bool) -> Proposal:
    now = judge.seen.pins.get(node.name)
    asked = set(map(canonical, judge.seen.said.get(node.name, ())))
    said = asked | still_allowed(judge.seen.pins, node)
    known = said | _still_pinned(now, node)
    had = {*now.names, *now.addresses} if isinstance(now, PinnedNode) else set[str]()
    claims = claimed_values(node)
    refused: list[str] = []
    kept: list[str] = []
    left_out: list[str] = []
    for value in dict.fromkeys([*claims, *sorted(said)]):
        others = judge.others(node.name, value)
        if others and value not in said and node.name != value:
            hint = allow_flag(node.name, value)
            left_out.append(f"{value}: {others[0]} also claims it; if it is this node's: {hint}")
        elif value not in known and (what := judge.called(node, value)):
            hint = allow_flag(node.name, value)
            left_out.append(f"{value}: {what} has this name; if it is this node's: {hint}")
        elif why := judge.anothers(
            node.name, value, claims=value in claims, has=value in had
        ) or judge.refused(node, value):
            left_out.append(f"{value}: {why}")
            refused += [value] if value in asked else []
        else:
            kept.append(value)
    if cloned:
        left_out.append(f"machine-id {node.status.node_info.machine_id}: other nodes also have it")
    before = same.client_certificates if (same := _of_the_same(now, node)) else ()
    named = judge.seen.certificates.get(node.name)
    pin = PinnedNode(
        node=node.name,
        uid=node.uid,
        names=tuple(value for value in kept if as_address(value) is None),
        addresses=tuple(value for value in kept if as_address(value) is not None),
        machine_id="" if cloned else node.status.node_info.machine_id,
        client_certificates=(named,) if named else before,
        pinned_at=at,
        by=by,
        allowed=tuple(value for value in kept if value in said),
    )
    doubled = (judge.doubled(node.name, value) for value in sorted(had))
    differs = (*_differs(now, node), *(text for text in doubled if text))
    return Proposal(pin, now, tuple(left_out), differs, tuple(refused), bool(named))


def _pin_has_it(node: str) -> str:
    return f"the pin of {node} has it"


def _pinned(seen: Seen, chosen: Collection[str]) -> Mapping[str, Sequence[str]]:
    """For each value, nodes whose pins have it; a chosen one only if its new pin may have it."""
    live = {node.name: node for node in seen.nodes if node.name in chosen}
    found: dict[str, list[str]] = defaultdict(list)
    for name, pin in seen.pins.items():
        if isinstance(pin, Unreadable):
            values: Iterable[str] = pin.mentioned
        elif node := live.get(name):
            stays = {node.name, *claimed_values(node), *still_allowed(seen.pins, node)}
            values = (each for each in (*pin.names, *pin.addresses) if each in stays)
        else:
            values = (*pin.names, *pin.addresses)
        for value in dict.fromkeys(values):
            found[value.lower()].append(name)
    return found


def still_allowed(pins: Mapping[str, PinnedNode | Unreadable], node: Node) -> set[str]:
    """The values of --allow in the present pin, if it is for the same Node and machine."""
    same = _of_the_same(pins.get(node.name), node)
    return set(same.allowed) if same else set()


def _of_the_same(now: PinnedNode | Unreadable | None, node: Node) -> PinnedNode | None:
    if not isinstance(now, PinnedNode):
        return None
    found = difference(now, node)
    return None if found.recreated or found.other_machine else now


def _still_pinned(now: PinnedNode | Unreadable | None, node: Node) -> set[str]:
    """The names in this Node's pin. The Node keeps them even if a Service gets the same name later."""
    return set(now.names) if isinstance(now, PinnedNode) and now.uid == node.uid else set()


def pin_changes(now: PinnedNode, pin: PinnedNode, *, again: bool = False) -> tuple[str, ...]:
    """How `pin` differs from `now`, in words. again: also list unchanged client certificates."""
    before, after = (*now.names, *now.addresses), (*pin.names, *pin.addresses)
    words = [f"+ {value}" for value in after if value not in before]
    for value in before:
        if value not in after:
            gone = f"- {value}"
            if value in now.allowed:
                gone += f": an operator allowed it; to keep it: {allow_flag(pin.node, value)}"
            words.append(gone)
    words += [f"{v}: allowed by the operator" for v in pin.allowed if v not in now.allowed]
    if now.uid != pin.uid:
        words.append(f"uid {now.uid or 'any'} -> {pin.uid}")
    if now.machine_id != pin.machine_id:
        words.append(f"machine-id {now.machine_id or 'any'} -> {pin.machine_id or 'any'}")
    before, after = now.client_certificates, pin.client_certificates
    certificates = [("-", c) for c in before if c not in after]
    certificates += [("=" if c in before else "+", c) for c in after if c not in before or again]
    words += [f"{sign} client certificate X509SHA256={each}" for sign, each in certificates]
    return tuple(words)


def _differs(now: PinnedNode | Unreadable | None, node: Node) -> tuple[str, ...]:
    if isinstance(now, Unreadable):
        return (f"the pin cannot be read: {now}",)
    if now is None:
        return ("the node is not pinned",)
    found = difference(now, node)
    words = []
    if found.recreated:
        words.append(f"the Node has been recreated (uid {found.recreated}, pinned {now.uid})")
    if found.other_machine:
        words.append(f"the Node's machine-id is {found.other_machine}, the pin's {now.machine_id}")
    words += [f"+ {value}: the Node claims it, but the pin lacks it" for value in found.claimed]
    words += [f"- {value}: pinned, but the Node does not claim it" for value in found.not_claimed]
    return tuple(words)
