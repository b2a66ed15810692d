"""Surveys a node for its plan: says which hosts ssh may be asked for."""

from ipaddress import ip_address

from kubevouch.evidence.survey import NodeSurvey, survey
from kubevouch.kube.resources import Node
from kubevouch.node.destination import BY_POD
from kubevouch.node.errors import NodeUnreachable
from kubevouch.node.io.first_known import run_on_first_known
from kubevouch.node.script import ScriptResult
from kubevouch.node.transport import NodeTransport
from kubevouch.policy.claims import as_address
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.node_facts import client_certificates_of
from kubevouch.rollout.decide.by_pod import WrittenNode, not_the_pinned_one

_TIMEOUT = 60.0
_TYPES = ("InternalIP", "ExternalIP")


def hosts_of(node: Node) -> tuple[str, ...]:
    """The hosts to try with ssh, in order: the node's name, then the addresses in its status.

    The name is the operator's own word for the machine, in known_hosts or in the ssh configuration. An address is the
    node's claim: it leads to a machine whose key the operator knows, or nowhere.
    """
    found = [node.name]
    for kind in _TYPES:
        for claim in node.status.addresses:
            address = as_address(claim.address) if claim.type == kind else None
            if address is not None and not (address.is_link_local or address.is_multicast):
                found.append(str(address))
    return tuple(dict.fromkeys(found))


def is_by_address(host: str) -> bool:
    """Whether ssh was asked for an address, so that the key which answered is known for that address only."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def check_pinned(node: str, survey: NodeSurvey, context: RolloutContext) -> None:
    """By pod only. Raises NodeUnreachable if whoever answered is not the node that an operator has pinned."""
    if context.transport.name != "pod":
        return
    written = context.written.get(node, WrittenNode())
    if why := not_the_pinned_one(node, written, client_certificates_of(survey)):
        raise NodeUnreachable(node, why)


async def survey_node(node: Node, context: RolloutContext) -> tuple[str, ScriptResult[NodeSurvey]]:
    """The host of the node that answered, and the survey from there. Raises NodeError, as `run_on_first_known` does."""
    if (
        context.transport.name == "pod"
    ):  # the API server knows a node by its name, and by nothing else
        carried = await context.transport.run_script(node.name, survey(), timeout=_TIMEOUT)
        check_pinned(node.name, carried.answer, context)
        return node.name, carried
    return await survey_by_ssh(node, context.transport, instead=BY_POD)


async def survey_by_ssh(
    node: Node, transport: NodeTransport, *, instead: str = ""
) -> tuple[str, ScriptResult[NodeSurvey]]:
    """The same by ssh only. Raises NodeError, as `run_on_first_known` does; instead: as there."""
    return await run_on_first_known(
        node.name, hosts_of(node), survey(), transport, timeout=_TIMEOUT, instead=instead
    )
