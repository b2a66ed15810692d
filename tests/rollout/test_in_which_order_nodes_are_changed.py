"""The order of a run: plain cases, and what holds for every run, whatever becomes of its nodes."""

from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.kube.resources import Node
from kubevouch.kube.resources.nodes import NodeInfo, NodeStatus
from kubevouch.rollout.decide.gates import ProofGate
from kubevouch.rollout.decide.lineup import Lineup, at_once, stratum_of
from kubevouch.rollout.decide.order import (
    Course,
    HeldInCommon,
    Turn,
    Workloads,
    next_turn,
)
from kubevouch.rollout.decide.plan import ChangeKind, NodePlan
from kubevouch.rollout.decide.run_status import NodeState

from .recorded import tasked

DEBIAN = "Debian 12, kubelet 1.34, amd64"
UBUNTU = "Ubuntu 24.04, kubelet 1.34, amd64"
SOAK = 60.0
NOTHING_SHARED = Workloads()


def workers(count: int, stratum: str = DEBIAN, prefix: str = "w") -> tuple[NodePlan, ...]:
    return tuple(tasked(f"{prefix}{i}", stratum) for i in range(count))


def control_planes(count: int) -> tuple[NodePlan, ...]:
    return tuple(tasked(f"m{i}", DEBIAN, control_plane=True) for i in range(count))


@dataclass
class Played:
    """A run whose nodes come as far as the test lets them."""

    lineup: Lineup
    workloads: Workloads = NOTHING_SHARED
    now: float = 1000.0
    courses: dict[str, Course] = field(default_factory=dict)

    def turn(self) -> Turn:
        return next_turn(self.lineup, self.courses, self.workloads, self.now)

    def begins(self) -> tuple[str, ...]:
        """Begins whatever may begin now."""
        turn = self.turn()
        for node in turn.begin:
            self.courses[node] = Course(NodeState.ARMED, began=self.now)
        return turn.begin

    def come(self, state: NodeState, *nodes: str, soaked: bool = False) -> None:
        self.now += 1
        for node in nodes:
            course = self.courses.get(node, Course())
            self.courses[node] = replace(course, state=state, ended=self.now, soaked=soaked)

    def waits(self, gate: ProofGate | None, *nodes: str) -> None:
        """In hand, they have come to this gate, or are put back."""
        self.now += 1
        for node in nodes:
            self.courses[node] = replace(self.courses[node], gate=gate)

    def soaked(self) -> None:
        """Until every canary is done, has soaked, and is found well."""
        while not any(each.soaked for each in self.courses.values()):
            self.come(NodeState.DONE, *self.begins())
            self.now = self.turn().again or self.now
            for node in self.turn().look_at:
                self.courses[node] = replace(self.courses[node], soaked=True)


def test_one_canary_goes_first_and_soaks() -> None:
    run = Played(Lineup(workers(30), SOAK))
    assert run.begins() == ("w0",)
    assert run.begins() == ()
    run.waits(ProofGate.METRICS, "w0")
    assert run.begins() == ()  # others follow a canary only once it is done
    run.come(NodeState.DONE, "w0")
    turn = run.turn()
    assert (turn.begin, turn.again, turn.waits_for) == ((), run.now + SOAK, "the soak of w0")
    run.now += SOAK
    assert run.turn() == Turn(look_at=("w0",))
    run.come(NodeState.DONE, "w0", soaked=True)
    assert run.begins() == ("w1",)


def test_a_canary_that_is_not_well_after_its_soak_stops_the_run() -> None:
    run = Played(Lineup(workers(30), SOAK))
    run.come(NodeState.DONE, *run.begins())
    run.come(NodeState.UNDONE, "w0")
    assert run.turn() == Turn(stop="w0, the canary of Debian 12, kubelet 1.34, amd64, failed")


def test_then_come_two_five_and_ten() -> None:
    run = Played(Lineup(workers(120), SOAK))
    run.soaked()
    sizes = []
    while begun := run.begins():
        sizes.append(len(begun))
        run.come(NodeState.DONE, *begun)
    assert sizes == [1, 2, 5, *[10] * 11, 1]
    assert len(run.courses) == 120
    assert run.turn() == Turn()


@pytest.mark.parametrize(
    ("count", "cap"), [(4, 1), (19, 1), (20, 2), (57, 5), (100, 10), (5000, 10)]
)
def test_no_more_than_a_tenth_and_no_more_than_ten_restart_at_once(count: int, cap: int) -> None:
    assert Lineup(workers(count), SOAK).cap == cap
    assert [at_once(done, cap) for done in (0, 1, 3, 8, 18, 500)] == [
        min(each, cap) for each in (1, 2, 5, 10, 10, 10)
    ]


