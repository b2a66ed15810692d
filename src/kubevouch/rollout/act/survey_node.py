"""Surveys a node for its plan: chooses the host to give to ssh, and says what was tried if none answers."""

from ipaddress import ip_address

from kubevouch.evidence.survey import NodeSurvey, survey
from kubevouch.kube.resources import Node
from kubevouch.node.destination import Destination, advice
from kubevouch.node.errors import NodeError, NodeUnreachable
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
    """The first host of the node whose key is known, and the survey from there.

    A host whose key is known and that fails is the end of it. The next one would be an address that the node claims, and
    another machine could wait there: whoever has the node's client certificate writes its status.

    Raises:
        NodeError: it does not answer, or no host has a known key. It names what was tried, and what to try.
    """
    looked_up: list[Destination] = []
    failures: list[NodeError] = []
    for host in hosts_of(node):
        found = await context.transport.destination(host)
        looked_up.append(found)
        if found.is_known is False:
            continue
        try:
            return host, await context.transport.run_script(host, survey(), timeout=_TIMEOUT)
        except NodeError as error:
            if found.is_known:
                hint = f"known_hosts has a key for {found.name}, so nothing else is tried: make `ssh {host} true` work"
                raise NodeUnreachable(node.name, str(error), hint) from None
            failures.append(error)
    hint = advice(tuple(looked_up))
    if len(failures) == 1 and not hint:
        raise failures[0]
    complaints = "; ".join(str(each) for each in failures)
    raise NodeUnreachable(node.name, complaints or "no host of it can be asked by ssh", hint)
