"""What a run does with each node at its turn, against a scripted cluster with real TLS."""

import re
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from kubevouch.errors import ExitCode
from kubevouch.rollout.act.apply import apply, stopped_at_once
from kubevouch.rollout.act.check import check
from kubevouch.rollout.decide.plan import ChangeKind
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.transaction import TransactionState
from kubevouch.rollout.errors import NothingApplicable
from kubevouch.x509 import read_certificates
from tests.support.authority import Authority
from tests.support.stage import cluster_ca, kind_of

from .acting import (
    DARK,
    HEALTHY,
    MASTER,
    SECOND,
    THIRD,
    WORKER,
    Acting,
    acting,
    answered,
    made_with,
    serve,
)
from .staged import (
    GOES_ON,
    QUICK,
    a_run,
    as_the_run_left_it,
    csrs_of,
    cut_off_at,
    not_ready,
    upgraded,
)


async def test_a_client_certificate_that_was_rotated_since_the_survey_is_found(
    dark: Acting,
) -> None:
    plan = await dark.plan(WORKER)
    checked = await check(plan, dark.context)
    rotated = cluster_ca().client(f"system:node:{WORKER}", "system:nodes")
    machine = dark.machines.by_name[WORKER]
    identity = msgspec.structs.replace(machine.survey.identity, pem=rotated.chain)
    machine.says(identity=identity)
    [csr] = csrs_of(dark, WORKER)
    made_with(dark.stage, csr, read_certificates(rotated.chain, "client")[0].fingerprint)
    result = await apply(checked, dark.context, QUICK)
    assert [each.state for each in result.nodes] == [NodeState.DONE], result


async def test_seeds_are_made_at_the_nodes_turn(here: Acting) -> None:
    """The check makes none: however long a prompt is left open, the seed is as fresh as the change."""
    plan = await here.plan(WORKER)
    serials: list[int] = []

    def serial(bits: int) -> int:
        serials.append(bits)
        return 7

    context = replace(here.context, random_serial=serial)
    checked = await check(plan, context)
    assert serials == []
    here.machines.by_name[WORKER].transaction = [answered(TransactionState.REFUSED, why="no")]
    result = await apply(checked, context, QUICK)
    assert serials == [63, 63]
    assert [each.state for each in result.nodes] == [NodeState.UNTOUCHED]
    assert result.undo == ""


async def test_what_is_served_is_looked_at_again_at_the_nodes_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It served a certificate of another CA at the check. Where it still does, it is changed."""
    monkeypatch.setattr("kubevouch.rollout.act.check._FRESH", -1.0)
    async with acting(HEALTHY, "healthy-worker") as here:
        machine = here.machines.by_name[WORKER]
        serve(here.stage, WORKER, Authority().serving(WORKER, *machine.addresses, node=WORKER))
        plan = await here.plan(WORKER)
        assert [each.change for each in plan.nodes] == [ChangeKind.BOOTSTRAP]
        checked = await check(plan, here.context)
        machine.transaction = [answered(TransactionState.REFUSED, why="no")]
        [node] = (await apply(checked, here.context, QUICK)).nodes
        assert (node.state, node.why) == (NodeState.UNTOUCHED, "no")
        here.machines.ran.clear()
        serve(here.stage, WORKER, cluster_ca().serving(WORKER, *machine.addresses, node=WORKER))
        [node] = (await apply(checked, here.context, QUICK)).nodes
        assert node.state is NodeState.UNTOUCHED
        assert "the node has changed since the check" in node.why
        assert all("transaction" not in name for _, name in here.machines.ran)


async def test_a_node_that_is_not_ready_at_its_turn_is_not_touched(here: Acting) -> None:
    checked = await check(await here.plan(WORKER, SECOND), here.context)
    here.change("Node", WORKER, not_ready)
    result = await apply(checked, here.context, QUICK)
    outcomes = {each.node: each.state for each in result.nodes}
    assert outcomes == {WORKER: NodeState.UNTOUCHED, SECOND: NodeState.UNTOUCHED}
    assert "this Node is not Ready; nothing was changed" in result.nodes[0].why
    assert all("transaction" not in name for _, name in here.machines.ran)


async def test_a_run_goes_without_nodes_that_are_gone_not_ready_or_upgraded(
    dark: Acting,
) -> None:
    plan = await dark.plan()
    dark.stage.server.store.delete(kind_of("Node"), WORKER)
    dark.change("Node", SECOND, not_ready)
    dark.change("Node", THIRD, upgraded)
    checked = await check(plan, dark.context)
    assert [each.node for each in checked.away] == [WORKER, SECOND, THIRD]
    result = await apply(checked, dark.context, QUICK)
    assert [(each.node, each.state) for each in result.nodes] == [(MASTER, NodeState.DONE)]
    reasons = {each.node: each.reason for each in result.left_out}
    assert reasons[WORKER] == "this Node no longer exists"
    assert reasons[SECOND] == "this Node is not Ready"
    assert "in the plan; make a new plan" in reasons[THIRD]
    assert result.exit_code is ExitCode.COULD_NOT_TELL


async def test_a_plan_of_whose_nodes_none_is_there_changes_nothing() -> None:
    async with acting(DARK, "pending-worker") as here:
        plan = await here.plan(WORKER)
        here.change("Node", WORKER, not_ready)
        with pytest.raises(NothingApplicable, match="this Node is not Ready"):
            await check(plan, here.context)


async def test_a_node_that_vanishes_before_its_turn_is_gone_without(dark: Acting) -> None:
    checked = await check(await dark.plan(WORKER, SECOND), dark.context)
    dark.stage.server.store.delete(kind_of("Node"), SECOND)
    result = await apply(checked, dark.context, QUICK)
    assert [(each.node, each.state, each.away) for each in result.nodes] == [
        (WORKER, NodeState.DONE, False),
        (SECOND, NodeState.UNTOUCHED, True),
    ]
    assert result.exit_code is ExitCode.COULD_NOT_TELL


async def test_what_has_changed_between_the_check_and_a_nodes_turn_stops_it(
    here: Acting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question was left open over night; a drop-in came meanwhile."""
    monkeypatch.setattr("kubevouch.rollout.act.check._FRESH", -1.0)
    checked = await check(await here.plan(WORKER), here.context)
    machine = here.machines.by_name[WORKER]
    start = msgspec.structs.replace(machine.survey.next_start, needs_reload=b"yes")
    machine.says(next_start=start)
    result = await apply(checked, here.context, QUICK)
    [node] = result.nodes
    assert node.state is NodeState.UNTOUCHED
    assert "NeedDaemonReload" in node.why
    assert "nothing was changed" in node.why
    assert all("transaction" not in name for _, name in here.machines.ran)


