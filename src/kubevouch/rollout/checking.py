"""Before the first write: is it the plan's cluster, are they the plan's machines, can we see and do what we must?"""

from collections.abc import Iterable

from kubevouch.evidence.identity import gather_trust
from kubevouch.evidence.measured import Asking
from kubevouch.evidence.snapshot import Trust
from kubevouch.evidence.survey import NodeSurvey, survey
from kubevouch.kube.resources import NAMESPACES, NODES, ResourceAttributes
from kubevouch.kubelet.dial import dial
from kubevouch.node.errors import NodeError
from kubevouch.rollout.errors import StoppedBefore
from kubevouch.rollout.looking import targets_of
from kubevouch.rollout.plan import Change, NodePlan, Plan
from kubevouch.rollout.surroundings import Surroundings
from kubevouch.tls.failure import FailureKind
from kubevouch.x509 import X509Error, node_name_of, read_certificates

_SURVEY = 60.0
_SILENT = {
    FailureKind.CONNECT_TIMEOUT,
    FailureKind.UNREACHABLE,
    FailureKind.NAME_UNKNOWN,
    FailureKind.OUR_SIDE,
}
_SIGNER = "kubernetes.io/kubelet-serving"


async def check_cluster(plan: Plan, around: Surroundings, *, ready: bool = True) -> Trust:
    """The cluster is the plan's: by the UID of kube-system, its CA and its Nodes. Returns whom its pods trust.

    Raises:
        StoppedBefore: it is another one, or a Node was made anew, or (where `ready` is asked for) is not Ready.
    """
    where = f"context {around.api.access.context or 'service account'}"
    uid = (await around.api.get(NAMESPACES, "kube-system")).uid
    if uid != plan.cluster.cluster_uid:
        raise StoppedBefore(
            where, "this is not the cluster of the plan", f"the plan is for {plan.cluster.server}"
        )
    trust = await gather_trust(around.api, Asking(around.clock))
    if trust.value is None:
        raise StoppedBefore(
            where, trust.doubt.text if trust.doubt else "the cluster's CA is not known"
        )
    if trust.value.sha256 != plan.cluster.ca_sha256:
        raise StoppedBefore(where, "the cluster's CA has changed since the plan", "make a new plan")
    nodes = {node.name: node for node in await around.api.list_all(NODES)}
    for planned in plan.nodes:
        node = nodes.get(planned.node)
        if node is None or node.uid != planned.uid:
            saw = "is not there any more" if node is None else "has been made anew since the plan"
            raise StoppedBefore(planned.node, f"this Node {saw}", "make a new plan")
        if ready and not node.ready:
            raise StoppedBefore(
                planned.node, "this Node is not Ready", "make a new plan without it"
            )
    return trust.value


async def check_rights(around: Surroundings, *, config_map: bool) -> None:
    """We may do all that the run will do. Raises StoppedBefore naming what is lacking."""
    wanted = [
        ("update certificatesigningrequests/approval", ResourceAttributes(
            verb="update",
            group="certificates.k8s.io",
            resource="certificatesigningrequests",
            subresource="approval",
        )),
        (f"approve signers {_SIGNER}", ResourceAttributes(
            verb="approve", group="certificates.k8s.io", resource="signers", name=_SIGNER
        )),
    ]  # fmt: skip
    if config_map:
        attributes = ResourceAttributes(
            verb="patch", resource="configmaps", namespace="kube-system", name="kubelet-config"
        )
        wanted.append(("patch configmaps kube-system/kubelet-config", attributes))
    lacking = [
        what
        for what, attributes in wanted
        if not (await around.api.self_subject_access_review(attributes)).allowed
    ]
    if lacking:
        raise StoppedBefore(around.api.access.server, f"not allowed to {', '.join(lacking)}")


async def check_vantage(nodes: Iterable[NodePlan], around: Surroundings) -> None:
    """Every address can be dialled from here: else a good node could not be told from a bad one.

    Raises:
        StoppedBefore: one cannot.
    """
    wanted = [target for node in nodes for target in targets_of(node)]
    async for dialled in dial(wanted, clock=around.clock):
        failure = dialled.failure
        if failure is not None and failure.kind in _SILENT:
            raise StoppedBefore(
                dialled.target.node,
                f"{dialled.target} cannot be dialled from here: {failure.go_text or failure.text}",
                "run this where the nodes' addresses can be reached",
            )


async def survey_again(node: NodePlan, around: Surroundings) -> NodeSurvey:
    """The machine is the plan's, and so is its configuration.

    Raises:
        StoppedBefore: it is another machine, or something has changed since the plan.
    """
    try:
        seen = await survey_machine(node, around)
    except NodeError as error:
        raise StoppedBefore(node.node, str(error)) from None
    if node.change is Change.BOOTSTRAP:
        found = next((each.sha256 for each in seen.config if each.text_path == node.config), "")
        if found != node.config_sha256:
            raise StoppedBefore(
                node.node, f"{node.config} has been changed since the plan", "make a new plan"
            )
    return seen


async def survey_machine(node: NodePlan, around: Surroundings) -> NodeSurvey:
    """A survey of the plan's machine.

    Raises:
        StoppedBefore: it is another machine.
        NodeError: it cannot be reached.
    """
    carried = await around.way.carry(node.host, survey(), timeout=_SURVEY)
    if node.host_key and carried.host_key and carried.host_key != node.host_key:
        raise StoppedBefore(
            node.node,
            f"another ssh host key answers: {carried.host_key}",
            f"{node.host_key} is the plan's",
        )
    if why := not_the_machine(carried.answer, node.node, node.machine_id):
        raise StoppedBefore(node.node, why)
    return carried.answer


def not_the_machine(seen: NodeSurvey, node: str, machine_id: str) -> str:
    """Why this machine is not that node's; empty if it is."""
    found = seen.machine_id.decode(errors="replace").strip()
    if found != machine_id:
        return f"this machine's id is {found}, the Node's is {machine_id}"
    try:
        holder = node_name_of(read_certificates(seen.identity.pem, "its client certificate")[0])
    except X509Error as error:
        return str(error)
    return "" if holder == node else f"its kubelet's client certificate is {holder}'s"
