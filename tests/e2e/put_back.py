"""A fault that meets a run on a pair of nodes while its canary waits; and one that lasts until the canary's time is over."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tests.cli.program import Ran
from tests.faults.in_the_cluster import IN_THE_CLUSTER

from .fleet import LONGEST, PATIENT, RESTARTED, Fixer, Fleet, in_short, outcomes, probed
from .programs import Running
from .told import kubelet_files, next_lines

UNDONE = "undone: "
A_NODES_TIME = ("15s", "60s", "240s")
"""The first is enough for all that is to be seen of a node before it is over, also where that takes several times as long as on a machine
of its own. Where it was not, the fault is tried again with more."""

_STANDS = {"done": "changed", "undone": "before", "": "before"}
"""What stands on a node of this outcome."""


def met(
    fleet: Fleet, name: str, does: Callable[[Running], None], *words: str, by: Fixer | None = None
) -> tuple[Ran, Path]:
    """A run on the pair meets that fault while its canary waits, for which nobody signs. What comes of it is what the case says."""
    case, nodes = IN_THE_CLUSTER[name], fleet.pair
    before = [kubelet_files(each) for each in nodes]
    path = fleet.plan(*nodes)
    fleet.cluster.stop_signers()
    try:
        with probed(fleet, nodes):
            running = fleet.start(path, *PATIENT, *words, by=by)
            running.wait_for(f"{nodes[0].name}  {RESTARTED}", LONGEST)
            does(running)
            ran = running.finish()
            ended = [kubelet_files(each) for each in nodes]
    finally:
        fleet.cluster.start_controller_manager()
    table = outcomes(ran)
    assert (ran.code, in_short(next_lines(ran))) == (case.code, case.next), ran
    assert _STANDS[table[nodes[0].name]] == case.node, ran
    assert ended[1:] == before[1:], "the other node was not begun"
    assert (ended[0] == before[0]) is (case.node == "before")
    return ran, path


def put_back(
    fleet: Fleet,
    name: str,
    why: str,
    does: Callable[[Running], None],
    *,
    by: Fixer | None = None,
    again: Callable[[], None] = lambda: None,
    times: Sequence[str] = A_NODES_TIME,
) -> Ran:
    """The same of a fault for which the canary is put back, once its time is over; then NEXT is done.

    why: what the run says of it. If it says something else, that time was over before the fault could show. again: mends what `does`
    has done by then.
    """
    ran, path = met(fleet, name, does, "--gate-timeout", times[0], by=by)
    assert outcomes(ran)[fleet.pair[1].name] == "untouched", ran
    if f"{UNDONE}{why}" in ran.err:
        fleet.follow(ran, path)
        return ran
    assert times[1:], ran
    again()
    fleet.follow(ran, path)
    return put_back(fleet, name, why, does, by=by, again=again, times=times[1:])
