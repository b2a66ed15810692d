"""Decides which nodes a run works on next, from the states of all its nodes. Pure.

The order: nodes that an earlier attempt started; approvals without a restart; one canary per
stratum (nodes with the same OS image, kubelet minor version and architecture), which then soaks;
the other workers, 1, 2, 5, ... at once; control-plane nodes, one at a time. The caller calls
`next_turn` again whenever a node has finished.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from kubevouch.rollout.decide.gates import ProofGate
from kubevouch.rollout.decide.lineup import Lineup, at_once
from kubevouch.rollout.decide.plan import NodePlan
from kubevouch.rollout.decide.run_status import BEGUN, NodeState


@dataclass(frozen=True)
class HeldInCommon:
    """The current state of a PodDisruptionBudget or a Service whose pods are on several nodes."""

    name: str
    """The kind, namespace and name, such as `Service shop/cart`."""

    spare: int
    """How many pods may be missing at once: disruptionsAllowed, or one fewer than the ready
    endpoints."""

    pods: Mapping[str, int]
    """The number of pods or endpoints on each node."""

    is_whole: bool = True
    """Whether all pods are healthy. For a Service: whether two or more nodes have ready ones."""

    def objection(self, node: str, active: Collection[str], lately: Collection[str]) -> str:
        """Why the node must wait; empty if it may start now.

        If `spare` is 0, the nodes with these pods still start, one at a time.

        active, lately: as for `Workloads.objection`.
        """
        others = [each for each in active if each in self.pods]
        taken = sum(self.pods[each] for each in others)
        if others and taken + self.pods[node] > self.spare:
            return f"{others[0]} has pods of the same {self.name}"
        before = next((each for each in lately if each in self.pods and each != node), "")
        if before and not self.is_whole:
            return (
                f"some pods of {self.name} have not become ready again since {before} was changed"
            )
        return ""


@dataclass(frozen=True)
class Workloads:
    """The workloads that nodes share. unread: why they are unknown; empty if known."""

    held: tuple[HeldInCommon, ...] = ()
    unread: str = ""

    @cached_property
    def _by_node(self) -> Mapping[str, list[HeldInCommon]]:
        found: dict[str, list[HeldInCommon]] = {}
        for each in self.held:
            for node in each.pods:
                found.setdefault(node, []).append(each)
        return found

    def objection(self, node: str, active: Collection[str], lately: Collection[str]) -> str:
        """Why the node must wait; empty if it may start now.

        active: nodes that have started and are not verified. lately: the active nodes, and nodes that
        finished in the last two minutes.
        """
        if self.unread and active:
            return f"one node at a time: {self.unread}"
        reasons = (each.objection(node, active, lately) for each in self._by_node.get(node, ()))
        return next(filter(None, reasons), "")


_LOST = (NodeState.FAILED, NodeState.UNKNOWN)
_APPROVALS = 8
_SETTLES = 120.0
"""For this many seconds after a node has finished, unready pods are attributed to its change."""
_LOOK = 5.0
"""Seconds after which shared workloads are read again."""


@dataclass(frozen=True, slots=True)
class Course:
    """A node's progress. Times are seconds of the monotonic clock.

    state: UNTOUCHED if the node waits, ARMED if it is in progress. UNDONE if its change was undone,
    if it failed without a change, or if it is a canary that failed after its soak. FAILED and
    UNKNOWN nodes may be unhealthy. gate: the pending gate of a node in progress; None once a gate
    has failed and the undo has begun.
    """

    state: NodeState = NodeState.UNTOUCHED
    gate: ProofGate | None = ProofGate.ANSWERS
    began: float | None = None
    """When this run started to change the node; None if it has not."""

    ended: float = 0.0
    soaked: bool = False
    """Whether the node is a canary that was healthy after its soak."""

    for_good: bool = False
    """Whether an undo cannot fix the node's failure."""

    @property
    def active(self) -> bool:
        """Whether the node has started and not finished."""
        return self.state is NodeState.ARMED


WAITS = Course()