def test_who_waits_for_a_sample_makes_room_but_not_without_end() -> None:
    run = Played(Lineup(workers(40), SOAK))
    run.soaked()
    assert run.begins() == ("w1",)
    run.waits(ProofGate.METRICS, "w1")
    assert run.begins() == ("w2",)
    run.waits(ProofGate.METRICS, "w2")
    assert run.begins() == ()  # two unproven ones are enough as long as none is proven
    run.come(NodeState.DONE, "w1")
    assert run.begins() == ("w3", "w4")


def test_each_stratum_has_a_canary_and_all_canaries_go_before_the_others() -> None:
    run = Played(Lineup((*workers(15), *workers(15, UBUNTU, "u")), SOAK))
    assert run.begins() == ("w0",)
    run.come(NodeState.DONE, "w0")
    assert run.begins() == ("u0",)
    run.now += SOAK
    assert run.turn() == Turn()  # w0 has soaked, and u0 is not done
    run.come(NodeState.DONE, "u0")
    assert run.turn().look_at == ("w0",)
    run.come(NodeState.UNDONE, "u0")
    assert "u0, the canary of Ubuntu" in run.turn().stop


def test_a_canary_that_nobody_follows_holds_nothing_up() -> None:
    run = Played(Lineup((*workers(1), *control_planes(1)), SOAK))
    run.come(NodeState.DONE, *run.begins())
    assert run.begins() == ("m0",)


def test_control_planes_come_last_and_one_at_a_time() -> None:
    run = Played(Lineup((*control_planes(3), *workers(40)), SOAK))
    run.soaked()
    while not (begun := run.begins())[0].startswith("m"):
        run.come(NodeState.DONE, *begun)
    assert begun == ("m0",)
    run.waits(ProofGate.METRICS, "m0")
    assert run.begins() == ()  # what follows a worker's sample would not be alone beside m0
    run.come(NodeState.DONE, "m0")
    assert run.begins() == ("m1",)
    run.come(NodeState.UNDONE, "m1")
    assert run.turn().stop == "m1, a control-plane node, failed"


def test_the_first_failure_pauses_and_the_second_stops() -> None:
    run = Played(Lineup(workers(120), SOAK))
    run.soaked()
    for _ in range(3):
        run.come(NodeState.DONE, *run.begins())
    first, second, *others = run.begins()
    run.come(NodeState.DONE, second)
    run.waits(None, first)
    assert run.begins() == ()  # until its end is known
    run.come(NodeState.UNDONE, first)
    assert run.begins() == ()  # until what is in hand has ended
    run.come(NodeState.DONE, *others)
    assert len(run.begins()) == 1  # and then from one on again
    run.come(NodeState.DONE, *(node for node in run.courses if run.courses[node].active))
    second, *others = run.begins()
    assert len(others) == 1
    run.come(NodeState.UNDONE, second)
    assert run.turn().stop == f"2 nodes failed: {first}, {second}"


def test_after_a_failure_no_control_plane_begins() -> None:
    run = Played(Lineup((*workers(2), *control_planes(1)), 0))
    run.soaked()
    assert run.begins() == ("w1",)
    run.come(NodeState.UNDONE, "w1")
    assert run.turn() == Turn(stop="w1 failed, and only control-plane nodes are left")


@pytest.mark.parametrize(
    ("course", "why"),
    [
        (Course(NodeState.UNKNOWN), "w5 may be unhealthy"),
        (Course(NodeState.UNDONE, for_good=True), "the approval for w5 cannot be taken back"),
    ],
)
def test_some_failures_stop_the_run_at_once(course: Course, why: str) -> None:
    run = Played(Lineup(workers(40), SOAK), courses={"w5": course})
    assert run.turn().stop == why


def test_what_was_begun_before_is_finished_first_and_stands_for_its_stratum() -> None:
    begun = dict.fromkeys(("w0", "w1"), NodeState.ARMED)
    run = Played(Lineup((*workers(10, prefix="v"), *workers(2)), SOAK, begun))
    assert run.lineup.canaries == {"w0"}
    assert run.begins() == ("w0", "w1")  # their switches are set
    run.come(NodeState.DONE, "w0")
    assert run.begins() == ()
    run.come(NodeState.DONE, "w1")
    run.now += SOAK
    assert run.turn().look_at == ("w0",)


