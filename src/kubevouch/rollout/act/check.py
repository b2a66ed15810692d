"""The check before a plan is carried out: everything that can be known before the first write. Writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from kubevouch.errors import KubevouchError
from kubevouch.evidence.gather.at_once import of_each, together
from kubevouch.evidence.gather.csrs import list_csrs
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.gather.metrics_path import gather_metrics_path
from kubevouch.evidence.gather.names import gather_names
from kubevouch.evidence.gather.our_approver import gather_our_approver
from kubevouch.evidence.gather.serving import gather_served
from kubevouch.evidence.serving import preferred_types, targets
from kubevouch.evidence.snapshot import Served, TrustedRoots
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.kube.resources import Node
from kubevouch.node.errors import NodeError, NoRoot, ScriptFailed
from kubevouch.policy.claims import NameSource
from kubevouch.policy.machines import HOST_KEY, sharing
from kubevouch.policy.node_index import NodeIndex
from kubevouch.policy.reserved import reserved_of
from kubevouch.rollout.act.away_nodes import look_at_away_nodes
from kubevouch.rollout.act.config_map import is_written
from kubevouch.rollout.act.confirm import confirm_addresses
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.node_facts import (
    asked_for_again_by_pod,
    client_certificates_of,
    pins_of,
)
from kubevouch.rollout.act.observe import RunInputs
from kubevouch.rollout.act.precheck import (
    check_cluster,
    check_rights,
    check_vantage,
    survey_machine,
    survey_planned,
)
from kubevouch.rollout.act.running_configuration import with_running_configuration
from kubevouch.rollout.decide.entitled import Neighbours
from kubevouch.rollout.decide.expected_metrics import expected_metrics
from kubevouch.rollout.decide.intent import why_not_applicable
from kubevouch.rollout.decide.lineup import with_live_strata
from kubevouch.rollout.decide.need import MachineFacts, NeedKind, need_of, serves_its_own
from kubevouch.rollout.decide.operator_word import NO_WORD, OperatorWord, names_with_word
from kubevouch.rollout.decide.own_csrs import Csrs, csr_waits, csrs_by_node
from kubevouch.rollout.decide.plan import LeftOut, NodePlan, Plan, ordered, without_nodes
from kubevouch.rollout.decide.recheck import (
    FoundState,
    Recheck,
    finished_only,
    joined_since,
    not_accounted_for,
    not_entitled_as_planned,
    recheck,
)
from kubevouch.rollout.decide.shared import shared_among, without_shared_keys
from kubevouch.rollout.decide.timeouts import HANDSHAKE
from kubevouch.rollout.errors import NothingApplicable, StoppedBefore, WayOn

_AT_ONCE = 16
_NOT_WELL = "the plan calls it well, and it does not serve a certificate of its own that verifies: make a new plan"
_SAID = {
    FoundState.AS_PLANNED: "is as planned",
    FoundState.BEGUN: "was changed by this run and not proven: the run goes on with it",
    FoundState.WELL: "needs nothing any more",
    FoundState.ILL: "was changed by this run, and its Node is not Ready: the run puts it back",
}


@dataclass(frozen=True)
class CheckedNode:
    """A node of the plan, found as planned, or begun, or well. content: its new config.yaml; empty: nothing is written."""

    plan: NodePlan
    state: FoundState
    survey: NodeSurvey
    surveyed: datetime
    """When it was surveyed, by our clock."""

    asked: datetime
    """When that survey was asked for, by our clock."""

    content: bytes

    @property
    def kubelet_started(self) -> datetime | None:
        """When its kubelet started at the earliest, by our clock: how old it is was read after we had asked."""
        return self.survey.kubelet_started(self.asked)


@dataclass(frozen=True)
class CheckedPlan:
    """A plan that passed every check.

    well: nodes that the plan leaves out since they are well, and that were found well again. writes_config_map: the
    ConfigMap is to be written, and every node of the cluster is accounted for. config_map_kept: why it is left as it is
    although the plan would change it. not_well: nodes that the plan calls well, and that do not serve like it; and nodes that
    have joined since. away: nodes of the plan that the run goes without.
    """

    inputs: RunInputs
    nodes: tuple[CheckedNode, ...]
    """In the order of the run."""

    well: frozenset[str]
    writes_config_map: bool
    config_map_kept: str
    not_well: tuple[LeftOut, ...]
    away: tuple[LeftOut, ...] = ()

    @property
    def plan(self) -> Plan:
        """The plan itself."""
        return self.inputs.plan

    @property
    def found(self) -> dict[str, FoundState]:
        """By node, what was found."""
        return {each.plan.node: each.state for each in self.nodes}

    @property
    def client_certificates(self) -> dict[str, frozenset[str]]:
        """By node, SHA-256 of the client certificate on its disk."""
        return {each.plan.node: client_certificates_of(each.survey) for each in self.nodes}


async def check(
    plan: Plan,
    context: RolloutContext,
    word: OperatorWord = NO_WORD,
    *,
    goes_on: bool = False,
) -> CheckedPlan:
    """Everything that can be known before the first write. word: what the operator says for this run. goes_on: it was begun from here.

    Raises:
        NothingApplicable: the plan leaves out every node that is not well.
        StoppedBefore: something is not as the plan says, naming the node.
        KubeError: the API server does not answer.
    """
    if why := why_not_applicable(plan):
        raise NothingApplicable(
            f"plan of run {plan.run}", why, "make a new plan when that is fixed"
        )
    trust, nodes, away = await check_cluster(plan, context)
    looked = await look_at_away_nodes(plan, nodes, away, context, goes_on=goes_on)
    away, failures = looked.left_out, looked.failures
    pins = pins_of(plan.nodes)
    plan = with_live_strata(without_nodes(plan, away), nodes)
    if why := why_not_applicable(plan):
        raise NothingApplicable(f"plan of run {plan.run}", why, "make a new plan")
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
    checker = _Checker(
        context, plan, trust, nodes, served, csrs_by_node(csrs), metrics.flags, failures
    )
    surveyed = await checker.surveyed()
    names = names_with_word(names, word, [each.domain for each in surveyed])
    found = {each.plan.node: each.found for each in surveyed}
    left = tuple(LeftOut(node, why) for node, why in finished_only(found).items())
    away, plan = (*away, *left), without_nodes(plan, left)
    checker = replace(checker, plan=plan)
    neighbours = Neighbours(NodeIndex(nodes), reserved_of(names, nodes), pins)
    checked = checker.checked(surveyed, neighbours)
    writes, kept, well = await checker.config_map()
    not_well = await checker.not_well()
    inputs = RunInputs(
        plan,
        trust,
        names,
        metrics=expected_metrics(metrics),
        word=word,
        pins=pins,
        approver_decides=ours.value is not None and ours.value.decides,
    )
    new = joined_since(plan, nodes)
    return CheckedPlan(inputs, checked, well, writes, kept, (*not_well, *new), away)


@dataclass(frozen=True)
class _Surveyed:
    """A machine, the addresses that are proven to be its own, and the ssh host key that answered for it.

    found: what this run finds on its disk. domain: the cluster's, as its kubelet has it. known_as: the name under which known_hosts
    has that key. asked: when the survey was asked for. at: when it was there.
    """

    plan: NodePlan
    survey: NodeSurvey
    found: Recheck
    domain: str
    asked: datetime
    at: datetime
    proven: dict[str, NameSource]
    host_key: str
    known_as: str


@dataclass(frozen=True)
class _Checker:
    """Checks the nodes of a plan, with what is known of the cluster."""

    context: RolloutContext
    plan: Plan
    trust: TrustedRoots
    nodes: tuple[Node, ...]
    served: dict[str, Served]
    csrs: Mapping[str, Csrs]
    flags: tuple[str, ...]
    failures: Mapping[str, Recheck]
    """Of nodes that this run has begun, and that are not Ready."""

    async def surveyed(self) -> tuple[_Surveyed, ...]:
        """Every machine of the plan, several at a time. Raises StoppedBefore for the first that cannot be surveyed."""
        planned = {each.node for each in self.plan.nodes}
        live = [each for each in self.nodes if each.name in planned]
        for node, why in (await asked_for_again_by_pod(self.context, live)).items():
            raise StoppedBefore(node, why)
        return tuple(await of_each(ordered(self.plan.nodes), self._surveyed, at_once=_AT_ONCE))

    async def _surveyed(self, node: NodePlan) -> _Surveyed:
        asked = self.context.clock.now()
        try:
            result = await survey_planned(node, self.context)
            at = self.context.clock.now()
            values = [claim.value for claim in node.addresses]
            proven = await confirm_addresses(values, node.host, result, self.context)
        except NodeError as error:
            raise StoppedBefore(node.node, str(error), way=_way_on(error)) from None
        facts = MachineFacts(
            node=node.node,
            machine_id=node.machine_id,
            survey=result.answer,
            at=at,
            served=self.served.get(node.node),
            csr_waits=csr_waits(
                self.csrs.get(node.node, ()), client_certificates_of(result.answer)
            ),
        )
        facts = await with_running_configuration(facts, self.context)
        return _Surveyed(
            plan=node,
            survey=facts.survey,
            found=self.failures.get(node.node) or recheck(node, self.plan.run, facts),
            domain=facts.files.cluster_domain,
            asked=asked,
            at=at,
            proven=proven,
            host_key=result.host_key or "",
            known_as=result.known_as or "",
        )

    def checked(
        self, surveyed: tuple[_Surveyed, ...], neighbours: Neighbours
    ) -> tuple[CheckedNode, ...]:
        """What is to be done on each that is not left out. Raises StoppedBefore for the first that is not as planned.

        surveyed: those that are left out, too: whose host key is another node's as well proves nothing.
        """
        planned = {each.node for each in self.plan.nodes}
        keys = {each.plan.node: each.host_key for each in surveyed}
        cloned = sharing(shared_among(self.nodes, keys), HOST_KEY)
        live = {each.name: each for each in self.nodes}
        armed = (FoundState.BEGUN, FoundState.ILL)
        begun = tuple(each.plan.node for each in surveyed if each.found.state in armed)
        found = []
        for seen in (each for each in surveyed if each.plan.node in planned):
            node = seen.plan
            state = seen.found
            why = state.why
            if not why and state.state not in (FoundState.WELL, FoundState.ILL):
                proven = without_shared_keys(node.node, seen.proven, cloned)
                why = not_entitled_as_planned(
                    node, live.get(node.node), neighbours, proven, known_as=seen.known_as
                )
            if why:
                way = WayOn.OTHER_RUN if state.armed_run else WayOn.NEW_PLAN
                way = WayOn.LOOK if state.state is FoundState.FAILED else way
                raise StoppedBefore(node.node, why, way=way, run=state.armed_run, begun=begun)
            self.context.progress.step(node.node, _SAID[state.state])
            found.append(
                CheckedNode(node, state.state, seen.survey, seen.at, seen.asked, state.content)
            )
        return tuple(found)

    async def config_map(self) -> tuple[bool, str, frozenset[str]]:
        """Whether the ConfigMap is to be written, or why it is left as it is; and the nodes left out that are well."""
        plan = self.plan
        if plan.config_map is None or await is_written(self.context.api, plan.config_map):
            return False, "", frozenset()
        left_out = {each.node for each in plan.left_out if each.is_well}
        well = await self._well([node for node in self.nodes if node.name in left_out])
        kept = not_accounted_for(plan, [node.name for node in self.nodes], well)
        return not kept, kept, well

    async def not_well(self) -> tuple[LeftOut, ...]:
        """The nodes that the plan calls well, and that do not serve a certificate of their own that verifies."""
        called = [each.node for each in self.plan.left_out if each.is_well]
        wanted = set(called)
        served = await self._served([node for node in self.nodes if node.name in wanted])
        return tuple(
            LeftOut(node, _NOT_WELL)
            for node in called
            if not serves_its_own(served.get(node), node)
        )

    async def _served(self, nodes: list[Node]) -> dict[str, Served]:
        dialled = targets(nodes, preferred_types(self.flags))
        found = await gather_served(
            dialled, self.trust, clock=self.context.clock, timeout=HANDSHAKE
        )
        return {each.node: each for each in found}

    async def _well(self, nodes: list[Node]) -> frozenset[str]:
        """Those that the plan calls well, and are: asked the same question as when the plan was made."""
        served = await self._served(nodes)

        async def is_well(node: Node) -> bool:
            machine_id = node.status.node_info.machine_id
            try:
                found = await survey_machine(node.name, node.name, machine_id, "", self.context)
            except KubevouchError:
                return False
            facts = MachineFacts(
                node=node.name,
                machine_id=machine_id,
                survey=found.answer,
                at=self.context.clock.now(),
                served=served.get(node.name),
                csr_waits=False,
            )
            return need_of(facts).kind is NeedKind.NOTHING

        answers = await of_each(nodes, is_well, at_once=_AT_ONCE)
        return frozenset(node.name for node, well in zip(nodes, answers, strict=True) if well)


def _way_on(error: NodeError) -> WayOn:
    """What leads on from a node that could not be surveyed."""
    if isinstance(error, NoRoot):
        return WayOn.ROOT
    return WayOn.ANSWER if isinstance(error, ScriptFailed) else WayOn.REACH
