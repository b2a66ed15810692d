"""Checks a plan before the first write, and changes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from kubevouch.evidence.gather.approvers import gather_our_approver
from kubevouch.evidence.gather.csrs import list_csrs
from kubevouch.evidence.gather.inquiry import Inquiry, of_each, together
from kubevouch.evidence.gather.metrics_path import gather_metrics_path
from kubevouch.evidence.gather.names import gather_names
from kubevouch.evidence.gather.serving import gather_served
from kubevouch.evidence.names import ClusterNames
from kubevouch.evidence.run_holder import ArmedNode
from kubevouch.evidence.serving import preferred_types, targets
from kubevouch.evidence.snapshot import TrustedRoots
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.kube.resources import Node
from kubevouch.node.errors import NodeError
from kubevouch.policy.machines import HOST_KEY, sharing
from kubevouch.policy.node_index import NodeIndex, WrittenClaims
from kubevouch.policy.reserved import reserved_of
from kubevouch.rollout.act.config_map import written_by
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.look import SeenOutside, look_at_machine
from kubevouch.rollout.act.node_facts import (
    asked_for_again_by_pod,
    client_certificates_of,
    pins_of,
    served_by,
)
from kubevouch.rollout.act.precheck import (
    check_cluster,
    check_rights,
    check_vantage,
    look_at_away_nodes,
)
from kubevouch.rollout.decide.armed import found_armed
from kubevouch.rollout.decide.entitled import (
    NO_WORD,
    Neighbours,
    OperatorWord,
    names_with_word,
    shared_among,
    without_shared_keys,
)
from kubevouch.rollout.decide.gates import ExpectedMetrics, expected_metrics
from kubevouch.rollout.decide.intent import why_not_applicable
from kubevouch.rollout.decide.lineup import with_live_strata
from kubevouch.rollout.decide.machine import StartFiles
from kubevouch.rollout.decide.need import Look, serves_its_own
from kubevouch.rollout.decide.own_csrs import csrs_by_node
from kubevouch.rollout.decide.plan import (
    LeftOut,
    NodePlan,
    Plan,
    ordered,
    without_nodes,
)
from kubevouch.rollout.decide.recheck import (
    NEW_PLAN,
    Recheck,
    finished_only,
    joined_since,
    not_accounted_for,
    not_entitled_as_planned,
    recheck,
)
from kubevouch.rollout.decide.run_status import BEGUN, NodeState
from kubevouch.rollout.decide.timeouts import HANDSHAKE
from kubevouch.rollout.errors import LeadsOn, NothingApplicable, StoppedBefore, way_on

_AT_ONCE = 16
_NOT_WELL = (
    "was healthy in the plan, but now serves no trusted certificate of its own: make a new plan"
)
_SAID = {
    NodeState.UNTOUCHED: "is as planned",
    NodeState.ARMED: "was left unfinished by an earlier attempt: the run continues",
    NodeState.DONE: "needs nothing",
    NodeState.FAILED: "was changed by this run and is not Ready: the run undoes the change",
}


@dataclass(frozen=True)
class CheckedNode:
    """A node of the plan, the last survey of its machine, and this run's state on it."""

    plan: NodePlan
    look: Look
    found: Recheck
    begun: ArmedNode | None = None
    """Set if an earlier attempt of this run may have set the node's dead-man's switch."""

    @property
    def state(self) -> NodeState:
        """The run's state on the node."""
        return self.found.state

    @property
    def survey(self) -> NodeSurvey:
        """The survey of the node's machine."""
        return self.look.survey

    @property
    def kubelet_started(self) -> datetime | None:
        """When the kubelet started, by our clock; None if unknown.

        The time is slightly too early, since the node measures the kubelet's age only after our
        request.
        """
        return self.survey.kubelet_started(self.look.asked)