async def test_a_node_that_joined_since_the_plan_is_named(dark: Acting) -> None:
    plan = await dark.plan(WORKER)
    stamp = f"{dark.context.clock.now() + timedelta(seconds=2):%Y-%m-%dT%H:%M:%SZ}"
    metadata = {"name": "new", "uid": "u", "creationTimestamp": stamp}
    dark.stage.server.store.put(
        kind_of("Node"), {"kind": "Node", "metadata": metadata, "status": {}}
    )
    result = await apply(await check(plan, dark.context), dark.context, QUICK)
    assert [each.node for each in result.left_out] == ["new"]
    assert "joined the cluster after the plan" in result.left_out[0].reason
    assert result.exit_code is ExitCode.COULD_NOT_TELL


async def test_a_run_cut_off_at_a_served_node_is_finished_by_the_same_plan(
    here: Acting,
) -> None:
    """Armed is never well: the very run that armed it proves it again and commits."""
    plan = await here.plan(WORKER)
    machine = here.machines.by_name[WORKER]
    as_the_run_left_it(here, plan)
    machine.transaction = [*GOES_ON]
    checked = await check(plan, here.context)
    assert checked.found == {WORKER: NodeState.ARMED}
    result = await apply(checked, here.context, QUICK)
    assert [(each.state, each.why) for each in result.nodes] == [(NodeState.DONE, "")]
    assert result.undo == "kubevouch undo abcd"
    names = [name for host, name in here.machines.ran if "transaction" in name]
    assert names == ["transaction (begin)", "transaction (commit)"]
    assert f"{WORKER}: continues the unfinished run" in here.progress.lines
    assert not any("config written, kubelet restarted" in line for line in here.progress.lines)


@pytest.mark.parametrize("state", ["written", "restarted"])
async def test_a_run_goes_on_though_the_file_was_written_again_unchanged(
    here: Acting, state: str
) -> None:
    """`touch`, or a tool that writes what is there already: whether the run has restarted the kubelet is in its own record."""
    plan = await here.plan(WORKER)
    machine = here.machines.by_name[WORKER]
    as_the_run_left_it(here, plan, state)
    unit = msgspec.structs.replace(machine.survey.unit, age=100.0)
    [file] = machine.survey.config
    touched = msgspec.structs.replace(file, modified=machine.survey.clock)
    machine.says(unit=unit, config=(touched,))
    pid = machine.survey.unit.pid
    machine.transaction = [
        answered(TransactionState.BEGUN, pid if state == "restarted" else pid + 1),
        answered(TransactionState.COMMITTED),
    ]
    result = await apply(await check(plan, here.context), here.context, QUICK)
    assert [(each.state, each.why) for each in result.nodes] == [(NodeState.DONE, "")]