@dataclass(frozen=True, slots=True)
class Turn:
    """What the run does next. begin: the nodes to start now."""

    begin: tuple[str, ...] = ()
    look_at: tuple[str, ...] = ()
    """Canaries that have soaked and need another check."""

    stop: str = ""
    """Why the run starts no more nodes; empty if nothing stops it."""

    again: float | None = None
    """The time of the next decision if no node finishes earlier. None: decide only when a node finishes."""

    waits_for: str = ""
    """A message about what the next node waits for."""


@dataclass(frozen=True)
class _Seen:
    lineup: Lineup
    courses: Mapping[str, Course]
    workloads: Workloads
    now: float

    def course(self, node: NodePlan) -> Course:
        return self.courses.get(node.node, WAITS)

    def those(self, nodes: Collection[NodePlan], *states: NodeState) -> list[NodePlan]:
        return [each for each in nodes if self.course(each).state in states]

    def waits(self, nodes: Collection[NodePlan]) -> list[NodePlan]:
        return self.those(nodes, NodeState.UNTOUCHED)

    @cached_property
    def active(self) -> list[str]:
        return [each.node for each in self.those(self.lineup.nodes, NodeState.ARMED)]

    @cached_property
    def gates(self) -> list[ProofGate | None]:
        return [self.courses[each].gate for each in self.active]

    @cached_property
    def restarting(self) -> int:
        return sum(gate not in (ProofGate.METRICS, None) for gate in self.gates)

    @cached_property
    def lately(self) -> list[str]:
        """Nodes in progress, or finished in the last two minutes."""
        ended = [
            node
            for node, course in self.courses.items()
            if course.began is not None and not course.active and self.now - course.ended < _SETTLES
        ]
        return self.active + ended

    @cached_property
    def failed(self) -> list[NodePlan]:
        return self.those(self.lineup.nodes, NodeState.UNDONE, *_LOST)


def next_turn(
    lineup: Lineup, courses: Mapping[str, Course], workloads: Workloads, now: float
) -> Turn:
    """Decides which nodes start now, or why the run starts no more nodes.

    A node that is missing in `courses` is waiting.
    """
    seen = _Seen(lineup, courses, workloads, now)
    if why := _why_it_stops(seen):
        return Turn(stop=why)
    if None in seen.gates:
        return Turn()
    for phase in (_finishes, _approvals, _canaries, _others, _control_planes):
        turn = phase(seen)
        if turn is not None:
            return turn
    return Turn()


def _why_it_stops(seen: _Seen) -> str:
    """Why failures stop the run; empty if they do not. After the canaries, a first failure only pauses the run."""
    for each in seen.failed:
        if why := _why_at_once(each, seen):
            return why
    if len(seen.failed) > 1:
        return f"{len(seen.failed)} nodes failed: {', '.join(each.node for each in seen.failed)}"
    waits = seen.waits(seen.lineup.nodes)
    only_control_planes = bool(waits) and all(each.control_plane for each in waits)
    if seen.failed and only_control_planes and not seen.active:
        return f"{seen.failed[0].node} failed, and only control-plane nodes are left"
    return ""


def _why_at_once(failed: NodePlan, seen: _Seen) -> str:
    lineup, course = seen.lineup, seen.course(failed)
    whole_change = bool(lineup.of(NodeState.UNTOUCHED))
    if course.state in _LOST:
        return f"{failed.node} may be unhealthy"
    if course.for_good:
        return f"the approval for {failed.node} cannot be taken back"
    if failed.node in lineup.canaries:
        which = f"the canary of {failed.stratum}"
    elif failed.control_plane:
        which = "a control-plane node"
    elif lineup.state(failed) in BEGUN:
        which = "on which an earlier attempt had begun"
    elif not failed.writes and whole_change:
        which = "which only lacked an approval"
    else:
        return ""
    return f"{failed.node}, {which}, failed"