@dataclass(frozen=True)
class CheckedPlan:
    """A plan that passed every check, and what its run needs to know about the cluster.

    nodes: in the run's order. writes_config_map: whether the run writes the ConfigMap once all nodes are done.
    config_map_kept: why the run leaves the ConfigMap unchanged although the plan changes it. not_well:
    nodes that the plan lists as healthy but that are no longer healthy, and nodes that joined the
    cluster later. away: nodes of the plan that the run skips.
    """

    plan: Plan
    nodes: tuple[CheckedNode, ...]
    trust: TrustedRoots
    names: ClusterNames
    metrics: ExpectedMetrics
    word: OperatorWord
    pins: WrittenClaims
    """The proven names and addresses of all nodes in the plan, even skipped ones. No other node may
    have them."""

    approver_decides: bool
    """Whether our approver runs in the cluster, and so gets the first chance to approve."""

    writes_config_map: bool
    config_map_kept: str
    not_well: tuple[LeftOut, ...]
    away: tuple[LeftOut, ...]

    @property
    def found(self) -> dict[str, NodeState]:
        """This run's state on each node."""
        return {each.plan.node: each.state for each in self.nodes}

    @property
    def begun(self) -> tuple[ArmedNode, ...]:
        """The nodes whose dead-man's switch an earlier attempt of this run may have set."""
        return tuple(each.begun for each in self.nodes if each.begun)

    @cached_property
    def by_name(self) -> Mapping[str, CheckedNode]:
        """The nodes by name."""
        return {each.plan.node: each for each in self.nodes}

    @property
    def client_certificates(self) -> dict[str, frozenset[str]]:
        """The SHA-256 of the kubelet's client certificate on each node; empty if unreadable."""
        return {each.plan.node: client_certificates_of(each.survey) for each in self.nodes}


async def check(
    plan: Plan,
    context: RolloutContext,
    word: OperatorWord = NO_WORD,
    *,
    goes_on: bool = False,
) -> CheckedPlan:
    """Checks everything that can be checked before the first write.

    word: facts that the operator states with options. goes_on: whether this machine resumes a run
    that it started.

    Raises:
        NothingApplicable: the plan leaves out all unhealthy nodes.
        StoppedBefore: the cluster differs from the plan, a right is missing, or a node cannot be
            reached. The error names the node, if it is about one.
        KubeError: the API server does not answer.
    """
    _check_applicable(plan, "fix the cause, then make a new plan")
    trust, nodes, away = await check_cluster(plan, context)
    away, failures = await look_at_away_nodes(plan, nodes, away, context, goes_on=goes_on)
    pins = pins_of(plan.nodes)
    plan = with_live_strata(without_nodes(plan, away), nodes)
    _check_applicable(plan, NEW_PLAN)
    await check_rights(context, config_map=plan.config_map is not None)
    dialled = [each for each in plan.nodes if each.node not in failures]
    served = await check_vantage(dialled, trust, context)
    inquiry = Inquiry(context.clock)
    names, metrics, csrs, ours = await together(
        gather_names(context.api, inquiry),
        gather_metrics_path(context.api, inquiry),
        list_csrs(context.api),
        gather_our_approver(context.api, inquiry),
    )
    live = {node.name: node for node in nodes}
    outside = SeenOutside(served, csrs_by_node(csrs), trust)
    seen = await _looks(plan, live, outside, failures, context)
    names = names_with_word(names, word, [StartFiles(each.survey).cluster_domain for each in seen])
    left = finished_only({each.plan.node: each.found for each in seen})
    more = tuple(LeftOut(node, why) for node, why in left.items())
    plan = without_nodes(plan, more)
    neighbours = Neighbours(NodeIndex(nodes), reserved_of(names, nodes), pins)
    checked = _checked(plan, seen, live, neighbours, context)
    not_well = await _not_well(plan, live, trust, metrics.flags, context)
    writes, kept = False, ""
    if plan.config_map is not None and await written_by(context.api, plan.config_map) is None:
        kept = not_accounted_for(plan, live, not_well)
        writes = not kept
    return CheckedPlan(
        plan,
        checked,
        trust,
        names,
        metrics=expected_metrics(metrics),
        word=word,
        pins=pins,
        approver_decides=ours.value is not None and ours.value.decides,
        writes_config_map=writes,
        config_map_kept=kept,
        not_well=(*not_well, *joined_since(plan, nodes)),
        away=(*away, *more),
    )


def _check_applicable(plan: Plan, expected: str) -> None:
    if why := why_not_applicable(plan):
        raise NothingApplicable(f"plan of run {plan.run}", why, expected)