def test_what_was_begun_and_is_not_ready_is_put_back_first_and_ends_the_run() -> None:
    ill_and_begun = (*workers(1, prefix="i"), *workers(1, prefix="b"))
    found = {"i0": NodeState.FAILED, "b0": NodeState.ARMED}
    run = Played(Lineup((*workers(3), *ill_and_begun, *control_planes(1)), SOAK, found))
    assert "i0" not in run.lineup.canaries
    assert set(run.begins()) == {"i0", "b0"}, "their switches are set"
    run.come(NodeState.UNDONE, "i0")
    assert run.turn().stop == "i0, on which an earlier attempt had begun, failed"
    assert run.begins() == ()


def test_a_node_that_is_well_already_stands_for_its_stratum() -> None:
    lineup = Lineup((*workers(3), tasked("x", DEBIAN)), SOAK, {"x": NodeState.DONE})
    run = Played(lineup, courses={"x": Course(NodeState.DONE, ended=1000.0)})
    assert (run.turn().begin, run.turn().waits_for) == ((), "the soak of x")


def test_approvals_come_first_and_more_at_once_when_some_are_done() -> None:
    asks = tuple(tasked(f"a{i}", DEBIAN, change=ChangeKind.APPROVE) for i in range(30))
    run = Played(Lineup((*workers(2), *asks), SOAK))
    sizes = []
    while (begun := run.begins())[0].startswith("a"):
        sizes.append(len(begun))
        run.come(NodeState.DONE, *begun)
    assert sizes == [1, 2, 5, 8, 8, 6]
    assert begun == ("w0",)
    only = Played(Lineup(asks, SOAK))
    only.come(NodeState.UNDONE, *only.begins())
    assert only.begins() == ("a1",)  # nothing is restarted after it
    both = Played(Lineup((*workers(2), *asks), SOAK))
    both.come(NodeState.UNDONE, *both.begins())
    assert both.turn().stop == "a0, which only lacked an approval, failed"


# What nodes hold in common.


def held(spare: int, nodes: str, *, whole: bool = True) -> Workloads:
    return Workloads((HeldInCommon("Service shop/cart", spare, dict.fromkeys(nodes, 1), whole),))


BESIDE_B = "b has pods of the same Service shop/cart"


@pytest.mark.parametrize(
    ("workloads", "active", "why"),
    [
        (held(0, "ab"), "", ""),
        (held(0, "ab"), "c", ""),
        (held(0, "ab"), "b", BESIDE_B),
        (held(1, "ab"), "b", BESIDE_B),
        (held(2, "abc"), "b", ""),
        (held(2, "abc"), "bc", BESIDE_B),
        (held(0, "b"), "b", ""),
        (Workloads(unread="not allowed to list pods"), "", ""),
        (
            Workloads(unread="not allowed to list pods"),
            "b",
            "one node at a time: not allowed to list pods",
        ),
    ],
)
def test_who_may_not_be_on_the_way_beside_whom(workloads: Workloads, active: str, why: str) -> None:
    assert workloads.objection("a", list(active), list(active)) == why


def test_pods_that_are_not_ready_since_the_node_before_are_waited_for() -> None:
    broken = held(1, "ab", whole=False)
    assert broken.objection("a", [], []) == ""  # for reasons of its own
    why = "some pods of Service shop/cart have not become ready again since b was changed"
    assert broken.objection("a", [], ["b"]) == why
    shared = HeldInCommon("Service shop/cart", 0, {"w0": 1, "w1": 1}, is_whole=False)
    run = Played(Lineup(workers(3), 0), workloads=Workloads((shared,)))
    run.soaked()
    assert run.turn().waits_for.startswith("w1: some pods of Service shop/cart")
    assert run.turn().again is not None
    assert run.begins() == ("w2",)
    run.come(NodeState.DONE, "w2")
    run.now += 120  # but not for ever
    assert run.begins() == ("w1",)


def test_a_stratum_is_what_the_node_says() -> None:
    info = NodeInfo(os_image="Debian 12", kubelet_version="v1.34.2+k3s1", architecture="arm64")
    assert stratum_of(Node(status=NodeStatus(node_info=info))) == "Debian 12, kubelet 1.34, arm64"
    assert stratum_of(Node()) == "unknown kind"


# Whatever becomes of the nodes.

names = st.integers(0, 24).map(lambda i: f"n{i}")


