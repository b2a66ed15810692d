"""What an undo does with each node, against a scripted cluster with real TLS, and what it says of it."""

import hashlib
from typing import Any

import msgspec
import pytest

from kubevouch.errors import UsageError
from kubevouch.rollout.act.undo import undo
from kubevouch.rollout.decide.kubelet_watch import WatchedKubelet
from kubevouch.rollout.decide.plan import NodePlan, only_nodes
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.decide.transaction import UNDONE_BEFORE, TransactionState

from .acting import MASTER, SECOND, THIRD, WORKER, Acting, Machine, answered
from .staged import QUICK, a_run, an_undo, as_the_run_left_it, changed, not_ready, of

NOT_BEGUN = answered(TransactionState.NOTHING, why="this run has not changed this node")
PUT_BACK = answered(TransactionState.UNDONE)
AGAIN = answered(TransactionState.UNDONE, why=UNDONE_BEFORE)
EDITED = answered(TransactionState.REFUSED, why="config.yaml has been changed since the run")
WORDS = "former files restored, kubelet restarted"
"""Of the progress, where a node has put its files back."""
OURS_UNDONE = ("abcd", "undone")
UNDOS: dict[str, tuple[list[tuple[str, str]], Any, NodeState, str]] = {
    # runs on the node, what its script answers, state, why
    "never begun there": ([], NOT_BEGUN, NodeState.UNTOUCHED, "has not changed this node"),
    "an apply that was about to begin was faster": ([], PUT_BACK, NodeState.UNDONE, ""),
    "undone before": ([OURS_UNDONE], AGAIN, NodeState.UNDONE, UNDONE_BEFORE),
    "undone before, and another run is armed there": ([OURS_UNDONE, ("ffff", "restarted")], AGAIN, NodeState.FAILED, "kubevouch undo ffff --node k8s-worker-1.internal.example.com undoes that run"),
    "undone before, and so was another run": ([OURS_UNDONE, ("ffff", "undone")], AGAIN, NodeState.UNDONE, UNDONE_BEFORE),
    "committed": ([("abcd", "committed")], PUT_BACK, NodeState.UNDONE, ""),
    "armed": ([("abcd", "armed")], PUT_BACK, NodeState.UNDONE, ""),
    "refused": ([("abcd", "committed")], EDITED, NodeState.FAILED, EDITED.reason),
}  # fmt: skip


async def test_a_node_undone_before_and_not_well_ends_the_undo_once_more(
    here: Acting,
) -> None:
    """The command that comes next after such an end is the same undo: it must not go on with the next node."""
    plan = await here.plan(WORKER, SECOND)
    machine = here.machines.by_name[WORKER]
    machine.says(runs=(a_run("abcd", "undone"),))
    machine.transaction = [AGAIN]
    machine.watched = [WatchedKubelet("inactive", 10, 10, b"failed")]
    result = await undo(plan, here.context, QUICK)
    assert [each.state for each in result.nodes] == [
        NodeState.FAILED,
        NodeState.UNKNOWN,
    ]
    assert result.nodes[0].why.startswith(f"{UNDONE_BEFORE}; ")
    assert result.stopped == f"{WORKER} was undone and is not healthy"


async def test_a_node_that_its_switch_puts_back_meanwhile_is_judged_anew(
    here: Acting,
) -> None:
    """The survey from before the undo shows this run's file and its record; both are over."""
    plan = await here.plan(WORKER)
    as_the_run_left_it(here, plan, left=1)
    machine = here.machines.by_name[WORKER]
    machine.transaction = [AGAIN]
    [node] = (await undo(plan, here.context, QUICK)).nodes
    assert (node.state, node.why) == (NodeState.UNDONE, UNDONE_BEFORE)
    here.change("Node", WORKER, not_ready)
    [node] = (await undo(plan, here.context, RolloutTimeouts(0.2, soak=0))).nodes
    assert (node.state, node.why) == (NodeState.FAILED, "undone, but the Node is not Ready")


