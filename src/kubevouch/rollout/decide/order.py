"""Which nodes of a run may begin now, by the state of the others: one canary per stratum, then more and more at once.

In this order: begun nodes of this run; approvals without a restart; a canary of each stratum, which
then soaks; the other workers, 1, 2, 5, ... at once; control planes, one at a time. Pure: the driver
asks again whenever a node has ended.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from kubevouch.rollout.decide.gates import ProofGate
from kubevouch.rollout.decide.lineup import Lineup, TaskedNode, at_once
from kubevouch.rollout.decide.run_status import BEGUN, NodeState


@dataclass(frozen=True)
class HeldInCommon:
    """The present state of a PodDisruptionBudget or a Service."""

    name: str
    """With its kind, as in `Service shop/cart`."""

    spare: int
    """How many of its pods may be missing at once: disruptionsAllowed, or all ready endpoints
    but one."""

    pods: Mapping[str, int]
    """How many of its pods or endpoints each node has."""

    is_whole: bool = True
    """Whether all of them are healthy; for a Service, whether more than its last endpoint is
    ready."""

    def objection(self, node: str, in_hand: Collection[str], lately: Collection[str]) -> str:
        """Why the node may not begin now; empty if it may.

        A node may always begin alone: a budget of zero keeps nodes apart, but does not forbid their
        change.
        """
        others = [each for each in in_hand if each in self.pods]
        taken = sum(self.pods[each] for each in others)
        if others and taken + self.pods[node] > self.spare:
            return f"{others[0]} has pods of the same {self.name}"
        before = next((each for each in lately if each in self.pods and each != node), "")
        if before and not self.is_whole:
            return f"not all pods of {self.name} are ready since {before}"
        return ""


@dataclass(frozen=True)
class Workloads:
    """Everything that nodes share, at one moment. unread: why that is unknown; empty if known."""

    held: tuple[HeldInCommon, ...] = ()
    unread: str = ""

    @cached_property
    def _by_node(self) -> Mapping[str, list[HeldInCommon]]:
        found: dict[str, list[HeldInCommon]] = {}
        for each in self.held:
            for node in each.pods:
                found.setdefault(node, []).append(each)
        return found

    def objection(self, node: str, in_hand: Collection[str], lately: Collection[str]) -> str:
        """Why the node may not begin now; empty if it may.

        in_hand: nodes that have begun and are not proven. lately: those, and nodes that ended a
        moment ago.
        """
        if self.unread and in_hand:
            return f"one node at a time: {self.unread}"
        reasons = (each.objection(node, in_hand, lately) for each in self._by_node.get(node, ()))
        return next(filter(None, reasons), "")


_LOST = (NodeState.FAILED, NodeState.UNKNOWN)
_APPROVALS = 8
_SETTLES = 120.0
"""Seconds after a node's end in which its restart may be the reason for unready pods."""
_LOOK = 5.0
"""Seconds after which shared workloads are read again."""


@dataclass(frozen=True, slots=True)
class Course:
    """A node's progress. Times are monotonic.

    state: untouched: it waits. armed: in progress. undone: it was undone, or nothing was changed on
    it. failed, unknown: it may be unhealthy. gate: the pending one of a node in progress; None once
    a gate was given up and the change is being undone.
    """

    state: NodeState = NodeState.UNTOUCHED
    gate: ProofGate | None = ProofGate.ANSWERS
    began: float | None = None
    """None: not by this run, or not yet."""

    ended: float = 0.0
    soaked: bool = False
    """A canary that was checked again after its soak, and was healthy."""

    for_good: bool = False
    """It failed with something that cannot be taken back."""

    @property
    def in_hand(self) -> bool:
        """Begun, with an unknown end."""
        return self.state is NodeState.ARMED


WAITS = Course()


@dataclass(frozen=True, slots=True)
class Turn:
    """What comes next."""

    begin: tuple[str, ...] = ()
    look_at: tuple[str, ...] = ()
    """Canaries that have soaked and need another check."""

    stop: str = ""
    """Why no other node begins."""

    again: float | None = None
    """When to ask again although nothing has ended; None: not before something has."""

    waits_for: str = ""
    """What holds the next node, for a person."""


@dataclass(frozen=True)
class _Seen:
    """A run at one moment."""

    lineup: Lineup
    courses: Mapping[str, Course]
    workloads: Workloads
    now: float

    def course(self, node: TaskedNode) -> Course:
        return self.courses.get(node.node, WAITS)

    def those(self, nodes: Collection[TaskedNode], *states: NodeState) -> list[TaskedNode]:
        return [each for each in nodes if self.course(each).state in states]

    def waits(self, nodes: Collection[TaskedNode]) -> list[TaskedNode]:
        return self.those(nodes, NodeState.UNTOUCHED)

    @cached_property
    def in_hand(self) -> list[str]:
        return [each.node for each in self.those(self.lineup.nodes, NodeState.ARMED)]

    @cached_property
    def gates(self) -> list[ProofGate | None]:
        """The pending gates of the current nodes."""
        return [self.courses[each].gate for each in self.in_hand]

    @cached_property
    def restarting(self) -> int:
        return sum(gate not in (ProofGate.METRICS, None) for gate in self.gates)

    @cached_property
    def lately(self) -> list[str]:
        """Nodes that are in progress, or were until a moment ago."""
        ended = [
            node
            for node, course in self.courses.items()
            if course.began is not None
            and not course.in_hand
            and self.now - course.ended < _SETTLES
        ]
        return self.in_hand + ended

    @cached_property
    def failed(self) -> list[TaskedNode]:
        return self.those(self.lineup.nodes, NodeState.UNDONE, *_LOST)


