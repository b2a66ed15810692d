"""A node that a run has begun, or was done on, and that is not Ready is a failure of that run: going on with it goes past none."""

import re
from dataclasses import replace

import msgspec
import pytest

from kubevouch.errors import ExitCode
from kubevouch.rollout.act.apply import apply
from kubevouch.rollout.act.check import check
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.decide.transaction import TransactionState
from kubevouch.rollout.errors import LeadsOn, StoppedBefore
from tests.support.stage import DOMAIN, kind_of
from tests.support.tasks import meanwhile
from tests.support.unhurried import until

from .acting import MASTER, SECOND, THIRD, WORKER, Acting, Machine, answered
from .staged import GOES_ON, QUICK, a_run, as_the_run_left_it, not_ready, upgraded
from .test_one_run_at_a_time import a_hold

GENEROUS_GATES = RolloutTimeouts(gates=120, soak=0)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubevouch.rollout.act.precheck._PATIENCE", 0.0)


def _is_down(machine: Machine) -> None:
    """Its kubelet is stopped: a survey finds no process, and by that neither files nor records; its status does."""
    unit = msgspec.structs.replace(machine.survey.unit, active=b"inactive", pid=0, age=0)
    machine.says(unit=unit, argv=b"", no_kubelet=b"no main process", root=(), config=())


@pytest.mark.usefixtures("impatient")
async def test_a_node_that_the_run_has_begun_and_that_is_not_ready_is_put_back_and_no_other_begins(
    here: Acting,
) -> None:
    """Its restart may have broken it. A run that goes past it would break the control plane, too."""
    plan = await here.plan(WORKER, SECOND, THIRD, MASTER)
    as_the_run_left_it(here, plan)
    here.machines.by_name[WORKER].transaction = [*GOES_ON]
    broken = here.machines.by_name[SECOND]
    broken.says(runs=(a_run("abcd", "restarted"),))
    broken.transaction = [answered(TransactionState.UNDONE)]
    _is_down(broken)
    here.change("Node", SECOND, not_ready)
    checked = await check(plan, here.context)
    assert checked.found == {WORKER: NodeState.ARMED, SECOND: NodeState.FAILED}
    only = f"this run has begun on {SECOND}, whose Node is not Ready, so it only finishes what it has begun; make a new plan"
    assert {each.node: each.reason for each in checked.away} == {THIRD: only, MASTER: only}
    hold = await a_hold(here)
    result = await apply(checked, replace(here.context, lease=hold), QUICK)
    assert {each.node: each.state for each in result.nodes} == {
        WORKER: NodeState.DONE,
        SECOND: NodeState.UNDONE,
    }
    assert result.stopped == f"{SECOND}, on which an earlier attempt had begun, failed"
    assert result.exit_code is ExitCode.STOPPED
    assert hold.armed == {}
    ran = [each for each in here.machines.ran if "transaction" in each[1]]
    assert (SECOND, "transaction (rollback)") in ran
    assert {host for host, _ in ran} == {WORKER, SECOND}


async def test_a_switch_that_goes_off_in_the_middle_of_a_resume_is_the_reason_why_it_stops(
    here: Acting,
) -> None:
    """Seen on a real cluster: half a minute later a certificate was named that had expired, as the one from before the run has."""
    plan = await here.plan(WORKER, SECOND)
    before = here.stage.kubelets[WORKER.removesuffix(DOMAIN)].behaviour
    as_the_run_left_it(here, plan, left=4)
    here.stage.kubelets[WORKER.removesuffix(DOMAIN)].behaviour = before
    here.machines.by_name[WORKER].transaction = [
        answered(TransactionState.BEGUN, why="already begun in this run"),
        answered(TransactionState.UNDONE, why="undone before"),
    ]
    result = await apply(await check(plan, here.context), here.context, GENEROUS_GATES)
    first, second = result.nodes
    assert (first.state, second.state) == (NodeState.UNDONE, NodeState.UNTOUCHED)
    assert re.match(
        r"the dead-man's switch undid the change at [\d:]{8} UTC, before the node was verified; this attempt had begun on the node \d s earlier; the run waited for ",
        first.why,
    ), first
    assert re.fullmatch(
        f"{WORKER}, the canary of .*, failed",
        result.stopped,
    ), result
    assert first.seconds < GENEROUS_GATES.gates / 2


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("state", "ended", "way"),
    [
        ("committed", "done", LeadsOn.DOCTOR),
        ("undone", "undone", LeadsOn.NEW_PLAN),
        ("barred", "undone", LeadsOn.NEW_PLAN),
    ],
)
async def test_where_the_run_has_ended_on_a_node_that_is_not_ready_it_does_not_go_on(
    here: Acting, state: str, ended: str, way: LeadsOn
) -> None:
    plan = await here.plan(WORKER, MASTER)
    broken = here.machines.by_name[WORKER]
    broken.says(runs=(a_run("abcd", state),))
    _is_down(broken)
    here.change("Node", WORKER, not_ready)
    why = f"this run is {ended} on this node, and the Node is not Ready"
    with pytest.raises(StoppedBefore, match=why) as refused:
        await check(plan, here.context)
    assert (refused.value.where, refused.value.way) == (WORKER, way)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("state", ["", "prepared"])
async def test_a_run_goes_without_a_node_that_is_not_ready_and_that_it_has_not_changed(
    here: Acting, state: str
) -> None:
    plan = await here.plan(WORKER, MASTER)
    machine = here.machines.by_name[WORKER]
    runs = (a_run("abcd", state),) if state else (a_run("eeee", "armed"),)
    machine.says(runs=runs)
    here.change("Node", WORKER, not_ready)
    checked = await check(plan, here.context)
    assert [(each.node, each.reason) for each in checked.away] == [
        (WORKER, "this Node is not Ready")
    ]
    assert checked.found == {MASTER: NodeState.UNTOUCHED}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("known_by", ["who goes on", "a CSR", "nobody"])
