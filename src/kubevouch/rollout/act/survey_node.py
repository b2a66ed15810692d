"""Surveys a node for its plan: says which hosts ssh may be asked for."""

from ipaddress import ip_address

from kubevouch.evidence.survey import NodeSurvey, survey
from kubevouch.kube.resources import Node
from kubevouch.node.io.first_known import run_on_first_known
from kubevouch.node.script import ScriptResult
from kubevouch.policy.claims import as_address
from kubevouch.rollout.act.context import RolloutContext

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


async def survey_node(node: Node, context: RolloutContext) -> tuple[str, ScriptResult[NodeSurvey]]:
    """The host of the node that answered, and the survey from there. Raises NodeError, as `run_on_first_known` does."""
    return await run_on_first_known(
        node.name, hosts_of(node), survey(), context.transport, timeout=_TIMEOUT
    )
