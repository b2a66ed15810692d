"""The check before a plan is carried out: everything that can be known before the first write. Writes nothing."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from kubevouch.errors import KubevouchError
from kubevouch.evidence.gather.csrs import list_csrs
from kubevouch.evidence.gather.inquiry import Inquiry, together
from kubevouch.evidence.gather.metrics_path import gather_metrics_path
from kubevouch.evidence.gather.names import gather_names
from kubevouch.evidence.gather.our_approver import gather_our_approver
from kubevouch.evidence.gather.serving import gather_served
from kubevouch.evidence.serving import preferred_types, targets
from kubevouch.evidence.snapshot import MetricsPath, Served, TrustedRoots
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.kube.resources import Node
from kubevouch.node.errors import NodeError
from kubevouch.policy.claims import NameSource
from kubevouch.policy.reserved import ReservedNames, reserved_of
from kubevouch.rollout.act.config_map import is_written
from kubevouch.rollout.act.confirm import confirm_addresses
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.node_facts import client_certificates_of, pins_of
from kubevouch.rollout.act.observe import RunInputs
from kubevouch.rollout.act.precheck import (
    check_cluster,
    check_rights,
    check_vantage,
    survey_machine,
    survey_planned,
)
from kubevouch.rollout.decide.assess import waiting_nodes
from kubevouch.rollout.decide.intent import why_not_applicable
from kubevouch.rollout.decide.need import MachineFacts, NeedKind, need_of, serves_its_own
from kubevouch.rollout.decide.operator_word import NO_WORD, OperatorWord, names_with_word
from kubevouch.rollout.decide.plan import LeftOut, NodePlan, Plan, ordered
from kubevouch.rollout.decide.recheck import (
    FoundState,
    not_accounted_for,
    not_entitled_as_planned,
    recheck,
)
from kubevouch.rollout.decide.shared import shared_among, without_shared_keys
from kubevouch.rollout.errors import NothingApplicable, StoppedBefore

_AT_ONCE = 16
_NOT_WELL = "the plan calls it well, and it does not serve a certificate of its own that verifies: make a new plan"
_SAID = {
    FoundState.AS_PLANNED: "is as planned",
    FoundState.BEGUN: "was changed by this run and not proven: the run goes on with it",
    FoundState.WELL: "needs nothing any more",
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
    although the plan would change it. not_well: nodes that the plan calls well, and that do not serve like it.
    """

    inputs: RunInputs
    nodes: tuple[CheckedNode, ...]
    """In the order of the run."""

    well: frozenset[str]
    writes_config_map: bool
    config_map_kept: str
    not_well: tuple[LeftOut, ...]

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


async def check(plan: Plan, context: RolloutContext, word: OperatorWord = NO_WORD) -> CheckedPlan:
    """Everything that can be known before the first write. word: what the operator says for this run.

    Raises:
        NothingApplicable: the plan leaves out every node that is not well.
        StoppedBefore: something is not as the plan says, naming the node.
        KubeError: the API server does not answer.
    """
    if why := why_not_applicable(plan):
        raise NothingApplicable(
            f"plan of run {plan.run}", why, "make a new plan when that is fixed"
        )
    trust, nodes = await check_cluster(plan, context)
    await check_rights(context, config_map=plan.config_map is not None)
    served = await check_vantage(plan.nodes, trust, context)
    inquiry = Inquiry(context.clock)
    names, metrics, csrs, ours = await together(
        gather_names(context.api, inquiry),
        gather_metrics_path(context.api, inquiry),
        list_csrs(context.api),
        gather_our_approver(context.api, inquiry),
    )
    checker = _Checker(context, plan, trust, nodes, served, waiting_nodes(csrs), metrics.flags)
    surveyed = await checker.surveyed()
    names = names_with_word(names, word, [each.facts.survey for each in surveyed])
    checked = checker.checked(surveyed, reserved_of(names, nodes))
    writes, kept, well = await checker.config_map()
    not_well = await checker.not_well()
    inputs = RunInputs(
        plan,
        trust,
        names,
        metrics_wanted=are_metrics_to_come(metrics),
        word=word,
        approver_decides=ours.value is not None and ours.value.decides,
    )
    return CheckedPlan(inputs, checked, well, writes, kept, not_well)