kinds = st.tuples(
    st.sampled_from([DEBIAN, UBUNTU]),
    st.sampled_from([*[NodeState.UNTOUCHED] * 7, NodeState.ARMED, NodeState.FAILED]),
    st.sampled_from([*[False] * 7, True]),
    st.sampled_from([*[ChangeKind.BOOTSTRAP] * 7, ChangeKind.APPROVE]),
)


@st.composite
def lineups(draw: st.DrawFn) -> tuple[Lineup, Workloads]:
    drawn = draw(st.lists(kinds, min_size=1, max_size=25))
    nodes = tuple(
        tasked(f"n{i}", stratum, control_plane=control_plane, change=change)
        for i, (stratum, _, control_plane, change) in enumerate(drawn)
    )
    found = {f"n{i}": state for i, (_, state, _, _) in enumerate(drawn)}
    held = draw(
        st.lists(
            st.builds(
                HeldInCommon,
                st.just("a/b"),
                st.integers(0, 3),
                st.dictionaries(names, st.integers(1, 3), max_size=8),
                st.booleans(),
            ),
            max_size=6,
        )
    )
    unread = draw(st.sampled_from(["", "", "", "not allowed"]))
    lineup = Lineup(nodes, draw(st.sampled_from([0.0, 60.0])), found)
    object.__setattr__(lineup, "cap", draw(st.integers(1, 10)))  # as if it had more nodes
    return lineup, Workloads(tuple(held), unread)


@given(lineups(), st.integers(0, 2**32).map(Random))
def test_whatever_becomes_of_them(drawn: tuple[Lineup, Workloads], chance: Random) -> None:
    lineup, workloads = drawn
    run = Played(lineup, workloads)
    by_name = {each.node: each for each in lineup.nodes}
    while True:
        before = dict(run.courses)
        turn = run.turn()
        run.begins()
        check_what_holds(run, turn, before, by_name)
        for node in turn.look_at:
            well = chance.random() > 0.1
            run.come(NodeState.DONE if well else NodeState.UNDONE, node, soaked=well)
        active = [n for n, c in run.courses.items() if c.active]
        if not active and not turn.look_at:
            if turn.again is None:
                break
            run.now = max(run.now, turn.again)
            continue
        for node in active:
            in_trouble = run.courses[node].gate is None
            if in_trouble or chance.random() < 0.7:
                run.come(NodeState.UNDONE if in_trouble else NodeState.DONE, node)
            else:
                run.waits(chance.choice([ProofGate.SERVED, ProofGate.METRICS, None]), node)
    ended = {NodeState.DONE, NodeState.UNDONE}
    through = all(run.courses.get(node, Course()).state in ended for node in by_name)
    assert through or turn.stop, "it ends with every node, or says why not"
    failed = [node for node, course in run.courses.items() if course.state is NodeState.UNDONE]
    assert bool(turn.stop) <= bool(failed)


def check_what_holds(
    run: Played, turn: Turn, before: dict[str, Course], by_name: dict[str, NodePlan]
) -> None:
    lineup = run.lineup
    courses = {node: run.courses.get(node, Course()) for node in by_name}
    active = [n for n, course in courses.items() if course.active]
    changes = {n for n, each in by_name.items() if each in lineup.of(NodeState.UNTOUCHED)}
    changing = [n for n in active if n in changes]
    restarting = [n for n in changing if courses[n].gate not in (ProofGate.METRICS, None)]
    assert len(restarting) <= lineup.cap
    assert len(changing) <= 2 * lineup.cap
    assert not (turn.stop and turn.begin)
    assert not (turn.begin and any(courses[n].gate is None for n in active))
    begun = [n for n in turn.begin if n in changes]
    for n in begun:
        for shared in run.workloads.held:
            taken = [shared.pods[each] for each in active if each in shared.pods]
            assert n not in shared.pods or len(taken) == 1 or sum(taken) <= shared.spare
        if run.workloads.unread:
            assert active == [n]
        if by_name[n].control_plane:
            assert active == [n], "a control plane is alone"
            rest = [each for each in by_name if not by_name[each].control_plane]
            assert all(courses[each].state is NodeState.DONE for each in rest), "and last"
        else:
            canary = lineup.strata[by_name[n].stratum][0].node
            assert n == canary or before[canary].soaked, "a canary goes first"
            assert n == canary or all(
                courses[each].state not in (NodeState.UNTOUCHED, NodeState.ARMED)
                for each in lineup.canaries
            )
