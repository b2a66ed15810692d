"""Names and addresses that a plan proved for a node earlier: what of that still holds, seen with the Node as it is now."""

from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec

from kubevouch.kube.resources import Node
from kubevouch.policy.claims import (
    AllowedNames,
    Claim,
    NameSource,
    OtherNodes,
    allowed_names_of,
    as_address,
    with_said,
)

PIN_LIFE = timedelta(hours=24)
"""Addresses move from machine to machine; what was proven yesterday is proven again."""

_SKEW = timedelta(minutes=1)


class Pins(msgspec.Struct, frozen=True):
    """What a plan proved for one node, and of which machine, and when."""

    node: str
    uid: str
    machine_id: str
    made_at: datetime
    names: tuple[Claim, ...]
    addresses: tuple[Claim, ...]


def allowed_by_pins(
    pins: Pins, node: Node, others: OtherNodes | None, *, at: datetime, said: Collection[str] = ()
) -> AllowedNames:
    """What the node may have: what its status claims now, with the proofs of the pins.

    A pin of something that the status no longer claims is left out, and the node's name and label count as they are
    now. That the operator confirmed an address then does not count where another node claims it now: `said`, the
    operator's word of today, does.
    """
    proofs = {
        claim.value: claim.source
        for claim in pins.addresses
        if claim.source in (NameSource.SSH_HOST_KEY, NameSource.THIS_MACHINE)
    }
    claimed = {} if others is None else others.addresses
    then = [
        claim.value
        for claim in (*pins.names, *pins.addresses)
        if claim.by_operator and as_address(claim.value) not in claimed
    ]
    allowed = with_said(allowed_names_of(node, seen=proofs, said=(*then, *said)), said)
    return msgspec.structs.replace(allowed, outdated=_outdated(pins, node, at))


def _outdated(pins: Pins, node: Node, at: datetime) -> str:
    """Why the pins do not hold any more; empty if they do."""
    if node.uid != pins.uid:
        return "the Node has been recreated since the plan"
    if node.status.node_info.machine_id != pins.machine_id:
        return "the Node is on another machine than in the plan, by its machine-id"
    if at - pins.made_at > PIN_LIFE:
        return f"the plan was made {(at - pins.made_at).total_seconds() / 3600:.0f} hours ago; 24 are the most"
    if pins.made_at - at > _SKEW:
        return "the plan was made in the future, by this machine's clock"
    return ""
