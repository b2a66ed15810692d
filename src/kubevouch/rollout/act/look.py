"""Surveys a node's machine, and proves its addresses. Used by `plan` and by the check of a plan."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

import msgspec

from kubevouch.evidence.snapshot import Served, TrustedRoots
from kubevouch.evidence.survey import NodeSurvey, survey
from kubevouch.kube.resources import Node
from kubevouch.node.errors import NodeError, NodeUnreachable
from kubevouch.node.script import DialAddress, Script, ScriptResult
from kubevouch.node.transport import NodeTransport, run_on_first_known
from kubevouch.policy.claims import NameSource, as_address
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.node_facts import client_certificates_of, not_of_the_cluster
from kubevouch.rollout.decide.by_pod import WrittenNode, not_the_pinned_one
from kubevouch.rollout.decide.machine import another_host_key, not_the_machine
from kubevouch.rollout.decide.need import Look
from kubevouch.rollout.decide.own_csrs import Csrs, csr_waits
from kubevouch.rollout.decide.plan import NodePlan
from kubevouch.rollout.errors import AnotherHostKey, StoppedBefore

_TIMEOUT = 60.0
_WHO_TIMEOUT = 20.0
_TYPES = ("InternalIP", "ExternalIP")


def hosts_of(node: Node, transport: str = "ssh") -> tuple[str, ...]:
    """The hosts to try, in order: the node's name, then (only with ssh) the addresses in its status.

    The operator's known_hosts or ssh configuration confirms the name. The addresses are the node's
    own claims: ssh connects to an address only if known_hosts or KnownHostsCommand has its key.
    """
    found = [node.name]
    for kind in _TYPES if transport == "ssh" else ():
        for claim in node.status.addresses:
            address = as_address(claim.address) if claim.type == kind else None
            if address is not None and not (address.is_link_local or address.is_multicast):
                found.append(str(address))
    return tuple(dict.fromkeys(found))


def check_pinned(node: str, survey: NodeSurvey, context: RolloutContext) -> None:
    """Raises NodeUnreachable if a pod's answer has another client certificate than the node's pin.

    Does nothing for ssh, or if no certificate is pinned.
    """
    if context.transport.name != "pod":
        return
    written = context.written.get(node, WrittenNode())
    if why := not_the_pinned_one(node, written, client_certificates_of(survey)):
        raise NodeUnreachable(node, why)


async def survey_node(node: Node, transport: NodeTransport) -> tuple[str, ScriptResult[NodeSurvey]]:
    """Surveys a node. Returns the host that answered, and the survey. Raises NodeError, as `run_on_first_known` does."""
    hosts = hosts_of(node, transport.name)
    return await run_on_first_known(node.name, hosts, survey(), transport, timeout=_TIMEOUT)


@dataclass(frozen=True)
class SeenOutside:
    """What the API server and the kubelets' ports show about nodes, without a survey.

    served: what each kubelet serves. csrs: each node's CSRs. trust: the cluster's CA.
    """

    served: Mapping[str, Served]
    csrs: Mapping[str, Csrs]
    trust: TrustedRoots | None


async def look_at_machine(
    node: Node,
    outside: SeenOutside,
    context: RolloutContext,
    planned: NodePlan | None = None,
    *,
    confirms: bool = True,
) -> Look:
    """Surveys a node's machine.

    planned: the node in the plan; if given, only its host and machine may answer. confirms: whether
    to prove the node's addresses.

    Raises:
        StoppedBefore: the machine that answers is not the one in the plan.
        NodeError: the node cannot be surveyed.
    """
    asked = context.clock.now()
    if planned is None:
        host, carried = await survey_node(node, context.transport)
        check_pinned(node.name, carried.answer, context)
    else:
        host, carried = planned.host, await survey_planned(planned, context)
    at = context.clock.now()
    if as_address(host) and (why := not_of_the_cluster(carried.answer, outside.trust, at)):
        raise NodeUnreachable(node.name, why)
    values = [each.address for each in node.status.addresses] if confirms else []
    own = client_certificates_of(carried.answer)
    return Look(
        node=node,
        survey=carried.answer,
        asked=asked,
        at=at,
        served=outside.served.get(node.name),
        csr_waits=csr_waits(outside.csrs.get(node.name, ()), own),
        host=host,
        host_key=carried.host_key,
        known_as=carried.known_as,
        confirmed=await confirm_addresses(values, host, carried, context),
    )


async def survey_planned(node: NodePlan, context: RolloutContext) -> ScriptResult[NodeSurvey]:
    """Surveys the plan's machine.

    Raises:
        StoppedBefore: the machine that answers is not the one in the plan.
        AnotherHostKey: its ssh host key is not the one in the plan.
        NodeError: the machine cannot be reached.
    """
    result = await context.transport.run_script(node.host, survey(), timeout=_TIMEOUT)
    if other := another_host_key(node.host_key, result.host_key):
        raise AnotherHostKey(node.node, *other)
    if why := not_the_machine(result.answer, node.node, node.machine_id):
        raise StoppedBefore(node.node, why)
    check_pinned(node.node, result.answer, context)
    return result


class _Machine(msgspec.Struct, frozen=True):
    machine_id: bytes


_WHO = Script(
    name="machine-id",
    text="""printf 'kubevouch-answer: {"machine_id":"%s"}\\n' "$(base64 </etc/machine-id | tr -d '\\n')" """,
    answer=_Machine,
)


async def confirm_addresses(
    values: Iterable[str], host: str, carried: ScriptResult[NodeSurvey], context: RolloutContext
) -> dict[str, NameSource]:
    """The values that are proven to be addresses of the surveyed machine, each with its proof.

    host: the host given to ssh. If it is an address, the machine's key proves only that address.
    carried: the survey, with the machine's ssh host key.

    A pod's answer proves no address, so with pods only an inventory entry or a pin counts. A DNS
    name proves nothing, since whoever controls the resolver can choose its address.
    """
    claimed = {str(address) for value in values if (address := as_address(value)) is not None}
    if context.transport.name == "pod":
        written = context.written.get(host, WrittenNode()).addresses
        return {each: source for each, source in written.items() if each in claimed}
    if not carried.host_key or not carried.known_as:
        return {}
    if as_address(host) is not None:
        claimed &= {host}
    dialled = str(as_address(carried.dialled))
    confirmed: dict[str, NameSource] = {}
    for text in sorted(claimed):
        if ip_address(text).is_link_local:
            continue
        if text == dialled or await _answers(text, host, carried, context):
            confirmed[text] = NameSource.SSH_HOST_KEY
    return confirmed


async def _answers(
    address: str, host: str, carried: ScriptResult[NodeSurvey], context: RolloutContext
) -> bool:
    """Whether the surveyed machine answers at the address with its known host key."""
    try:
        place = DialAddress(address, carried.known_as)
        there = await context.transport.run_script(host, _WHO, timeout=_WHO_TIMEOUT, at=place)
    except NodeError:
        return False
    same_key = there.host_key == carried.host_key
    return same_key and there.answer.machine_id.strip() == carried.answer.machine_id.strip()