def _finishes(seen: _Seen) -> Turn | None:
    """Continues on all nodes that an earlier attempt started, all at once, since their dead-man's switches will fire."""
    nodes = seen.lineup.of(*BEGUN)
    if waits := seen.waits(nodes):
        return Turn(begin=tuple(each.node for each in waits))
    return Turn() if seen.those(nodes, NodeState.ARMED) else None


def _approvals(seen: _Seen) -> Turn | None:
    nodes = seen.lineup.approvals
    waits = seen.waits(nodes)
    if not waits:
        return Turn() if seen.those(nodes, NodeState.ARMED) else None
    width = at_once(_proven(seen, nodes), _APPROVALS)
    if _drains(seen):
        return Turn()
    return Turn(begin=tuple(each.node for each in waits[: _free(seen, width)]))


def _canaries(seen: _Seen) -> Turn | None:
    strata = seen.lineup.strata.values()
    nodes = [each[0] for each in strata if seen.lineup.state(each[0]) is NodeState.UNTOUCHED]
    if seen.waits(nodes):
        return _begun(seen, nodes)
    return Turn() if seen.those(nodes, NodeState.ARMED) else None


def _others(seen: _Seen) -> Turn | None:
    others, soaking, soaked = [], [], []
    for canary, *rest in seen.lineup.strata.values():
        if seen.course(canary).soaked or not seen.waits(rest):
            others += rest
        elif seen.course(canary).ended + seen.lineup.soak > seen.now:
            soaking.append(canary)
        else:
            soaked.append(canary.node)
    waits = seen.waits(others)
    turn = _begun(seen, others) if waits else Turn()
    if soaked:
        return Turn(begin=turn.begin, look_at=tuple(soaked))
    if soaking:
        first = min(soaking, key=lambda each: seen.course(each).ended)
        again = seen.course(first).ended + seen.lineup.soak
        return Turn(
            begin=turn.begin,
            again=min(again, turn.again or again),
            waits_for=turn.waits_for or f"the soak of {first.node}",
        )
    return turn if waits or seen.active else None


def _control_planes(seen: _Seen) -> Turn | None:
    nodes = seen.lineup.control_planes
    if not seen.waits(nodes):
        return None
    if seen.active:
        return Turn()
    turn = _begun(seen, nodes)
    return Turn(begin=turn.begin[:1], again=turn.again, waits_for=turn.waits_for)


def _begun(seen: _Seen, nodes: Collection[NodePlan]) -> Turn:
    """Chooses which of the waiting nodes start now.

    The more nodes are verified, the more nodes start at once. `Workloads` may make a node wait.
    """
    if _drains(seen):
        return Turn()
    width = at_once(_proven(seen, nodes), seen.lineup.cap)
    free = _free(seen, width)
    begin: list[str] = []
    held = ""
    for each in seen.waits(nodes):
        if len(begin) >= free:
            break
        why = seen.workloads.objection(each.node, [*seen.active, *begin], [*seen.lately, *begin])
        if not why:
            begin.append(each.node)
        held = held or (why and f"{each.node}: {why}")
    again = seen.now + _LOOK if held else None
    return Turn(begin=tuple(begin), again=again, waits_for=held)


def _free(seen: _Seen, width: int) -> int:
    """How many more nodes may start now.

    At most `width` nodes restart at once, and at most twice as many are in progress.
    """
    return max(0, min(width - seen.restarting, 2 * width - len(seen.active)))


def _proven(seen: _Seen, nodes: Collection[NodePlan]) -> int:
    """How many of `nodes` the run has started and verified since the last failure."""
    since = _failure(seen)
    done = [seen.course(each) for each in seen.those(nodes, NodeState.DONE)]
    return sum(each.began is not None and (since is None or each.began > since) for each in done)


def _drains(seen: _Seen) -> bool:
    """Whether the run pauses: after a failure, until all nodes that started before it have finished."""
    since = _failure(seen)
    begun = [seen.courses[node].began for node in seen.active]
    return since is not None and any(each is not None and each <= since for each in begun)


def _failure(seen: _Seen) -> float | None:
    return max((seen.course(each).ended for each in seen.failed), default=None)