async def _looks(
    plan: Plan,
    live: Mapping[str, Node],
    outside: SeenOutside,
    failures: Mapping[str, Recheck],
    context: RolloutContext,
) -> tuple[CheckedNode, ...]:
    """Surveys every machine of the plan, several at once.

    failures: this run's state on nodes that it has changed or undone and that are not Ready.

    Raises StoppedBefore for the first machine that cannot be surveyed.
    """
    planned = [live[each.node] for each in plan.nodes]
    for node, why in (await asked_for_again_by_pod(context, planned)).items():
        raise StoppedBefore(node, why)

    async def seen(node: NodePlan) -> CheckedNode:
        try:
            look = await look_at_machine(live[node.node], outside, context, node)
        except NodeError as error:
            raise StoppedBefore(node.node, str(error), way=way_on(error)) from None
        found = failures.get(node.node) or recheck(node, plan.run, look)
        begun = found_armed(node.node, plan.run, look.survey, look.at)
        return CheckedNode(node, look, found, begun if found.state in BEGUN else None)

    return tuple(await of_each(ordered(plan.nodes), seen, at_once=_AT_ONCE))


def _checked(
    plan: Plan,
    seen: tuple[CheckedNode, ...],
    live: Mapping[str, Node],
    neighbours: Neighbours,
    context: RolloutContext,
) -> tuple[CheckedNode, ...]:
    """Checks each surveyed node against the plan, except the skipped ones.

    Raises StoppedBefore for the first node that differs from the plan.

    seen: all surveyed nodes, even skipped ones. A host key that two of them share proves nothing.
    """
    planned = {each.node for each in plan.nodes}
    keys = {each.plan.node: each.look.host_key for each in seen}
    cloned = sharing(shared_among(live.values(), keys), HOST_KEY)
    begun = tuple(each.plan.node for each in seen if each.found.state in BEGUN)
    checked = []
    for each in seen:
        node, look, found = each.plan, each.look, each.found
        if node.node not in planned:
            continue
        why = found.why
        if not why and found.state not in (NodeState.DONE, NodeState.FAILED):
            proven = without_shared_keys(node.node, look.confirmed, cloned)
            why = not_entitled_as_planned(
                node, live[node.node], neighbours, proven, known_as=look.known_as
            )
        if why:
            way = LeadsOn.DOCTOR if found.state is NodeState.DONE else LeadsOn.NEW_PLAN
            raise StoppedBefore(node.node, why, way=way, run=found.armed_run, begun=begun)
        context.progress.step(node.node, _SAID[found.state])
        checked.append(each)
    return tuple(checked)


async def _not_well(
    plan: Plan,
    live: Mapping[str, Node],
    trust: TrustedRoots,
    flags: tuple[str, ...],
    context: RolloutContext,
) -> tuple[LeftOut, ...]:
    """Nodes that the plan lists as healthy, but that serve no trusted certificate of their own."""
    called = [each.node for each in plan.left_out if each.is_well]
    dialled = targets([live[each] for each in called if each in live], preferred_types(flags))
    found = await gather_served(dialled, trust, clock=context.clock, timeout=HANDSHAKE)
    served = {each.node: each for each in found}
    return tuple(
        LeftOut(node, _NOT_WELL) for node in called if not serves_its_own(served.get(node), node)
    )


_FRESH = 20.0
"""The age, in seconds, at which a survey is too old and is repeated."""


async def looked_at_again(
    node: CheckedNode, live: Node, run: str, trust: TrustedRoots, context: RolloutContext
) -> CheckedNode:
    """Surveys the node again if it needs a change and its survey is older than 20 s. live: the current Node.

    Raises StoppedBefore if the node is no longer as planned, NodeError if it cannot be surveyed.
    """
    plan, age = node.plan, context.clock.now() - node.look.at
    if not plan.writes or age.total_seconds() < _FRESH:
        return node
    served = {each.node: each for each in reversed(await served_by(context, plan, trust))}
    outside = SeenOutside(served, {}, trust)
    look = await look_at_machine(live, outside, context, plan, confirms=False)
    found = recheck(plan, run, look)
    if found.state is not NodeState.UNTOUCHED:
        why = found.why or f"the node has changed since the check; {NEW_PLAN}"
        raise StoppedBefore(plan.node, why)
    return CheckedNode(plan, look, found)