def are_metrics_to_come(metrics: MetricsPath) -> bool:
    """Whether the metrics API will have a node that is well, also while others are not."""
    if metrics.api_service.value is None or metrics.waits_for_several_nodes:
        return False
    available = metrics.available
    running = any(pod.status.phase == "Running" for pod in metrics.pods.or_else(()))
    return running or (available is not None and available.true)


@dataclass(frozen=True)
class _Surveyed:
    """A machine, the addresses that are proven to be its own, and the ssh host key that answered for it.

    known_as: the name under which known_hosts has that key. asked: when the survey was asked for.
    """

    plan: NodePlan
    facts: MachineFacts
    asked: datetime
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
    waiting: frozenset[str]
    flags: tuple[str, ...]

    async def surveyed(self) -> tuple[_Surveyed, ...]:
        """Every machine of the plan, several at a time. Raises StoppedBefore for the first that cannot be surveyed."""
        limit = asyncio.Semaphore(_AT_ONCE)

        async def surveyed(node: NodePlan) -> _Surveyed:
            async with limit:
                return await self._surveyed(node)

        return tuple(await together(*(surveyed(node) for node in ordered(self.plan.nodes))))

    async def _surveyed(self, node: NodePlan) -> _Surveyed:
        asked = self.context.clock.now()
        try:
            result = await survey_planned(node, self.context)
            at = self.context.clock.now()
            values = [claim.value for claim in node.addresses]
            proven = await confirm_addresses(values, node.host, result, self.context)
        except NodeError as error:
            raise StoppedBefore(node.node, str(error)) from None
        facts = MachineFacts(
            node=node.node,
            machine_id=node.machine_id,
            survey=result.answer,
            at=at,
            served=self.served.get(node.node),
            csr_waits=node.node in self.waiting,
        )
        return _Surveyed(node, facts, asked, proven, result.host_key or "", result.known_as or "")

    def checked(
        self, surveyed: tuple[_Surveyed, ...], reserved: ReservedNames
    ) -> tuple[CheckedNode, ...]:
        """What is to be done on each. Raises StoppedBefore for the first that is not as planned."""
        keys = {each.plan.node: each.host_key for each in surveyed}
        shared = shared_among(self.nodes, keys)
        pins = pins_of(self.plan.nodes)
        found = []
        for seen in surveyed:
            node = seen.plan
            state = recheck(node, self.plan.run, seen.facts)
            why = state.why
            if not why and state.state is not FoundState.WELL:
                proven = without_shared_keys(node.node, seen.proven, shared)
                why = not_entitled_as_planned(
                    node, self.nodes, reserved, proven, pins, known_as=seen.known_as
                )
            if why:
                raise StoppedBefore(node.node, why)
            self.context.progress.step(node.node, _SAID[state.state])
            facts = seen.facts
            found.append(
                CheckedNode(node, state.state, facts.survey, facts.at, seen.asked, state.content)
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
        served = await self._served([node for node in self.nodes if node.name in called])
        return tuple(
            LeftOut(node, _NOT_WELL)
            for node in called
            if not serves_its_own(served.get(node), node)
        )

    async def _served(self, nodes: list[Node]) -> dict[str, Served]:
        dialled = targets(nodes, preferred_types(self.flags))
        found = await gather_served(dialled, self.trust, clock=self.context.clock)
        return {each.node: each for each in found}

    async def _well(self, nodes: list[Node]) -> frozenset[str]:
        """Those that the plan calls well, and are: asked the same question as when the plan was made."""
        served = await self._served(nodes)
        limit = asyncio.Semaphore(_AT_ONCE)

        async def is_well(node: Node) -> bool:
            machine_id = node.status.node_info.machine_id
            async with limit:
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

        answers = await together(*(is_well(node) for node in nodes))
        return frozenset(node.name for node, well in zip(nodes, answers, strict=True) if well)