def next_turn(
    lineup: Lineup, courses: Mapping[str, Course], workloads: Workloads, now: float
) -> Turn:
    """Who begins now, or why nobody else does. A node without a course waits."""
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
    """Why no other node begins, after the failures so far.

    The first failure after a canary only pauses the run.
    """
    for each in seen.failed:
        if why := _why_at_once(each, seen):
            return why
    if len(seen.failed) > 1:
        return f"{len(seen.failed)} nodes failed: {', '.join(each.node for each in seen.failed)}"
    waits = seen.waits(seen.lineup.nodes)
    only_control_planes = bool(waits) and all(each.control_plane for each in waits)
    if seen.failed and only_control_planes and not seen.in_hand:
        return f"{seen.failed[0].node} failed, and only control planes are left"
    return ""


def _why_at_once(failed: TaskedNode, seen: _Seen) -> str:
    """Why this one failure is enough; empty if it is not."""
    lineup, course = seen.lineup, seen.course(failed)
    whole_change = bool(lineup.of(NodeState.UNTOUCHED))
    if course.state in _LOST:
        return f"{failed.node} may be unhealthy"
    if course.for_good:
        return f"what was signed for {failed.node} cannot be taken back"
    if failed.node in lineup.canaries:
        which = f"the canary of {failed.stratum}"
    elif failed.control_plane:
        which = "a control plane"
    elif failed.state in BEGUN:
        which = "where this run had begun before"
    elif failed.approves and whole_change:
        which = "which only lacked an approval"
    else:
        return ""
    return f"{failed.node}, {which}, failed"


def _finishes(seen: _Seen) -> Turn | None:
    """All of them at once: their switches are set, and will go off."""
    nodes = seen.lineup.of(*BEGUN)
    if waits := seen.waits(nodes):
        return Turn(begin=tuple(each.node for each in waits))
    return Turn() if seen.those(nodes, NodeState.ARMED) else None


def _approvals(seen: _Seen) -> Turn | None:
    """Approvals, more and more at once, too: an approval cannot be taken back."""
    nodes = seen.lineup.approvals
    waits = seen.waits(nodes)
    if not waits:
        return Turn() if seen.those(nodes, NodeState.ARMED) else None
    width = at_once(_proven(seen, nodes), _APPROVALS)
    if _drains(seen):
        return Turn()
    return Turn(begin=tuple(each.node for each in waits[: _free(seen, width)]))


def _canaries(seen: _Seen) -> Turn | None:
    """The canary of each stratum, before any other node."""
    strata = seen.lineup.strata.values()
    nodes = [each[0] for each in strata if each[0].state is NodeState.UNTOUCHED]
    if seen.waits(nodes):
        return _begun(seen, nodes)
    return Turn() if seen.those(nodes, NodeState.ARMED) else None


def _others(seen: _Seen) -> Turn | None:
    """The workers whose canary has soaked."""
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
    return turn if waits or seen.in_hand else None


def _control_planes(seen: _Seen) -> Turn | None:
    """One at a time, and nothing beside it."""
    nodes = seen.lineup.control_planes
    if not seen.waits(nodes):
        return None
    if seen.in_hand:
        return Turn()
    turn = _begun(seen, nodes)
    return Turn(begin=turn.begin[:1], again=turn.again, waits_for=turn.waits_for)


def _begun(seen: _Seen, nodes: Collection[TaskedNode]) -> Turn:
    """Those of the nodes that may begin: as many as the proven ones allow, and no two that must stay apart."""
    if _drains(seen):
        return Turn()
    width = at_once(_proven(seen, nodes), seen.lineup.cap)
    free = _free(seen, width)
    begin: list[str] = []
    held = ""
    for each in seen.waits(nodes):
        if len(begin) >= free:
            break
        why = seen.workloads.objection(each.node, [*seen.in_hand, *begin], [*seen.lately, *begin])
        if not why:
            begin.append(each.node)
        held = held or (why and f"{each.node}: {why}")
    again = seen.now + _LOOK if held else None
    return Turn(begin=tuple(begin), again=again, waits_for=held)


def _free(seen: _Seen, width: int) -> int:
    """How many more may begin: a node that only waits for its sample makes room for others, within limits."""
    return max(0, min(width - seen.restarting, 2 * width - len(seen.in_hand)))


def _proven(seen: _Seen, nodes: Collection[TaskedNode]) -> int:
    """How many of them this run has begun and finished, since the last failure."""
    since = _failure(seen)
    done = [seen.course(each) for each in seen.those(nodes, NodeState.DONE)]
    return sum(each.began is not None and (since is None or each.began > since) for each in done)


def _drains(seen: _Seen) -> bool:
    """Whether one has failed, and the others of that moment have not ended yet."""
    since = _failure(seen)
    begun = [seen.courses[node].began for node in seen.in_hand]
    return since is not None and any(each is not None and each <= since for each in begun)


def _failure(seen: _Seen) -> float | None:
    return max((seen.course(each).ended for each in seen.failed), default=None)
