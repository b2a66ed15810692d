"""What a node may have by a source, together with what its Node claims besides."""

from collections.abc import Iterator, Sequence
from shlex import join

from kubevouch.evidence.snapshot import is_control_plane
from kubevouch.kube.resources import Node
from kubevouch.policy.claims import AllowedNames, Claim, NameSource, as_address, claims_value
from kubevouch.policy.facts import listed as in_words
from kubevouch.policy.reasons import HoldReason


def allowed_by(
    node: Node,
    values: tuple[tuple[str, ...], tuple[str, ...]],
    source: NameSource,
    *,
    outdated: str = "",
    listed: str,
) -> AllowedNames:
    """What a node may have by one source: `values` are its names and its addresses. See AllowedNames for the others."""
    has = {*values[0], *values[1]}
    # What a node calls itself is proven, whoever else claims that name; the operator's word is worth more still.
    own = source if source.is_written else NameSource.NODE_NAME
    return AllowedNames(
        node=node.name,
        names=tuple(Claim(v, own if v == node.name else source) for v in values[0]),
        addresses=tuple(Claim(v, source) for v in values[1]),
        control_plane=is_control_plane(node),
        outdated=outdated,
        unlisted=tuple(value for value in _claimed(node) if value not in has),
        listed=listed,
    )


def _claimed(node: Node) -> Iterator[str]:
    for each in node.status.addresses:
        address = as_address(each.address)
        yield each.address if address is None else str(address)


def another_machine(node: Node, machine_id: str, who: str) -> str:
    """Why a source does not count: the machine-id that it states is another. "" if it states none, or this one."""
    if machine_id and machine_id != node.status.node_info.machine_id:
        return f"the Node is on another machine than {who} says, by its machine-id: kubevouch approver pin {node.name} --diff"
    return ""


def not_valid_now(node: Node, why: str, kind: HoldReason) -> AllowedNames:
    """A node that gets nothing now, and why."""
    return AllowedNames(
        node=node.name, control_plane=is_control_plane(node), outdated=why, not_valid=kind
    )


def pinning(node: str) -> str:
    """The command that pins a node, with the client certificate on its disk."""
    return join(("kubevouch", "approver", "pin", node, "--via", "ssh"))


def pin_that_helps(node: Node, values: Sequence[str]) -> str:
    """The pin after which a node has these values; or which of them no pin of it would have.

    No command then: it would have the words of whoever asks, to be copied into the operator's pin.
    """
    unclaimed = [value for value in values if not claims_value(node, value)]
    if unclaimed:
        return f"The Node itself does not claim {in_words(unclaimed)}"
    return f"If it is yours: {pinning(node.name)}"
