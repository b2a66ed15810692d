"""What an undo does with each node, against a scripted cluster with real TLS, and what it says of it."""

import hashlib
import re
from typing import Any

import msgspec
import pytest

from kubevouch.errors import UsageError
from kubevouch.rollout.act.undo import undo
from kubevouch.rollout.decide.kubelet_watch import WatchedKubelet
from kubevouch.rollout.decide.plan import NodePlan, only_nodes
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.transaction import UNDONE_BEFORE, TransactionState

from .acting import MASTER, SECOND, THIRD, WORKER, Acting, Machine, answered
from .staged import QUICK, a_run, an_undo, changed, of

NOT_BEGUN = answered(TransactionState.NOTHING, why="this run has not changed this node")
PUT_BACK = answered(TransactionState.UNDONE)
AGAIN = answered(TransactionState.UNDONE, why=UNDONE_BEFORE)
EDITED = answered(TransactionState.REFUSED, why="config.yaml has been changed since the run")
WORDS = "former files in place, restarted"
"""Of the progress, where a node has put its files back."""
OURS_UNDONE, OTHERS_AFTER = (
    ("abcd", "undone"),
    "run ffff has changed it since; kubevouch undo ffff ",
)
MARKED = [("1111", "committed"), ("abcd", "barred"), ("2222", "committed"), ("3333", "undone")]
UNDOS: dict[str, tuple[list[tuple[str, str]], Any, NodeState, str]] = {
    # runs on the node, what its script answers, state, why
    "never begun there": ([], NOT_BEGUN, NodeState.UNTOUCHED, "has not changed this node"),
    "an apply that was about to begin was faster": ([], PUT_BACK, NodeState.UNDONE, ""),
    "undone before": ([OURS_UNDONE], AGAIN, NodeState.UNDONE, UNDONE_BEFORE),
    "undone before, and another run has changed it since": (
        [OURS_UNDONE, ("ffff", "committed")],
        AGAIN,
        NodeState.FAILED,
        f"{OTHERS_AFTER}--nodes k8s-worker-1.internal.example.com puts that back",
    ),
    "undone before, and another run is armed there": (
        [OURS_UNDONE, ("ffff", "restarted")],
        AGAIN,
        NodeState.FAILED,
        "run ffff has changed it and has not been proven",
    ),
    "undone before, and so was another run": (
        [OURS_UNDONE, ("ffff", "undone")],
        AGAIN,
        NodeState.UNDONE,
        UNDONE_BEFORE,
    ),
    "barred, and its record may have been pruned before": (
        MARKED,
        NOT_BEGUN,
        NodeState.UNKNOWN,
        "3 newer runs have followed",
    ),
    "committed": ([("abcd", "committed")], PUT_BACK, NodeState.UNDONE, ""),
    "armed": ([("abcd", "armed")], PUT_BACK, NodeState.UNDONE, ""),
    "refused": ([("abcd", "committed")], EDITED, NodeState.FAILED, EDITED.reason),
}


