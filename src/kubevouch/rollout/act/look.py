"""One look at a node's machine: what its survey says, what is proven of it, and what its kubelet runs with.

The same for a plan and for the check of a plan.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote

from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured, Vantage
from kubevouch.evidence.snapshot import Served
from kubevouch.kube.errors import KubeError
from kubevouch.kube.resources import Node
from kubevouch.kubelet.document import Tree
from kubevouch.kubelet.errors import AnswerError
from kubevouch.kubelet.pending import read_configz
from kubevouch.policy.claims import NameSource
from kubevouch.rollout.act.confirm import confirm_addresses
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.node_facts import client_certificates_of
from kubevouch.rollout.act.precheck import survey_planned
from kubevouch.rollout.act.survey_node import survey_node
from kubevouch.rollout.decide.need import MachineFacts
from kubevouch.rollout.decide.own_csrs import Csrs, csr_waits
from kubevouch.rollout.decide.plan import NodePlan
from kubevouch.rollout.decide.restart_hazards import files_were_touched


@dataclass(frozen=True)
class SeenOutside:
    """What is known of nodes before their machines are asked. served, csrs: by node. flags: metrics-server's."""

    served: Mapping[str, Served]
    csrs: Mapping[str, Csrs]
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Look:
    """What was seen. asked: when the survey was asked for. host: what ssh was asked for. confirmed: addresses that are proven.

    host_key, known_as: the ssh host key that answered, and its name in known_hosts; empty where the transport shows none.
    """

    facts: MachineFacts
    asked: datetime
    host: str
    host_key: str
    known_as: str
    confirmed: dict[str, NameSource]


async def look_at_machine(
    node: Node, outside: SeenOutside, context: RolloutContext, planned: NodePlan | None = None
) -> Look:
    """Looks at a node's machine. planned: at its host, and at no other machine than the plan's.

    Raises:
        StoppedBefore: another machine answers than the plan's.
        NodeError: it cannot be surveyed.
    """
    asked = context.clock.now()
    if planned is None:
        host, carried = await survey_node(node, context)
    else:
        host, carried = planned.host, await survey_planned(planned, context)
    at = context.clock.now()
    values = [each.address for each in node.status.addresses]
    own = client_certificates_of(carried.answer)
    facts = MachineFacts(
        node=node.name,
        machine_id=node.status.node_info.machine_id,
        survey=carried.answer,
        at=at,
        served=outside.served.get(node.name),
        csr_waits=csr_waits(outside.csrs.get(node.name, ()), own),
    )
    return Look(
        facts=await with_running_configuration(facts, context),
        asked=asked,
        host=host,
        host_key=carried.host_key or "",
        known_as=carried.known_as or "",
        confirmed=await confirm_addresses(values, host, carried, context),
    )


async def with_running_configuration(facts: MachineFacts, context: RolloutContext) -> MachineFacts:
    """The facts, with the keys of /configz where a restart could change some. It needs `get nodes/proxy`; a lack is a doubt."""
    if not files_were_touched(facts.survey):
        return facts
    return replace(facts, running=await _running(facts.node, context))


async def _running(node: str, context: RolloutContext) -> Measured[Tree]:
    path = f"/api/v1/nodes/{quote(node, safe='')}/proxy/configz"
    try:
        body = await Inquiry(context.clock).ask(context.api.text(path))
        if body.value is None:
            return Measured(body.vantage, body.at, doubt=body.doubt)
        return Measured(body.vantage, body.at, read_configz(body.value.encode(), node))
    except (KubeError, AnswerError) as error:
        doubt = Doubt(DoubtKind.FAILED, str(error))
        return Measured(Vantage.API_SERVER, context.clock.now(), doubt=doubt)
