"""What names and addresses a source allows a node to have, and which ones only the Node claims."""

from collections.abc import Sequence
from shlex import join

from kubevouch.evidence.snapshot import is_control_plane
from kubevouch.kube.resources import Node
from kubevouch.policy.claims import (
    AllowedNames,
    Claim,
    NameSource,
    claimed_values,
    claims_value,
)
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
    """The names and addresses that one source allows a node to have.

    values: the names, and the addresses. Other arguments: see AllowedNames.
    """
    has = {*values[0], *values[1]}
    # A Node's own name is proven, even if another Node claims it. The operator's sources take precedence.
    own = source if source.is_written else NameSource.NODE_NAME
    return AllowedNames(
        node=node.name,
        names=tuple(Claim(v, own if v == node.name else source) for v in values[0]),
        addresses=tuple(Claim(v, source) for v in values[1]),
        control_plane=is_control_plane(node),
        outdated=outdated,
        unlisted=tuple(value for value in claimed_values(node) if value not in has),
        listed=listed,
    )


def another_machine(node: Node, machine_id: str, who: str) -> str:
    """Why the source `who` is not valid, if its machine-id is not the Node's; otherwise "".

    A source without a machine-id is valid for any machine.
    """
    if machine_id and machine_id != node.status.node_info.machine_id:
        return f"the Node's machine-id is not the one in {who}; see kubevouch approver pin {node.name} --diff"
    return ""


def not_valid_now(node: Node, why: str, kind: HoldReason) -> AllowedNames:
    """AllowedNames without names and addresses. why: the reason. kind: the reason code."""
    return AllowedNames(
        node=node.name, control_plane=is_control_plane(node), outdated=why, not_valid=kind
    )


def pinning(node: str) -> str:
    """The command that pins a node, with the client certificate on its disk."""
    return join(("kubevouch", "approver", "pin", node, "--via", "ssh"))


def pin_that_helps(node: Node, values: Sequence[str]) -> str:
    """Advice: how to pin the node, or which of these values its Node does not claim.

    We do not advise pinning unclaimed values, since an attacker may have requested them.
    """
    unclaimed = [value for value in values if not claims_value(node, value)]
    if unclaimed:
        return f"The Node itself does not claim {in_words(unclaimed)}"
    return f"If the node is yours: {pinning(node.name)}"