async def test_a_node_that_was_undone_before_and_is_not_well_ends_the_undo_once_more(
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
    assert result.stopped == f"{WORKER} was put back and is not well"


@pytest.mark.parametrize(
    ("added", "outcome", "why"),
    [
        (
            b"maxPods: 7\nserverTLSBootstrap: true\n",
            NodeState.FAILED,
            "this run was undone there, and somebody else has edited /var/lib/kubelet/config.yaml: serverTLSBootstrap is on in it; look at it yourself",
        ),
        (
            b"maxPods: [\n",
            NodeState.FAILED,
            (
                "this run was undone there, and somebody else has edited /var/lib/kubelet/config.yaml: it cannot be read as a "
                "kubelet's configuration; look at it yourself"
            ),
        ),
        (
            b"maxPods: 7\n",
            NodeState.UNDONE,
            "undone before; somebody else has edited /var/lib/kubelet/config.yaml: serverTLSBootstrap is not on in it",
        ),
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
    assert (node.state, node.why) == (outcome, why)
    assert node.settled is (outcome is NodeState.FAILED)


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


async def test_an_undo_ends_at_the_first_node_whose_kubelet_does_not_come_back(
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
    assert "the last lines of its log: swap is on" in result.nodes[1].why
    assert result.stopped == f"{SECOND} was put back and is not well"
    assert not result.interrupted
    touched = {host for host, name in here.machines.ran if name == "transaction (undo)"}
    assert touched == {WORKER, SECOND}


async def test_an_undo_goes_past_a_node_that_is_gone_or_refuses(here: Acting) -> None:
    plan = await an_undo(here, WORKER, SECOND, THIRD)
    here.machines.by_name[WORKER].away = True
    refuses = answered(TransactionState.REFUSED, why="machine's id is not that of the node")
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
    with pytest.raises(UsageError, match="has no such node; its nodes: "):
        only_nodes(plan, [SECOND.replace("2", "9")])  # looks like others, and is none of them
    with pytest.raises(UsageError, match=f"did you mean {re.escape(SECOND)}"):
        only_nodes(plan, [SECOND.partition(".")[0]])


async def test_runs_that_were_there_before_the_plan_have_pushed_no_record_away(
    here: Acting,
) -> None:
    """They are not later ones: a run of which there is no record beside them has never begun there."""
    earlier = [a_run("1111", "undone"), a_run("2222", "committed"), a_run("3333", "undone")]
    machine = here.machines.by_name[WORKER]
    machine.says(runs=tuple(earlier))
    plan = await here.plan(WORKER)
    machine.transaction = [answered(TransactionState.NOTHING, why="has not changed this node")]
    for runs in (earlier, [*earlier, a_run("abcd", "barred")]):
        machine.says(runs=tuple(runs))
        [found] = (await undo(plan, here.context, QUICK)).nodes
        assert (found.state, found.settled) == (NodeState.UNTOUCHED, False), found
    machine.says(runs=(*earlier, a_run("abcd", "undone")))
    machine.transaction = [AGAIN]
    [found] = (await undo(plan, here.context, QUICK)).nodes
    assert found.state is NodeState.UNDONE, found


def _has_no_record(here: Acting, node: NodePlan, digest: str) -> Machine:
    """The node's machine, which knows nothing of the run, and whose file is the plan's before or after the change, or another."""
    machine = here.machines.by_name[node.node]
    machine.transaction = [answered(TransactionState.NOTHING, why="has not changed this node")]
    [file] = machine.survey.config
    sums = {"before": node.disk.config_sha256, "after": node.disk.content_sha256, "other": "00"}
    machine.says(config=(msgspec.structs.replace(file, sha256=sums[digest]),))
    return machine


@pytest.mark.parametrize(
    ("others", "digest", "outcome", "why"),
    [
        (["barred", "barred", "undone", "barred"], "before", NodeState.UNTOUCHED, ""),
        (["undone", "undone", "committed"], "before", NodeState.UNKNOWN, "3 newer runs"),
        (
            ["barred", "committed"],
            "after",
            NodeState.UNKNOWN,
            "kubevouch undo 00f1 --nodes k8s-worker-1.internal.example.com puts that back",
        ),
        (["barred", "undone"], "after", NodeState.UNKNOWN, "look at it yourself"),
        # Somebody has removed the folder of the runs; its file tells.
        ([], "other", NodeState.UNKNOWN, "is not what it was in the plan"),
        (
            ["undone", "restarted"],
            "after",
            NodeState.UNKNOWN,
            "run 00f1 has changed it and has not been proven",
        ),
    ],
)
async def test_marks_of_runs_that_never_began_push_no_record_away_and_another_run_is_named(
    here: Acting, others: list[str], digest: str, outcome: NodeState, why: str
) -> None:
    plan = await here.plan(WORKER)
    machine = _has_no_record(here, of(plan, WORKER), digest)
    machine.says(runs=tuple(a_run(f"00f{number}", state) for number, state in enumerate(others)))
    [found] = (await undo(plan, here.context, QUICK)).nodes
    assert (found.state, why in found.why) == (outcome, True), found


SNAPSHOT = "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/7/fs"


STOPPED_KUBELET = b"kubelet.service has no main process (it is inactive)"


@pytest.mark.parametrize(
    ("root", "seen", "why"),
    [
        (SNAPSHOT, {"no_kubelet": STOPPED_KUBELET, "root": ()}, "start kubelet.service"),
        (SNAPSHOT, {}, f"the kubelet's folder is /var/lib/kubelet, and was {SNAPSHOT} in the plan"),
        ("/var/lib/kubelet", {"unsafe": b"/var may be written by others"}, "/var may be written"),
    ],
    ids=["without a kubelet", "beside a running kubelet", "where others may write"],
)
async def test_an_undo_runs_nothing_in_a_folder_that_only_the_plan_knows(
    here: Acting, root: str, seen: dict[str, Any], why: str
) -> None:
    """What root in a container can fill looks like a folder of root's, with a record of the run in it."""
    plan = changed(await here.plan(WORKER), WORKER, root=root)
    machine = here.machines.by_name[WORKER]
    machine.says(runs=(a_run("abcd", "committed"),), **seen)
    machine.transaction = [PUT_BACK]
    [node] = (await undo(plan, here.context, QUICK)).nodes
    assert (node.state, why in node.why) == (NodeState.UNKNOWN, True), node
    assert [name for _, name in here.machines.ran if "undo" in name] == []


async def test_without_a_kubelet_an_undo_goes_by_the_record_in_the_kubelets_default_folder(
    here: Acting,
) -> None:
    plan = await here.plan(WORKER)
    machine = here.machines.by_name[WORKER]
    machine.says(no_kubelet=STOPPED_KUBELET, root=(), runs=())
    machine.transaction = [PUT_BACK]
    [node] = (await undo(plan, here.context, QUICK)).nodes
    assert node.state is NodeState.UNDONE
    machine.transaction = [answered(TransactionState.NOTHING)]
    [node] = (await undo(plan, here.context, QUICK)).nodes
    assert node.state is NodeState.UNKNOWN
    assert "it cannot be told whether this run has changed this node" in node.why