async def test_no_undo_of_a_run_leads_to_an_undo_of_the_same_run(here: Acting) -> None:
    """Its folder was taken away between the survey and the undo."""
    plan = await here.plan(WORKER)
    as_the_run_left_it(here, plan)
    here.machines.by_name[WORKER].transaction = [NOT_BEGUN]
    [node] = (await undo(plan, here.context, QUICK)).nodes
    assert node.state is NodeState.UNKNOWN
    assert node.why.endswith(f"has the content that this run writes: {LOOK}"), node


CHANGED = "/var/lib/kubelet/config.yaml was changed since"
LOOK = f"kubevouch status --node {WORKER} shows the newest run on it"


ON, NO_FILE = (
    "serverTLSBootstrap is on in the file",
    "not a readable kubelet configuration",
)


@pytest.mark.parametrize(
    ("added", "outcome", "why"),
    [
        (b"maxPods: 7\nserverTLSBootstrap: true\n", NodeState.FAILED, f"{ON}; {LOOK}"),
        (b"maxPods: [\n", NodeState.FAILED, f"{NO_FILE}; {LOOK}"),
        (b"maxPods: 7\n", NodeState.UNDONE, "serverTLSBootstrap is not on in the file"),
    ],
    ids=["on", "not readable", "not on"],
)
async def test_an_undo_says_what_others_have_made_of_a_file_that_was_put_back(
    here: Acting, added: bytes, outcome: NodeState, why: str
) -> None:
    """An undo that takes our line out of an edited file counts as one, so the same command again must come to the same."""
    plan = await here.plan(WORKER)
    machine = here.machines.by_name[WORKER]
    [file] = machine.survey.config
    content = file.content + added
    edited = msgspec.structs.replace(
        file, content=content, sha256=hashlib.sha256(content).hexdigest()
    )
    machine.says(config=(edited,), runs=(a_run("abcd", "undone"),))
    machine.transaction = [AGAIN]
    [node] = (await undo(plan, here.context, QUICK)).nodes
    fails = outcome is NodeState.FAILED
    before = "this run was undone on the node" if fails else UNDONE_BEFORE
    assert (node.state, node.why) == (outcome, f"{before}; {CHANGED}: {why}")
    assert node.settled is fails


@pytest.mark.parametrize(("runs", "answer", "outcome", "why"), UNDOS.values(), ids=UNDOS)
async def test_an_undo_says_what_it_did_and_no_more(
    here: Acting,
    runs: list[tuple[str, str]],
    answer: Any,
    outcome: NodeState,
    why: str,
) -> None:
    plan = await here.plan(WORKER)
    machine = here.machines.by_name[WORKER]
    machine.says(runs=tuple(a_run(*each) for each in runs))
    machine.transaction = [answer]
    result = await undo(plan, here.context, QUICK)
    [node] = result.nodes
    assert (node.state, why in node.why) == (outcome, True), node
    told = "\n".join(here.progress.lines)
    assert (WORDS in told) is ("restarted" in told) is (answer is PUT_BACK)


async def test_an_undo_ends_at_the_first_node_whose_kubelet_stays_down(
    here: Acting,
) -> None:
    """Workers first, one after the other; the command goes on with the others when that node is well."""
    plan = await an_undo(here)
    second = here.machines.by_name[SECOND]
    second.watched = [WatchedKubelet("inactive", 10, 10, b"activating", b"swap is on\n")]
    result = await undo(plan, here.context, QUICK)
    found = [(each.node, each.state) for each in result.nodes]
    assert found == [
        (WORKER, NodeState.UNDONE),
        (SECOND, NodeState.FAILED),
        (THIRD, NodeState.UNKNOWN),
        (MASTER, NodeState.UNKNOWN),
    ]
    assert "the end of its log: swap is on" in result.nodes[1].why
    assert result.stopped == f"{SECOND} was undone and is not healthy"
    assert not result.interrupted
    touched = {host for host, name in here.machines.ran if name == "transaction (undo)"}
    assert touched == {WORKER, SECOND}