async def test_a_node_that_is_not_ready_and_does_not_answer_counts_by_what_else_is_known(
    here: Acting, known_by: str
) -> None:
    plan = await here.plan(WORKER, MASTER)
    as_the_run_left_it(here, plan)
    here.machines.by_name[WORKER].away = True
    here.change("Node", WORKER, not_ready)
    if known_by != "a CSR":
        store, csrs = here.stage.server.store, kind_of("CertificateSigningRequest")
        for csr in store.list(csrs):
            store.delete(csrs, csr["metadata"]["name"])
    if known_by == "nobody":
        assert [each.node for each in (await check(plan, here.context)).away] == [WORKER]
        return
    with pytest.raises(
        StoppedBefore, match="this Node is not Ready, and this run may have begun on it"
    ) as no:
        await check(plan, here.context, goes_on=known_by == "who goes on")
    assert (no.value.where, no.value.way) == (WORKER, LeadsOn.REACH)


async def test_a_node_whose_record_is_taken_away_while_it_is_changed_is_not_gone_past(
    here: Acting,
) -> None:
    """It keeps the change, and its own switch has nothing to put it back with."""
    checked = await check(await here.plan(WORKER, SECOND), here.context)
    here.machines.by_name[WORKER].transaction = [
        answered(TransactionState.BEGUN),
        answered(TransactionState.NOTHING, why="this run has not changed this node"),
    ]
    result = await apply(checked, here.context, QUICK)
    first, second = result.nodes
    assert (first.state, second.state) == (NodeState.UNKNOWN, NodeState.UNTOUCHED)
    assert first.why.endswith("the node has lost its record of this run")
    assert (result.undo, result.exit_code) == ("kubevouch undo abcd", ExitCode.STOPPED)
    assert not [
        name for host, name in here.machines.ran if "transaction" in name and host != WORKER
    ]


async def test_a_node_that_becomes_ready_in_a_moment_is_gone_on_with(here: Acting) -> None:
    """It was restarted just before the run was cut off."""
    plan = await here.plan(WORKER)
    as_the_run_left_it(here, plan)
    before = here.stage.server.store.get(kind_of("Node"), WORKER)["status"]
    here.change("Node", WORKER, not_ready)
    waits = (
        f"{WORKER}: waits for the Node to become Ready, because this run has already begun on it"
    )

    async def becomes_ready() -> None:
        await until(lambda: waits in here.progress.lines)
        here.change("Node", WORKER, lambda node: {**node, "status": before})

    async with meanwhile(becomes_ready()):
        checked = await check(plan, here.context)
    assert checked.found == {WORKER: NodeState.ARMED}


async def test_a_begun_node_that_falls_ill_before_its_turn_is_put_back(here: Acting) -> None:
    plan = await here.plan(WORKER, MASTER)
    as_the_run_left_it(here, plan)
    here.machines.by_name[WORKER].transaction = [answered(TransactionState.UNDONE)]
    checked = await check(plan, here.context)
    assert checked.found == {WORKER: NodeState.ARMED, MASTER: NodeState.UNTOUCHED}
    here.change("Node", WORKER, not_ready)
    result = await apply(checked, here.context, QUICK)
    assert [(each.state, each.why) for each in result.nodes] == [
        (NodeState.UNDONE, "this Node is not Ready"),
        (NodeState.UNTOUCHED, ""),
    ]
    names = [name for _, name in here.machines.ran if "transaction" in name]
    assert names == ["transaction (rollback)"]


async def test_a_begun_node_whose_kubelet_has_another_version_meanwhile_is_finished_and_not_gone_past(
    here: Acting,
) -> None:
    """Its Node says so, which its kubelet writes: whoever holds that node could have the run leave it armed, and go on."""
    plan = await here.plan(WORKER, MASTER)
    as_the_run_left_it(here, plan)
    here.machines.by_name[WORKER].transaction = [*GOES_ON]
    here.machines.by_name[MASTER].transaction = [answered(TransactionState.UNDONE)]
    here.change("Node", WORKER, upgraded)
    checked = await check(plan, here.context)
    assert (checked.found[WORKER], checked.away) == (NodeState.ARMED, ())
    result = await apply(checked, here.context, QUICK)
    assert (result.nodes[0].node, result.nodes[0].state) == (WORKER, NodeState.DONE)


async def test_a_node_with_another_kubelet_version_and_an_undone_run_stops_it(
    here: Acting,
) -> None:
    plan = await here.plan(WORKER, MASTER)
    machine = here.machines.by_name[WORKER]
    machine.says(runs=(a_run("abcd", "undone"),))
    here.change("Node", WORKER, upgraded)
    with pytest.raises(StoppedBefore, match="this run was undone on this node; make a new plan"):
        await check(plan, here.context)


async def test_a_node_whose_kubelet_has_another_version_and_does_not_answer_counts_as_begun_if_known(
    here: Acting,
) -> None:
    plan = await here.plan(WORKER, MASTER)
    here.machines.by_name[WORKER].away = True
    here.change("Node", WORKER, upgraded)
    assert [each.node for each in (await check(plan, here.context)).away] == [WORKER]
    why = "the Node differs from the plan, and this run may have begun on it, but the run's state"
    with pytest.raises(StoppedBefore, match=why):
        await check(plan, here.context, goes_on=True)