async def test_a_run_undone_on_one_node_is_only_finished_where_it_is_armed(
    here: Acting,
) -> None:
    """As it is if one switch has gone off before the run goes on: what is well is not put back for that."""
    plan = await here.plan(WORKER, SECOND, THIRD)
    as_the_run_left_it(here, plan)
    here.machines.by_name[WORKER].transaction = [*GOES_ON]
    undone = here.machines.by_name[SECOND]
    undone.says(runs=(a_run("abcd", "undone"),))
    checked = await check(plan, here.context)
    assert checked.found == {WORKER: NodeState.ARMED}
    assert {each.node: each.reason for each in checked.away} == {
        SECOND: "this run was undone on this node; make a new plan",
        THIRD: f"this run was undone on {SECOND}, so it only finishes what it has begun; make a new plan",
    }
    result = await apply(checked, here.context, QUICK)
    assert [(each.node, each.state) for each in result.nodes] == [(WORKER, NodeState.DONE)]
    assert {each.node for each in result.left_out} == {SECOND, THIRD}
    assert result.exit_code is ExitCode.COULD_NOT_TELL
    ran = {host for host, name in here.machines.ran if "transaction" in name}
    assert ran == {WORKER}


async def test_a_finished_run_changes_nothing_and_says_so() -> None:
    async with acting(HEALTHY, "healthy-worker") as here:
        plan = await here.plan()
        assert plan.nodes == ()
        checked = await check(plan, here.context)
        result = await apply(checked, here.context, QUICK)
        undo = "kubevouch undo abcd"  # for the ConfigMap
        assert (result.nodes, result.undo, result.exit_code) == ((), undo, ExitCode.OK)
        assert result.config_map.text == "ConfigMap kubelet-config updated"
        second = await check(plan, here.context)
        assert not second.writes_config_map
        again = await apply(second, here.context, QUICK)
        assert (again.config_map.text, again.undo) == (
            "ConfigMap kubelet-config is already as planned",
            undo,
        )
        other = msgspec.structs.replace(plan, run="bbbb")
        again = await apply(await check(other, here.context), here.context, QUICK)
        assert (again.nodes, again.undo) == ((), ""), "another has written it as planned"


@pytest.mark.parametrize(
    ("run", "undo"), [("abcd", "kubevouch undo abcd"), ("bbbb", "")], ids=["this run", "another"]
)
async def test_a_run_that_is_carried_out_again_tells_how_its_former_change_is_undone(
    here: Acting, run: str, undo: str
) -> None:
    """`status` did, and the second `apply` did not: nothing was left to do. What another run changed is not this one's."""
    plan = msgspec.structs.replace(await here.plan(WORKER), config_map=None)
    as_the_run_left_it(here, plan, state="committed")
    machine = here.machines.by_name[WORKER]
    machine.says(runs=(a_run(run, "committed"),))
    checked = await check(plan, here.context)
    assert checked.found == {WORKER: NodeState.DONE}
    result = await apply(checked, here.context, QUICK)
    assert (result.undo, result.exit_code) == (undo, ExitCode.OK)


async def test_a_run_stopped_before_a_nodes_turn_has_a_result_all_the_same(
    here: Acting,
) -> None:
    """While it takes the Lease, say: what it had begun before is armed as it was, and the others are untouched."""
    plan = await here.plan(WORKER, SECOND)
    result = stopped_at_once(await check(plan, here.context), here.context.clock.now())
    assert {each.state for each in result.nodes} == {NodeState.UNTOUCHED}
    assert (result.undo, result.exit_code) == ("", ExitCode.INTERRUPTED)
    as_the_run_left_it(here, plan)
    result = stopped_at_once(await check(plan, here.context), here.context.clock.now())
    assert {each.node: each.state for each in result.nodes} == {
        WORKER: NodeState.ARMED,
        SECOND: NodeState.UNTOUCHED,
    }
    assert result.undo == "kubevouch undo abcd"
    assert result.exit_code is ExitCode.INTERRUPTED


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_node_that_was_found_armed_is_armed_still_where_the_run_is_stopped_before_its_turn(
    here: Acting, *, at_once: bool
) -> None:
    """By a signal while it is read what the nodes hold in common, or by one Ctrl-C."""
    plan = await here.plan(WORKER, SECOND)
    as_the_run_left_it(here, plan)
    checked = await check(plan, here.context)
    if at_once:
        budgets = "/apis/policy/v1/poddisruptionbudgets"
        result = await cut_off_at(budgets, apply(checked, here.context, QUICK), here)
    else:
        result = await apply(checked, replace(here.context, stop=lambda: True), QUICK)
    armed, other = sorted(result.nodes, key=lambda each: each.node != WORKER)
    assert armed.state is NodeState.ARMED
    why = "interrupted" if at_once else "the run ended before continuing on this node"
    switch = r"the dead-man's switch undoes an unverified change in \d+ s, at [0-9:]{8} UTC, unless the node is verified first"
    assert re.fullmatch(f"{why}; {switch}", armed.why), armed.why
    assert other.state is NodeState.UNTOUCHED
    assert result.undo == "kubevouch undo abcd"
    assert result.exit_code is ExitCode.INTERRUPTED
