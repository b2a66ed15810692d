"""One node's turn in a run: records the former state, changes the node, approves its CSR, and verifies it."""

from dataclasses import dataclass
from datetime import timedelta

from kubevouch.errors import KubevouchError
from kubevouch.kube.errors import NotFound
from kubevouch.kube.resources import NODES
from kubevouch.policy.csr import NODE_USER
from kubevouch.rollout.act.check import CheckedNode, CheckedPlan, looked_at_again
from kubevouch.rollout.act.context import RolloutContext, once_it_answers
from kubevouch.rollout.act.fleet_run import Reached
from kubevouch.rollout.act.live_cluster import LiveCluster
from kubevouch.rollout.act.node_facts import (
    client_certificates_of,
    lease_time,
    serves_well,
)
from kubevouch.rollout.act.node_run import NodeRun
from kubevouch.rollout.act.observe import NodeObserver
from kubevouch.rollout.decide.armed import about_to_be_armed, by_its_switch
from kubevouch.rollout.decide.change import change_of, change_to_undo, seed_of, untrusted_root
from kubevouch.rollout.decide.machine import has_restarted, state_of_run
from kubevouch.rollout.decide.recheck import GONE, not_the_node, why_skipped
from kubevouch.rollout.decide.result import NodeResult
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.errors import NodeAway, NotTheHolder, StoppedBefore

_NOT_READY = "this Node is not Ready"
_PATIENCE = 15.0
"""How long a canary may look unhealthy after its soak, in seconds."""
_CLOCKS = timedelta(seconds=5)
"""A tolerance: the API server truncates times to seconds, and its clock may differ from ours."""


