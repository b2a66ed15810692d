"""What a kubelet runs with, as its /configz tells by way of the API server: asked where its files have changed since its start."""

from dataclasses import replace
from urllib.parse import quote

from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured, Vantage
from kubevouch.kube.errors import KubeError
from kubevouch.kubelet.document import Tree
from kubevouch.kubelet.errors import AnswerError
from kubevouch.kubelet.pending import read_configz
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.decide.need import MachineFacts
from kubevouch.rollout.decide.restart_hazards import files_were_touched


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