async def test_an_undo_goes_past_a_node_that_is_gone_or_refuses(here: Acting) -> None:
    plan = await an_undo(here, WORKER, SECOND, THIRD)
    here.machines.by_name[WORKER].away = True
    refuses = answered(TransactionState.REFUSED, why="the machine-id is not the plan's")
    here.machines.by_name[SECOND].transaction = [refuses]
    outcomes = [each.state for each in (await undo(plan, here.context, QUICK)).nodes]
    assert outcomes == [NodeState.UNKNOWN, NodeState.FAILED, NodeState.UNDONE]


async def test_an_undo_works_where_the_port_cannot_be_dialled_from_here(here: Acting) -> None:
    """ssh leads to the node; whether its kubelet is well is seen there, and in its Node."""
    nowhere = changed(await here.plan(WORKER), WORKER, dial=("fe80::1",))
    here.machines.by_name[WORKER].transaction = [PUT_BACK]
    [node] = (await undo(nowhere, here.context, QUICK)).nodes
    assert node.state is NodeState.UNDONE, node


async def test_an_undo_of_some_nodes_leaves_the_config_map_as_it_is(here: Acting) -> None:
    plan = await here.plan()
    assert plan.config_map is not None
    some = only_nodes(plan, [SECOND])
    assert ([each.node for each in some.nodes], some.config_map) == ([SECOND], None)
    # One looks like others, and is none of them; a first label may be another Node's whole name.
    for name in (SECOND.replace("2", "9"), SECOND.partition(".")[0]):
        with pytest.raises(UsageError, match="has no such node; its nodes: "):
            only_nodes(plan, [name])


def _has_no_record(here: Acting, node: NodePlan, digest: str) -> Machine:
    """The node's machine, which knows nothing of the run, and whose file is the plan's before or after the change, or another."""
    machine = here.machines.by_name[node.node]
    machine.transaction = [answered(TransactionState.NOTHING, why="has not changed this node")]
    [file] = machine.survey.config
    sums = {"before": node.disk.config_sha256, "after": node.disk.content_sha256, "other": "00"}
    machine.says(config=(msgspec.structs.replace(file, sha256=sums[digest]),))
    return machine


@pytest.mark.parametrize(
    ("other", "digest", "outcome", "why"),
    [
        ("committed", "before", NodeState.UNTOUCHED, ""),
        ("committed", "after", NodeState.UNKNOWN, f"has the content that this run writes: {LOOK}"),
        # Somebody has removed the folder of the runs; its file tells.
        ("undone", "other", NodeState.UNKNOWN, f"has changed since the plan was made: {LOOK}"),
        ("restarted", "after", NodeState.UNKNOWN, f"undo ffff --node {WORKER} undoes that run"),
    ],
)
async def test_where_no_record_is_left_the_nodes_file_tells(
    here: Acting, other: str, digest: str, outcome: NodeState, why: str
) -> None:
    plan = await here.plan(WORKER)
    machine = _has_no_record(here, of(plan, WORKER), digest)
    machine.says(runs=(a_run("ffff", other),))
    [found] = (await undo(plan, here.context, QUICK)).nodes
    assert (found.state, why in found.why) == (outcome, True), found


@pytest.mark.parametrize(
    ("changes", "others", "state"),
    [
        (False, ["committed", "undone", "barred", "barred"], NodeState.UNTOUCHED),
        (False, ["committed", "undone", "committed"], NodeState.UNKNOWN),
        (True, ["committed", "committed", "committed"], NodeState.UNTOUCHED),
    ],
)
async def test_where_the_run_left_the_file_as_it_was_the_file_tells_nothing(
    here: Acting, changes: bool, others: list[str], state: NodeState
) -> None:
    """It set a pair aside and restarted; of so many later runs, a node keeps the records in its place."""
    plan = await here.plan(WORKER)
    node = of(plan, WORKER)
    if not changes:
        plan = changed(plan, WORKER, content_sha256=node.disk.config_sha256)
    machine = _has_no_record(here, node, "before")
    machine.says(runs=tuple(a_run(f"fff{at}", each) for at, each in enumerate(others)))
    [found] = (await undo(plan, here.context, QUICK)).nodes
    assert found.state is state, found
    assert found.settled is (state is NodeState.UNKNOWN)