@dataclass(frozen=True)
class NodeTurns:
    """Carries out the turn of each node in a plan."""

    checked: CheckedPlan
    context: RolloutContext
    timeouts: RolloutTimeouts
    live: LiveCluster

    async def through(self, name: str, reached: Reached) -> NodeResult:
        """Changes and verifies one node. The result also reports errors of the transport and the API server."""
        node = self.checked.by_name[name]
        begun = node.begun
        try:
            run, ill = await once_it_answers(
                lambda: self._run_of(node), self.context, name, self.timeouts.gates
            )
        except KubevouchError as error:
            how = (
                "the dead-man's switch may still be set on the node"
                if begun
                else "nothing was changed"
            )
            why = f"{error}; {how}"
            if begun and isinstance(error, NotTheHolder):
                why = f"{error}; {by_its_switch(begun.due, self.context.clock.now())}"
            state = NodeState.ARMED if begun else NodeState.UNTOUCHED
            away = isinstance(error, NodeAway) and begun is None
            result = NodeResult(name, state, why, away=away)
        else:
            run.reached = reached
            result = await (run.put_back(ill) if ill else run.run())
        self.context.progress.ended(name, _summary(result))
        return result

    async def not_well(self, name: str) -> str:
        """Why a canary is not healthy after its soak; empty if it is healthy.

        Repeats the check for 15 s if the node looks unhealthy, and until the gates' timeout if it
        is unreachable.
        """
        clock = self.context.clock
        began = clock.monotonic()
        while True:
            try:
                why = await self._ill(name)
                said, patience = f"not healthy after soak: {why}", _PATIENCE
            except KubevouchError as error:
                why = said = f"cannot tell whether the node is healthy after soak: {error}"
                patience = self.timeouts.gates
                self.context.progress.waiting(name, f"a check after the soak ({error})")
            if not why:
                return ""
            if clock.monotonic() - began > patience or self.context.stop():
                return said
            await clock.sleep(1)

    async def _ill(self, name: str) -> str:
        """Why a node that is done is not healthy; empty if it is healthy.

        Raises KubevouchError if unknown.
        """
        node = self.checked.by_name[name].plan
        live = await self.context.api.get(NODES, name)
        if why := not_the_node(node, live) or ("" if live.ready else _NOT_READY):
            return why
        well = await serves_well(self.context, node, self.checked.trust)
        return "" if well else "the node serves no trusted certificate of its own"

    async def _run_of(self, node: CheckedNode) -> tuple[NodeRun, str]:
        """Prepares the change of the node, or its undo.

        Also returns the reason for an undo; empty for a change.
        """
        if node.state is not NodeState.FAILED:
            try:
                return await self._prepare(node), ""
            except NodeAway as away:
                if node.begun is None:
                    raise
                return await self._to_put_back(node), away.seen
        return await self._to_put_back(node), _NOT_READY

    async def _to_put_back(self, node: CheckedNode) -> NodeRun:
        """Prepares the undo of a node.

        Raises StoppedBefore if an undo must not write into the plan's folder (`untrusted_root`).
        """
        if why := untrusted_root(node.plan, node.survey):
            raise StoppedBefore(node.plan.node, why)
        observer = await self._observer(node)
        await self.context.confirm_holder(node.begun)
        change = change_to_undo(node.plan, node.survey, self.checked.plan.run)
        return NodeRun(
            observer, self.timeouts, change=change, seed=None, pid_before=0, begun=node.begun
        )

    async def _prepare(self, node: CheckedNode) -> NodeRun:
        """Checks that the node is still as planned and Ready, and prepares its change.

        Records its former state, and makes the seed certificate.
        """
        name, begun = node.plan.node, node.begun
        context, timeouts = self.context, self.timeouts
        try:
            live = await context.api.get(NODES, name)
        except NotFound:
            raise NodeAway(name, GONE) from None
        if why := why_skipped(node.plan, live, begun=begun is not None):
            raise NodeAway(name, why)
        if why := not_the_node(node.plan, live):
            raise StoppedBefore(name, why)
        trust = self.checked.trust
        run = self.checked.plan.run
        node = node if begun else await looked_at_again(node, live, run, trust, context)
        observer = await self._observer(node)
        if not node.plan.writes:
            await context.confirm_holder()
            return NodeRun(
                observer, timeouts, change=None, seed=None, pid_before=node.survey.unit.pid
            )
        arms = begun or about_to_be_armed(name, run, context.clock.now(), timeouts.switch)
        await context.confirm_holder(arms)
        restarted = begun is not None and has_restarted(state_of_run(node.survey, run))
        if begun:
            context.progress.step(name, "continues the unfinished run")
        return NodeRun(
            observer=observer,
            timeouts=timeouts,
            change=change_of(
                node.plan,
                node.survey,
                run,
                content=node.found.content,
                switch_seconds=timeouts.switch,
            ),
            seed=seed_of(
                node.plan,
                node.survey,
                now=context.clock.now(),
                life=timeouts.seed_life,
                serials=(context.random_serial(63), context.random_serial(63)),
            ),
            pid_before=0 if restarted else node.survey.unit.pid,
            begun=begun,
        )

    async def _observer(self, node: CheckedNode) -> NodeObserver:
        """Returns an observer that compares the node with its state before the change.

        If the run has begun on the node, CSRs from before the kubelet's last start count as old.
        """
        name, begun = node.plan.node, node.begun
        writes = node.plan.writes
        started = node.kubelet_started
        since = started - _CLOCKS if started else None
        user = f"{NODE_USER}{name}"
        csrs = [each for each in await self.live.csrs() if each.spec.username == user]
        known: set[str] = set()
        if begun and since is not None:
            known = {
                each.name for each in csrs if (each.metadata.creation_timestamp or since) < since
            }
        elif writes and not begun:
            known = {each.name for each in csrs}
        return NodeObserver(
            context=self.context,
            live=self.live,
            checked=self.checked,
            node=node.plan,
            known=frozenset(known),
            lease_before=None if begun else await lease_time(self.context, name),
            kubelet_started=since if begun or not writes else None,
            client_certificates=client_certificates_of(node.survey),
            approvers_turn=self.timeouts.approvers_turn if self.checked.approver_decides else 0.0,
        )


def _summary(result: NodeResult) -> str:
    if result.state is NodeState.DONE:
        return f"done in {result.seconds:.0f} s"
    return str(result)
