"""Before scripts go to nodes by pods: what operators have written down of the nodes, and what earlier pods have left."""

from collections.abc import Mapping

from kubevouch.cli.approver.installation import NAMESPACE
from kubevouch.cli.common.progress import progress_of
from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.common.written import gather_written
from kubevouch.clock import Clock
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES
from kubevouch.policy.sources.choice import written_answer
from kubevouch.rollout.act.pod_transport import prepare_pods
from kubevouch.rollout.decide.by_pod import WrittenNode
from kubevouch.rollout.decide.plan import PodPlace
from kubevouch.rollout.errors import LeadsOn, StoppedBefore


async def written_nodes(
    api: ApiClient, clock: Clock, place: PodPlace | None
) -> Mapping[str, WrittenNode]:
    """What operators have written down of nodes: the inventory and pins. The approver's own record is not theirs.

    Nothing where there are no pods: other ways have proofs of their own.

    Raises:
        StoppedBefore: that cannot be read. Without it, an address could be taken for one that nobody has written down.
    """
    if place is None:
        return {}
    inquiry = Inquiry(clock)
    written = await gather_written(api, inquiry)
    if written.doubt is not None:
        where = f"what is pinned in {NAMESPACE}"
        raise StoppedBefore(where, f"is not known: {written.doubt.text}", way=LeadsOn.DOCTOR)
    if written.value is None:
        return {}
    found = {}
    for node in await api.list_all(NODES):
        answer = written_answer(node, written.value.current)
        pin = written.value.pin_of(node.name, node.uid)
        claims = answer.allowed.addresses if answer and not answer.allowed.outdated else ()
        found[node.name] = WrittenNode(
            {each.value: each.source for each in claims if each.source.is_written},
            frozenset(pin.client_certificates if pin else ()),
        )
    return found


async def prepared_pods(api: ApiClient, place: PodPlace | None, terminal: Terminal) -> None:
    """Before the first pod: it is allowed, and what a killed run has left is gone. Nothing where there are no pods."""
    if place is None:
        return
    progress = progress_of(terminal)
    await prepare_pods(
        api,
        place,
        lambda node, name: progress.step(
            node, f"removed pod {name}, left by a run that ended early"
        ),
    )
