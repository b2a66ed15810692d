"""A pin and the live Node: what differs, for whoever pins it again."""

import msgspec

from kubevouch.kube.resources import Node
from kubevouch.policy.claims import as_address
from kubevouch.policy.sources.pinned import PinnedNode


class PinDifference(msgspec.Struct, frozen=True, rename="camel"):
    """What differs between a pin and the Node as it is now. "" and (): nothing."""

    node: str
    recreated: str = ""
    """The UID that the Node has now, if it is another."""

    other_machine: str = ""
    """The machine-id that the Node has now, if it is another."""

    claimed: tuple[str, ...] = ()
    """What the Node claims and the pin lacks, as the Node lists it."""

    not_claimed: tuple[str, ...] = ()
    """What the pin has and the Node does not claim, but for what the operator allowed."""

    @property
    def is_none(self) -> bool:
        """Whether nothing differs."""
        return not (self.recreated or self.other_machine or self.claimed or self.not_claimed)


def difference(pin: PinnedNode, node: Node) -> PinDifference:
    """What differs between a pin and the live Node."""
    pinned = {*pin.names, *pin.addresses}
    claims = dict.fromkeys(
        each.address if as_address(each.address) is None else str(as_address(each.address))
        for each in node.status.addresses
        if each.address
    )
    machine_id = node.status.node_info.machine_id
    return PinDifference(
        node=node.name,
        recreated=node.uid if pin.uid and pin.uid != node.uid else "",
        other_machine=machine_id if pin.machine_id and pin.machine_id != machine_id else "",
        claimed=tuple(each for each in claims if each not in pinned),
        not_claimed=tuple(
            each
            for each in (*pin.names, *pin.addresses)
            if each not in claims and each != node.name and each not in pin.allowed
        ),
    )
