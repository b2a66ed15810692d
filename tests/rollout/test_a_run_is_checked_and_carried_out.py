"""The acting half against a scripted cluster with real TLS: what is checked before the first write, then what is done."""

import asyncio
import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from kubevouch.errors import ExitCode, UsageError
from kubevouch.evidence.survey import SurveyedRun
from kubevouch.kube.resources import CONFIG_MAPS
from kubevouch.policy.claims import Claim, NameSource
from kubevouch.rollout.act.apply import apply, stopped_at_once
from kubevouch.rollout.act.check import check
from kubevouch.rollout.act.undo import undo
from kubevouch.rollout.decide.kubelet_watch import WatchedKubelet
from kubevouch.rollout.decide.plan import ChangeKind, LeftOut, NodePlan, Plan, only_nodes
from kubevouch.rollout.decide.recheck import FoundState
from kubevouch.rollout.decide.result import NodeOutcome, RunResult
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.decide.transaction import TransactionState
from kubevouch.rollout.errors import NothingApplicable, StoppedBefore, WayOn
from kubevouch.system_clock import SystemClock
from kubevouch.x509 import read_certificates
from tests.support.scripted import kubelet
from tests.support.scripted.faults import silence
from tests.support.stage import cluster_ca, kind_of
from tests.support.unhurried import GENEROUS

from .acting import (
    DARK,
    HEALTHY,
    MASTER,
    SECOND,
    SELF_SIGNED,
    THIRD,
    WORKER,
    Acting,
    Machine,
    Machines,
    a_signer,
    acting,
    an_approver,
    answered,
    made_with,
    serve,
)

ALL = {WORKER, SECOND, THIRD, MASTER}
QUICK = RolloutTimeouts(6, soak=0.5)


def changed(plan: Plan, node: str, **other: object) -> Plan:
    """The plan with something else in it for one node."""
    nodes = tuple(
        msgspec.structs.replace(each, **other) if each.node == node else each for each in plan.nodes
    )
    return msgspec.structs.replace(plan, nodes=nodes)


def of(plan: Plan, node: str) -> NodePlan:
    return next(each for each in plan.nodes if each.node == node)


# Plans.


async def test_a_plan_of_a_cluster_that_signs_its_own() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan()
        assert {each.node for each in plan.nodes} == ALL
        assert {each.change for each in plan.nodes} == {ChangeKind.BOOTSTRAP}
        assert [each.control_plane for each in plan.nodes if each.node == MASTER] == [True]
        assert plan.config_map is not None
        assert any("no approver runs here" in each for each in plan.notices)
        assert all(each.source is not NameSource.NODE_STATUS for each in of(plan, WORKER).addresses)


async def test_a_plan_of_some_nodes_leaves_the_config_map_alone() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER)
        assert [each.node for each in plan.nodes] == [WORKER]
        assert plan.config_map is None
        assert "does not look at 3 nodes" in plan.config_map_note
        with pytest.raises(UsageError, match="no such Node"):
            await here.plan("k8s-worker-9")


async def test_nodes_that_cannot_be_planned_for_are_left_out_with_their_reason() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        here.machines.by_name[WORKER].away = True
        here.change("Node", SECOND, not_ready)
        here.change("Node", THIRD, _windows)
        plan = await here.plan()
        reasons = {each.node: each.reason for each in plan.left_out}
        assert "connection timed out" in reasons[WORKER]
        assert reasons[SECOND] == "it is NotReady"
        assert reasons[THIRD] == "it runs windows"
        assert "leaves out 3 nodes" in plan.config_map_note


@pytest.mark.parametrize(
    ("lacks", "way"),
    [("away", WayOn.REACH), ("rootless", WayOn.ROOT), ("mute", WayOn.ANSWER)],
)
async def test_what_leads_on_tells_a_node_that_is_away_from_one_on_which_nobody_is_root(
    lacks: str, way: WayOn
) -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER)
        setattr(here.machines.by_name[WORKER], lacks, True)
        with pytest.raises(StoppedBefore) as stopped:
            await check(plan, here.context)
        assert (stopped.value.way, stopped.value.where) == (way, WORKER)


def not_ready(node: Any) -> Any:
    conditions = [{"type": "Ready", "status": "False"}]
    return {**node, "status": {**node["status"], "conditions": conditions}}


def _windows(node: Any) -> Any:
    info = {**node["status"]["nodeInfo"], "operatingSystem": "windows"}
    return {**node, "status": {**node["status"], "nodeInfo": info}}


# The check.


async def test_a_plan_of_the_truth_holds() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan()
        checked = await check(plan, here.context)
        assert set(checked.found.values()) == {FoundState.AS_PLANNED}
        assert checked.nodes[-1].plan.node == MASTER  # control planes last
        assert checked.writes_config_map
        assert all("transaction" not in name for _, name in here.machines.ran)


class _LateClock(SystemClock):
    """A clock that can be late."""

    late = timedelta()

    def now(self) -> datetime:
        return super().now() + self.late


async def test_a_survey_that_takes_long_makes_no_kubelet_younger() -> None:
    async with acting(DARK, "pending-worker") as here:
        plan, clock = await here.plan(WORKER), _LateClock()
        survey = here.machines.by_name[WORKER].survey
        started = clock.now() - timedelta(seconds=survey.unit.age)

        class Slow(Machines):
            async def run_script(self, *args: Any, **options: Any) -> Any:
                answer = await super().run_script(*args, **options)
                clock.late += timedelta(seconds=30)
                return answer

        transport = Slow(by_name=here.machines.by_name)
        checked = await check(plan, replace(here.context, transport=transport, clock=clock))
        (node,) = checked.nodes
        assert node.surveyed >= clock.now() - timedelta(seconds=60)
        assert node.kubelet_started is not None
        assert abs(node.kubelet_started - started) < timedelta(seconds=20)


LIES: dict[str, tuple[dict[str, object], str]] = {
    "a control plane by the plan's word": ({"control_plane": True}, "control plane in the plan"),
    "another Node's name": (
        {"names": (Claim(SECOND, NameSource.NODE_NAME),)},
        f"takes {SECOND} for its name",
    ),
    "an address that its key does not answer at": (
        {"addresses": (Claim("127.0.88.113", NameSource.SSH_HOST_KEY),)},
        "127.0.88.113: its ssh host key answered there; that does not hold now",
    ),
    "an interface of this machine": (
        {"addresses": (Claim("127.0.88.112", NameSource.THIS_MACHINE),)},
        "that does not hold now",
    ),
    "an address of another node by the operator": (
        {"addresses": (Claim("127.0.88.113", NameSource.OPERATOR),)},
        "127.0.88.113",
    ),
    "proof somewhere else": ({"dial": ("127.0.88.113",)}, "which its Node does not have"),
    "another Node": ({"uid": "another"}, "recreated"),
    "another machine": ({"machine_id": "0123"}, "and had 0123 in the plan"),
    "another host key": ({"host_key": "ssh-ed25519 SHA256:other"}, "another ssh host key answers"),
    "another file": ({"config_sha256": "0"}, "has been changed since the plan"),
}


@pytest.mark.parametrize(("lie", "why"), LIES.values(), ids=LIES)
async def test_a_plan_that_lies_is_stopped_before_the_first_write(
    lie: dict[str, object], why: str
) -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = changed(await here.plan(), WORKER, **lie)
        with pytest.raises(StoppedBefore, match=why.replace("(", r"\(")) as stopped:
            await check(plan, here.context)
        assert stopped.value.where == WORKER
        assert stopped.value.exit_code is ExitCode.STOPPED


async def test_a_plan_is_bound_to_its_cluster_and_its_day() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan()
        cluster = plan.cluster
        late = here.context.clock.now().replace(year=2099)
        for other, why in (
            ({"cluster": msgspec.structs.replace(cluster, cluster_uid="0")}, "not the cluster"),
            ({"cluster": msgspec.structs.replace(cluster, ca_sha256="0")}, "CA has changed"),
            ({"made_at": late}, "made at 2099"),
        ):
            with pytest.raises(StoppedBefore, match=why):
                await check(msgspec.structs.replace(plan, **other), here.context)


async def test_a_config_map_text_in_the_plan_is_not_believed() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan()
        assert plan.config_map is not None
        text = plan.config_map.after + "authentication: {anonymous: {enabled: true}}\n"
        other = msgspec.structs.replace(plan.config_map, after=text)
        with pytest.raises(StoppedBefore, match="not the old text with serverTLSBootstrap"):
            await check(msgspec.structs.replace(plan, config_map=other), here.context)


async def test_machines_that_share_a_host_key_prove_nothing_by_it() -> None:
    """Planned while the keys differed; then one machine answers with the other one's key."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = changed(await here.plan(), WORKER, host_key="")
        here.machines.by_name[WORKER].host_key = here.machines.by_name[SECOND].host_key
        with pytest.raises(StoppedBefore, match="that does not hold now"):
            await check(plan, here.context)


async def test_an_armed_run_of_another_plan_stops_it() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan()
        machine = here.machines.by_name[WORKER]
        machine.survey = msgspec.structs.replace(
            machine.survey, runs=(a_run("ffff", "armed", machine.survey.clock + 60),)
        )
        with pytest.raises(StoppedBefore, match="kubevouch undo ffff"):
            await check(plan, here.context)


def a_run(name: str, state: str, fires: int = 0) -> Any:
    return SurveyedRun(name.encode(), state.encode(), fires)


async def test_a_plan_that_leaves_out_everybody_is_no_plan() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan()
        empty = msgspec.structs.replace(
            plan, nodes=(), left_out=(LeftOut(WORKER, "it is NotReady"),)
        )
        with pytest.raises(NothingApplicable, match="leaves out 1 node") as stopped:
            await check(empty, here.context)
        assert stopped.value.exit_code is ExitCode.COULD_NOT_TELL


async def test_a_node_taken_out_of_the_plan_keeps_the_config_map_as_it_is() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan()
        fewer = msgspec.structs.replace(plan, nodes=plan.nodes[1:])
        checked = await check(fewer, here.context)
        assert not checked.writes_config_map
        assert f"{plan.nodes[0].node} is not in this plan" in checked.config_map_kept


async def test_a_node_that_the_plan_calls_well_is_asked_again() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan()
        well = LeftOut(plan.nodes[0].node, "nothing to do", is_well=True)
        lying = msgspec.structs.replace(plan, nodes=plan.nodes[1:], left_out=(well,))
        checked = await check(lying, here.context)
        assert f"{well.node} is not well any more" in checked.config_map_kept


async def test_what_a_plan_has_left_out_is_told_as_of_the_time_when_it_was_made() -> None:
    """It may be over: of a switch that was to go off nobody looks again. What this run has seen itself is told as it is."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER, SECOND)
        why = "run bbbb has changed it and has not been proven"
        now = here.context.clock.now()
        then = (
            LeftOut("k8s-worker-9", why, armed_run="bbbb", armed_until=now + timedelta(minutes=5)),
            LeftOut("k8s-worker-8", why, armed_run="bbbb", armed_until=now - timedelta(minutes=5)),
        )
        here.stage.server.store.delete(kind_of("Node"), SECOND)
        checked = await check(msgspec.structs.replace(plan, left_out=then), here.context)
        result = await apply(checked, here.context, QUICK)
        assert {each.node: each.reason for each in result.left_out} == {
            "k8s-worker-9": f"when the plan was made: {why}",
            "k8s-worker-8": f"when the plan was made: {why}; that time is over, and a new plan looks at it again",
            SECOND: "this Node is not there any more",
        }


async def test_a_plan_of_well_nodes_does_not_end_well_once_they_are_not() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan()
        called = tuple(LeftOut(name, "nothing to do", is_well=True) for name in (WORKER, "gone"))
        stale = msgspec.structs.replace(plan, nodes=(), left_out=called, config_map=None)
        result = await apply(await check(stale, here.context), here.context, QUICK)
        assert [each.node for each in result.left_out] == [WORKER, "gone"]
        assert all("make a new plan" in each.reason for each in result.left_out)
        assert result.exit_code is ExitCode.COULD_NOT_TELL


# Carried out.


async def test_what_waits_is_approved_signed_and_served() -> None:
    async with acting(DARK, "pending-worker") as here, a_signer(here):
        plan = await here.plan()
        assert {each.change for each in plan.nodes} == {ChangeKind.APPROVE}
        checked = await check(plan, here.context)
        result = await apply(checked, here.context, QUICK)
        assert {(each.outcome, each.why) for each in result.nodes} == {(NodeOutcome.DONE, "")}
        assert result.config_map == "ConfigMap kubelet-config updated"
        assert result.undo == "kubevouch undo abcd", "for the ConfigMap"
        assert result.exit_code is ExitCode.OK
        assert all("transaction" not in name for _, name in here.machines.ran)
        again = await check(plan, here.context)
        assert set(again.found.values()) == {FoundState.WELL}


WITH_APPROVER = msgspec.structs.replace(DARK, approver="ours")


def _approvals(here: Acting) -> int:
    return sum(each.path.endswith("/approval") for each in here.stage.server.requests)


async def test_where_the_approver_leads_it_approves_and_the_run_does_not() -> None:
    async with acting(WITH_APPROVER, "pending-worker") as here, a_signer(here):
        checked = await check(await here.plan(), here.context)
        assert checked.inputs.approver_decides
        async with an_approver(here):
            result = await apply(checked, here.context, QUICK)
        assert {each.outcome for each in result.nodes} == {NodeOutcome.DONE}
        assert all(len(each.csrs) == 1 for each in result.nodes)
        assert _approvals(here) == 0
        assert sum(
            each.endswith(" approved by the approver; every rule passes")
            for each in here.progress.lines
        ) == len(result.nodes)


async def test_what_the_approver_does_not_decide_in_time_the_run_approves_and_says_so() -> None:
    async with acting(WITH_APPROVER, "pending-worker") as here, a_signer(here):
        checked = await check(await here.plan(WORKER), here.context)
        began = here.context.clock.monotonic()
        [node] = (await apply(checked, here.context, QUICK)).nodes
        assert node.outcome is NodeOutcome.DONE
        assert here.context.clock.monotonic() - began >= QUICK.approvers_turn == 2
        assert _approvals(here) == 1
        told = f"approved by this run: the approver had not decided within 2 s (`kubectl describe csr {node.csrs[0]}` says why)"
        assert any(told in each for each in here.progress.lines), here.progress.lines


async def test_a_plan_says_what_is_wrong_with_an_approver_that_decides_nothing() -> None:
    for approver, says in (
        ("ours", ""),
        (
            "ours-down",
            "the approver is installed and decides nothing: its pod is not ready (KV409). ",
        ),
        ("none", "no approver runs here: "),
    ):
        scenario = msgspec.structs.replace(DARK, approver=approver)
        async with acting(scenario, "pending-worker") as here:
            notices = [each for each in (await here.plan(WORKER)).notices if "KV411" in each]
        assert len(notices) == bool(says), notices
        assert all(each.startswith(says) for each in notices), notices
        assert any("approver install" in each for each in notices) is (approver == "none")


async def test_pods_that_are_ready_and_do_not_lead_are_not_waited_for() -> None:
    leaderless = msgspec.structs.replace(DARK, approver="ours-leaderless")
    async with acting(leaderless, "pending-worker") as here, a_signer(here):
        checked = await check(await here.plan(WORKER), here.context)
        assert not checked.inputs.approver_decides
        [node] = (await apply(checked, here.context, QUICK)).nodes
        assert node.outcome is NodeOutcome.DONE
        assert not any("the approver" in each for each in here.progress.lines)


async def test_a_csr_that_was_made_with_another_credential_is_not_approved() -> None:
    async with acting(DARK, "pending-worker") as here, a_signer(here):
        plan = await here.plan(WORKER)
        [csr] = _csrs_of(here, WORKER)
        made_with(here.stage, csr, "00" * 32)
        checked = await check(plan, here.context)
        result = await apply(checked, here.context, QUICK)
        [node] = result.nodes
        assert node.outcome is NodeOutcome.STOPPED
        assert "credential-id (OtherCredential)" in node.why
        # The kubelet may have rotated: the node was asked again, and not at every look.
        assert sum(name == "survey" for host, name in here.machines.ran if host == WORKER) == 3


def _csrs_of(here: Acting, node: str) -> list[str]:
    found = here.stage.server.store.list(kind_of("CertificateSigningRequest"))
    return [c["metadata"]["name"] for c in found if c["spec"]["username"].endswith(node)][-1:]


async def test_a_client_certificate_that_was_rotated_since_the_survey_is_found() -> None:
    async with acting(DARK, "pending-worker") as here, a_signer(here):
        plan = await here.plan(WORKER)
        checked = await check(plan, here.context)
        rotated = cluster_ca().client(f"system:node:{WORKER}", "system:nodes")
        machine = here.machines.by_name[WORKER]
        identity = msgspec.structs.replace(machine.survey.identity, pem=rotated.chain)
        machine.survey = msgspec.structs.replace(machine.survey, identity=identity)
        [csr] = _csrs_of(here, WORKER)
        made_with(here.stage, csr, read_certificates(rotated.chain, "client")[0].fingerprint)
        result = await apply(checked, here.context, QUICK)
        assert [each.outcome for each in result.nodes] == [NodeOutcome.DONE], result


async def test_seeds_are_made_at_the_nodes_turn() -> None:
    """The check makes none: however long a prompt is left open, the seed is as fresh as the change."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
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
        assert [each.outcome for each in result.nodes] == [NodeOutcome.STOPPED]
        assert result.undo == ""


async def test_a_node_that_is_not_ready_at_its_turn_is_not_touched() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        checked = await check(await here.plan(WORKER, SECOND), here.context)
        here.change("Node", WORKER, not_ready)
        result = await apply(checked, here.context, QUICK)
        outcomes = {each.node: each.outcome for each in result.nodes}
        assert outcomes == {WORKER: NodeOutcome.SKIPPED, SECOND: NodeOutcome.UNTOUCHED}
        assert "this Node is not Ready; nothing was changed" in result.nodes[0].why
        assert all("transaction" not in name for _, name in here.machines.ran)


async def test_a_run_goes_without_nodes_that_are_gone_or_not_ready_or_upgraded_and_says_so() -> (
    None
):
    async with acting(DARK, "pending-worker") as here, a_signer(here):
        plan = await here.plan()
        here.stage.server.store.delete(kind_of("Node"), WORKER)
        here.change("Node", SECOND, not_ready)
        here.change("Node", THIRD, _upgraded)
        checked = await check(plan, here.context)
        assert [each.node for each in checked.away] == [WORKER, SECOND, THIRD]
        result = await apply(checked, here.context, QUICK)
        assert [(each.node, each.outcome) for each in result.nodes] == [(MASTER, NodeOutcome.DONE)]
        reasons = {each.node: each.reason for each in result.left_out}
        assert reasons[WORKER] == "this Node is not there any more"
        assert reasons[SECOND] == "this Node is not Ready"
        assert "an upgrade came between; make a new plan" in reasons[THIRD]
        assert result.exit_code is ExitCode.COULD_NOT_TELL


def _upgraded(node: Any) -> Any:
    info = {**node["status"]["nodeInfo"], "kubeletVersion": "v1.99.0"}
    return {**node, "status": {**node["status"], "nodeInfo": info}}


async def test_a_plan_of_whose_nodes_none_is_there_changes_nothing() -> None:
    async with acting(DARK, "pending-worker") as here:
        plan = await here.plan(WORKER)
        here.change("Node", WORKER, not_ready)
        with pytest.raises(NothingApplicable, match="this Node is not Ready"):
            await check(plan, here.context)


async def test_a_node_that_vanishes_before_its_turn_is_skipped_and_the_others_are_done() -> None:
    async with acting(DARK, "pending-worker") as here, a_signer(here):
        checked = await check(await here.plan(WORKER, SECOND), here.context)
        here.stage.server.store.delete(kind_of("Node"), SECOND)
        result = await apply(checked, here.context, QUICK)
        outcomes = {each.node: each.outcome for each in result.nodes}
        assert outcomes == {WORKER: NodeOutcome.DONE, SECOND: NodeOutcome.SKIPPED}
        assert result.exit_code is ExitCode.COULD_NOT_TELL


async def test_what_has_changed_between_the_check_and_a_nodes_turn_stops_it() -> None:
    """The question was left open over night; a drop-in came meanwhile."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        checked = await check(await here.plan(WORKER), here.context)
        machine = here.machines.by_name[WORKER]
        start = msgspec.structs.replace(machine.survey.next_start, needs_reload=b"yes")
        machine.survey = msgspec.structs.replace(machine.survey, next_start=start)
        hours_ago = replace(
            checked.nodes[0], surveyed=checked.nodes[0].surveyed - timedelta(hours=9)
        )
        result = await apply(replace(checked, nodes=(hours_ago,)), here.context, QUICK)
        [node] = result.nodes
        assert node.outcome is NodeOutcome.STOPPED
        assert "NeedDaemonReload" in node.why
        assert "nothing was changed" in node.why
        assert all("transaction" not in name for _, name in here.machines.ran)


async def test_a_node_that_joined_since_the_plan_is_named() -> None:
    async with acting(DARK, "pending-worker") as here, a_signer(here):
        plan = await here.plan(WORKER)
        stamp = f"{here.context.clock.now() + timedelta(seconds=2):%Y-%m-%dT%H:%M:%SZ}"
        metadata = {"name": "new", "uid": "u", "creationTimestamp": stamp}
        here.stage.server.store.put(
            kind_of("Node"), {"kind": "Node", "metadata": metadata, "status": {}}
        )
        result = await apply(await check(plan, here.context), here.context, QUICK)
        assert [each.node for each in result.left_out] == ["new"]
        assert "has joined the cluster since the plan" in result.left_out[0].reason
        assert result.exit_code is ExitCode.COULD_NOT_TELL


async def test_a_run_that_was_cut_off_at_a_served_node_is_finished_by_the_same_plan() -> None:
    """Armed is never well: the very run that armed it proves it again and commits."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER)
        machine = here.machines.by_name[WORKER]
        as_the_run_left_it(here, plan)
        machine.transaction = [
            answered(TransactionState.BEGUN, why="begun in this run before"),
            answered(TransactionState.COMMITTED),
        ]
        checked = await check(plan, here.context)
        assert checked.found == {WORKER: FoundState.BEGUN}
        result = await apply(checked, here.context, QUICK)
        assert [(each.outcome, each.why) for each in result.nodes] == [(NodeOutcome.DONE, "")]
        assert result.undo == "kubevouch undo abcd"
        names = [name for host, name in here.machines.ran if "transaction" in name]
        assert names == ["transaction (begin)", "transaction (commit)"]
        assert f"{WORKER}: goes on with this run, which is not finished" in here.progress.lines
        assert not any("seeded, written, restarted" in line for line in here.progress.lines)


@pytest.mark.parametrize("state", ["written", "restarted"])
async def test_a_run_goes_on_though_the_file_was_written_again_unchanged(state: str) -> None:
    """`touch`, or a tool that writes what is there already: whether the run has restarted the kubelet is in its own record."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER)
        machine = here.machines.by_name[WORKER]
        as_the_run_left_it(here, plan, state)
        unit = msgspec.structs.replace(machine.survey.unit, age=100.0)
        [file] = machine.survey.config
        touched = msgspec.structs.replace(file, modified=machine.survey.clock)
        machine.survey = msgspec.structs.replace(machine.survey, unit=unit, config=(touched,))
        pid = machine.survey.unit.pid
        machine.transaction = [
            answered(TransactionState.BEGUN, pid if state == "restarted" else pid + 1),
            answered(TransactionState.COMMITTED),
        ]
        result = await apply(await check(plan, here.context), here.context, QUICK)
        assert [(each.outcome, each.why) for each in result.nodes] == [(NodeOutcome.DONE, "")]


async def test_a_run_that_was_undone_on_one_node_is_finished_where_it_is_armed_and_begins_nothing() -> (
    None
):
    """As it is if one switch has gone off before the run goes on: what is well is not put back for that."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER, SECOND, THIRD)
        as_the_run_left_it(here, plan)
        here.machines.by_name[WORKER].transaction = [
            answered(TransactionState.BEGUN, why="begun in this run before"),
            answered(TransactionState.COMMITTED),
        ]
        undone = here.machines.by_name[SECOND]
        undone.survey = msgspec.structs.replace(undone.survey, runs=(a_run("abcd", "undone"),))
        checked = await check(plan, here.context)
        assert checked.found == {WORKER: FoundState.BEGUN}
        assert {each.node: each.reason for each in checked.away} == {
            SECOND: "this run was undone on it; make a new plan",
            THIRD: f"this run was undone on {SECOND}, so it only ends what it has begun; make a new plan",
        }
        result = await apply(checked, here.context, QUICK)
        assert [(each.node, each.outcome) for each in result.nodes] == [(WORKER, NodeOutcome.DONE)]
        assert {each.node for each in result.left_out} == {SECOND, THIRD}
        assert result.exit_code is ExitCode.COULD_NOT_TELL
        ran = {host for host, name in here.machines.ran if "transaction" in name}
        assert ran == {WORKER}


def as_the_run_left_it(here: Acting, plan: Plan, state: str = "restarted", left: int = 100) -> None:
    """Its file is written, its kubelet restarted, its CSR approved by the run and signed, and served; and it is armed.

    left: seconds until its switch goes off.
    """
    machine = here.machines.by_name[WORKER]
    [file] = machine.survey.config
    content = file.content + b"serverTLSBootstrap: true\n"
    assert hashlib.sha256(content).hexdigest() == of(plan, WORKER).content_sha256
    written = msgspec.structs.replace(file, content=content, sha256=of(plan, WORKER).content_sha256)
    machine.survey = msgspec.structs.replace(
        machine.survey,
        config=(written,),
        runs=(a_run("abcd", state, machine.survey.clock + left),),
    )
    pair = cluster_ca().serving(WORKER, *machine.addresses, node=WORKER)
    leaf = pair.chain
    serve(here.stage, WORKER, pair)
    approved = {
        "type": "Approved",
        "status": "True",
        "reason": "KubevouchApprove",
        "message": "kubevouch: run abcd: every rule passed",
    }
    here.stage.server.store.put(
        kind_of("CertificateSigningRequest"),
        {
            "kind": "CertificateSigningRequest",
            "metadata": {
                "name": "csr-9",
                "uid": "u9",
                "creationTimestamp": f"{here.context.clock.now():%Y-%m-%dT%H:%M:%SZ}",
            },
            "spec": {
                "signerName": "kubernetes.io/kubelet-serving",
                "username": f"system:node:{WORKER}",
            },
            "status": {
                "conditions": [approved],
                "certificate": b64encode(leaf).decode(),
            },
        },
    )


async def test_a_finished_run_changes_nothing_and_says_so() -> None:
    async with acting(HEALTHY, "healthy-worker") as here:
        plan = await here.plan()
        assert plan.nodes == ()
        checked = await check(plan, here.context)
        result = await apply(checked, here.context, QUICK)
        undo = "kubevouch undo abcd"  # for the ConfigMap
        assert (result.nodes, result.undo, result.exit_code) == ((), undo, ExitCode.OK)
        assert result.config_map == "ConfigMap kubelet-config updated"
        second = await check(plan, here.context)
        assert not second.writes_config_map


async def test_a_node_that_joined_meanwhile_keeps_the_config_map_as_it_is() -> None:
    async with acting(DARK, "pending-worker") as here, a_signer(here):
        here.change("ConfigMap", "kubelet-config", _bootstrap_off, "kube-system")
        plan = await here.plan()
        assert plan.config_map is not None
        checked = await check(plan, here.context)
        assert checked.writes_config_map
        here.stage.server.store.put(
            kind_of("Node"), {"kind": "Node", "metadata": {"name": "new"}, "status": {}}
        )
        result = await apply(checked, here.context, QUICK)
        assert {(each.outcome, each.why) for each in result.nodes} == {(NodeOutcome.DONE, "")}
        assert "new is not in this plan" in result.config_map
        assert result.exit_code is ExitCode.STOPPED


def _bootstrap_off(found: Any) -> Any:
    text = found["data"]["kubelet"]
    lines = [line for line in text.splitlines() if "serverTLSBootstrap" not in line]
    return {**found, "data": {**found["data"], "kubelet": "\n".join(lines) + "\n"}}


async def test_the_config_map_is_written_last_once_and_put_back_by_an_undo() -> None:
    async with acting(DARK, "pending-worker") as here, a_signer(here):
        here.change("ConfigMap", "kubelet-config", _bootstrap_off, "kube-system")
        plan = await here.plan()
        result = await apply(await check(plan, here.context), here.context, QUICK)
        assert result.config_map == "ConfigMap kubelet-config updated"
        assert result.undo == "kubevouch undo abcd"
        assert await _written_by(here) == "abcd"
        again = await check(plan, here.context)
        assert not again.writes_config_map
        second = await apply(again, here.context, QUICK)
        assert second.config_map == "ConfigMap kubelet-config is as planned already"
        undone = await undo(plan, here.context, QUICK)
        assert undone.config_map == "ConfigMap kubelet-config put back"
        assert await _written_by(here) is None
        twice = await undo(plan, here.context, QUICK)
        assert twice.config_map == "ConfigMap kubelet-config is as it was before the run"
        here.change("ConfigMap", "kubelet-config", _edited, "kube-system")
        third = await undo(plan, here.context, QUICK)
        assert "changed by somebody else" in third.config_map
        assert (third.config_map_failed, third.config_map_settled) == (True, True)
        assert third.exit_code is ExitCode.STOPPED


@pytest.mark.parametrize(
    "before",
    [
        "authentication: {anonymous: {enabled: true}}\nauthorization: {mode: AlwaysAllow}\n",
        "kind: [\n",
        "",
    ],
    ids=["whoever asks is obeyed", "no YAML", "nothing"],
)
async def test_an_undo_writes_no_other_text_into_the_config_map_than_its_run_has_replaced(
    before: str,
) -> None:
    """The plan is a file that anybody may have written: a later joiner would start with what stands in it."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        here.change("ConfigMap", "kubelet-config", _bootstrap_off, "kube-system")
        plan = await here.plan()
        by = {"kubevouch.dev/run": plan.run}
        here.change("ConfigMap", "kubelet-config", _bootstrap_on(plan, by), "kube-system")
        for machine in here.machines.by_name.values():
            machine.transaction = [answered(TransactionState.UNDONE)]
        assert plan.config_map is not None
        other = msgspec.structs.replace(plan.config_map, before=before)
        forged = msgspec.structs.replace(plan, config_map=other)
        result = await undo(forged, here.context, QUICK)
        assert not [each for each in here.stage.server.requests if each.method == "PATCH"]
        assert result.config_map == (
            "ConfigMap kubelet-config is left as it is: what the plan would put back is not the text that the run has "
            "replaced, which differs from the planned one in serverTLSBootstrap only: look at it yourself"
        )
        assert (result.config_map_failed, result.config_map_settled) == (True, True)
        assert result.exit_code is ExitCode.STOPPED
        assert (await undo(plan, here.context, QUICK)).config_map.endswith("put back")


async def test_an_undo_looks_where_the_node_listens_and_not_where_a_plan_says() -> None:
    """The plan may be old, or somebody else's: another machine that answers says nothing of this one."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER)
        here.machines.by_name[WORKER].transaction = [answered(TransactionState.UNDONE)]
        [elsewhere] = here.machines.by_name[SECOND].addresses
        forged = changed(plan, WORKER, dial=(elsewhere,), port=of(plan, WORKER).port)
        old = changed(plan, WORKER, dial=("127.9.9.9",))
        for found in (forged, old):
            [well] = (await undo(found, here.context, QUICK)).nodes
            assert (well.outcome, well.why) == (NodeOutcome.UNDONE, "")
        here.stage.kubelets["k8s-worker-1"].behaviour = kubelet.NO_CERTIFICATE
        for found in (plan, forged, old):
            [dark] = (await undo(found, here.context, RolloutTimeouts(1))).nodes
            assert dark.outcome is NodeOutcome.UNKNOWN, dark
            assert "tls: internal error" in dark.why


async def _written_by(here: Acting) -> str | None:
    found = await here.context.api.get(CONFIG_MAPS, "kubelet-config", "kube-system")
    return found.metadata.annotations.get("kubevouch.dev/run")


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (
            {"kubevouch.dev/run": "ffff"},
            "it was not this run that wrote it, but run ffff",
        ),
        ({"kubevouch.dev/run": "; reboot"}, "it was not this run that wrote it"),
    ],
    ids=["another run", "somebody who is no run"],
)
async def test_an_undo_leaves_a_config_map_that_its_run_has_not_written(
    by: dict[str, str], said: str
) -> None:
    """The run left it as it was, and another run, or somebody, wrote the very same text later."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        here.change("ConfigMap", "kubelet-config", _bootstrap_off, "kube-system")
        plan = await here.plan()
        here.change("ConfigMap", "kubelet-config", _bootstrap_on(plan, by), "kube-system")
        for machine in here.machines.by_name.values():
            machine.transaction = [answered(TransactionState.NOTHING)]
        result = await undo(plan, here.context, QUICK)
        assert result.config_map == f"ConfigMap kubelet-config is left as it is: {said}"
        assert not result.config_map_failed
        assert not [each for each in here.stage.server.requests if each.method == "PATCH"]


async def test_an_undo_does_not_call_a_config_map_as_before_that_its_run_may_have_written() -> None:
    """The run wrote it, and somebody took the annotation away that says so."""
    async with acting(DARK, "pending-worker") as here, a_signer(here):
        here.change("ConfigMap", "kubelet-config", _bootstrap_off, "kube-system")
        plan = await here.plan()
        result = await apply(await check(plan, here.context), here.context, QUICK)
        assert result.config_map == "ConfigMap kubelet-config updated"
        here.change("ConfigMap", "kubelet-config", _bootstrap_on(plan, {}), "kube-system")
        here.stage.server.requests.clear()
        undone = await undo(plan, here.context, QUICK)
        assert undone.config_map == (
            "ConfigMap kubelet-config is left as it is: whether this run wrote it cannot be told, as it has no annotation "
            "kubevouch.dev/run; it has serverTLSBootstrap: true: look at it yourself"
        )
        assert (undone.config_map_failed, undone.config_map_settled) == (True, True)
        assert undone.exit_code is ExitCode.STOPPED
        assert not [each for each in here.stage.server.requests if each.method == "PATCH"]


KUBELET_CONFIG = "/api/v1/namespaces/kube-system/configmaps/kubelet-config"


async def test_a_run_that_is_stopped_while_it_writes_the_config_map_tells_what_its_nodes_came_to() -> (
    None
):
    async with acting(DARK, "pending-worker") as here, a_signer(here):
        here.change("ConfigMap", "kubelet-config", _bootstrap_off, "kube-system")
        plan = await here.plan()
        here.stage.server.faults.on(KUBELET_CONFIG, silence(), method="PATCH")
        run = apply(await check(plan, here.context), here.context, QUICK)
        result = await _cut_off_at_the_config_map(run, here)
        assert {each.outcome for each in result.nodes} == {NodeOutcome.DONE}
        by = {"kubevouch.dev/run": "abcd"}
        here.change("ConfigMap", "kubelet-config", _bootstrap_on(plan, by), "kube-system")
        await _cut_off_at_the_config_map(undo(plan, here.context, QUICK), here)


async def _cut_off_at_the_config_map(
    run: Coroutine[Any, Any, RunResult], here: Acting
) -> RunResult:
    requests = here.stage.server.requests
    requests.clear()
    task = asyncio.create_task(run)
    async with asyncio.timeout(GENEROUS):
        while not any((each.method, each.path) == ("PATCH", KUBELET_CONFIG) for each in requests):
            await asyncio.sleep(0.01)
        task.cancel()
        result = await task
    why = "stopped at once; whether it was written is not known"
    assert result.config_map == f"ConfigMap kubelet-config: {why}"
    assert result.exit_code is ExitCode.INTERRUPTED
    return result


def _bootstrap_on(plan: Plan, by: dict[str, str]) -> Callable[[Any], Any]:
    assert plan.config_map is not None
    after = plan.config_map.after
    return lambda found: {
        **found,
        "metadata": {**found["metadata"], "annotations": by},
        "data": {**found["data"], "kubelet": after},
    }


async def test_a_run_that_is_stopped_before_a_node_has_its_turn_has_a_result_all_the_same() -> None:
    """While it takes the Lease, say: what it had begun before is armed as it was, and the others are untouched."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER, SECOND)
        result = stopped_at_once(await check(plan, here.context), QUICK)
        assert {each.outcome for each in result.nodes} == {NodeOutcome.UNTOUCHED}
        assert (result.undo, result.exit_code) == ("", ExitCode.INTERRUPTED)
        as_the_run_left_it(here, plan)
        result = stopped_at_once(await check(plan, here.context), QUICK)
        assert {each.node: (each.outcome, each.armed) for each in result.nodes} == {
            WORKER: (NodeOutcome.UNKNOWN, True),
            SECOND: (NodeOutcome.UNTOUCHED, False),
        }
        assert result.undo == "kubevouch undo abcd"
        assert result.exit_code is ExitCode.INTERRUPTED


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_node_that_was_found_armed_is_armed_still_where_the_run_is_stopped_before_its_turn(
    *, at_once: bool
) -> None:
    """By a signal while it is read what the nodes hold in common, or by one Ctrl-C."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER, SECOND)
        as_the_run_left_it(here, plan)
        checked = await check(plan, here.context)
        if at_once:
            result = await _cut_off_at_the_workloads(apply(checked, here.context, QUICK), here)
        else:
            result = await apply(checked, replace(here.context, stop=lambda: True), QUICK)
    armed, other = sorted(result.nodes, key=lambda each: each.node != WORKER)
    assert (armed.outcome, armed.armed) == (NodeOutcome.UNKNOWN, True)
    why = "stopped at once" if at_once else "the run ended before it went on with it"
    switch = "its own switch puts it back at [0-9:]{8} UTC, unless this run goes on"
    assert re.fullmatch(f"{why}; {switch}", armed.why), armed.why
    assert (other.outcome, other.armed) == (NodeOutcome.UNTOUCHED, False)
    assert result.undo == "kubevouch undo abcd"
    assert result.exit_code is ExitCode.INTERRUPTED


async def _cut_off_at_the_workloads(run: Coroutine[Any, Any, RunResult], here: Acting) -> RunResult:
    budgets = "/apis/policy/v1/poddisruptionbudgets"
    here.stage.server.faults.on(budgets, silence())
    here.stage.server.requests.clear()
    task = asyncio.create_task(run)
    async with asyncio.timeout(GENEROUS):
        while not any(each.path == budgets for each in here.stage.server.requests):
            await asyncio.sleep(0.01)
        task.cancel()
        return await task


def _edited(found: Any) -> Any:
    return {**found, "data": {"kubelet": "somebody was here\n"}}


# Undone.


UNDOS: dict[str, tuple[list[tuple[str, str]], list[Any], NodeOutcome, str, str]] = {
    # runs on the node, what its script answers, outcome, why, a word of the progress
    "never begun there": (
        [],
        [answered(TransactionState.NOTHING, why="this run has not changed this node")],
        NodeOutcome.NOT_CHANGED,
        "has not changed this node",
        "",
    ),
    "an apply that was about to begin was faster": (
        [],
        [answered(TransactionState.UNDONE)],
        NodeOutcome.UNDONE,
        "",
        "former files in place, restarted",
    ),
    "undone before": ([("abcd", "undone")], [], NodeOutcome.UNDONE, "it was undone before", ""),
    "undone before, and another run has changed it since": (
        [("abcd", "undone"), ("ffff", "committed")],
        [],
        NodeOutcome.STOPPED,
        "run ffff has changed it since; kubevouch undo ffff --nodes k8s-worker-1.internal.example.com puts that back",
        "",
    ),
    "undone before, and another run is armed there": (
        [("abcd", "undone"), ("ffff", "restarted")],
        [],
        NodeOutcome.STOPPED,
        "run ffff has changed it and has not been proven",
        "",
    ),
    "undone before, and so was another run": (
        [("abcd", "undone"), ("ffff", "undone")],
        [],
        NodeOutcome.UNDONE,
        "it was undone before",
        "",
    ),
    "never begun, and undone before": (
        [("abcd", "barred")],
        [],
        NodeOutcome.NOT_CHANGED,
        "this run has not changed this node",
        "",
    ),
    "barred, and its record may have been pruned before": (
        [("1111", "committed"), ("abcd", "barred"), ("2222", "committed"), ("3333", "undone")],
        [],
        NodeOutcome.UNKNOWN,
        "3 newer runs have followed",
        "",
    ),
    "committed": (
        [("abcd", "committed")],
        [answered(TransactionState.UNDONE)],
        NodeOutcome.UNDONE,
        "",
        "former files in place, restarted",
    ),
    "armed": (
        [("abcd", "armed")],
        [answered(TransactionState.UNDONE)],
        NodeOutcome.UNDONE,
        "",
        "former files in place, restarted",
    ),
    "refused": (
        [("abcd", "committed")],
        [answered(TransactionState.REFUSED, why="config.yaml has been changed since the run")],
        NodeOutcome.STOPPED,
        "has been changed since the run",
        "",
    ),
    "its record may have been pruned": (
        [("1111", "committed"), ("2222", "committed"), ("3333", "undone")],
        [answered(TransactionState.NOTHING, why="this run has not changed this node")],
        NodeOutcome.UNKNOWN,
        "3 newer runs have followed",
        "",
    ),
}


async def test_a_node_that_was_undone_before_and_is_not_well_ends_the_undo_once_more() -> None:
    """The command that comes next after such an end is the same undo: it must not go on with the next node."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER, SECOND)
        machine = here.machines.by_name[WORKER]
        machine.survey = msgspec.structs.replace(machine.survey, runs=(a_run("abcd", "undone"),))
        machine.watched = [WatchedKubelet("inactive", 10, 10, (), b"failed")]
        result = await undo(plan, here.context, QUICK)
        assert [each.outcome for each in result.nodes] == [
            NodeOutcome.DOWN,
            NodeOutcome.NOT_PUT_BACK,
        ]
        assert result.nodes[0].why.startswith("it was undone before; ")
        assert result.stopped == f"{WORKER} was put back and is not well"


@pytest.mark.parametrize(
    ("added", "outcome", "why"),
    [
        (
            b"maxPods: 7\nserverTLSBootstrap: true\n",
            NodeOutcome.STOPPED,
            "this run was undone there, and somebody else has edited /var/lib/kubelet/config.yaml: serverTLSBootstrap is on in it; look at it yourself",
        ),
        (
            b"maxPods: [\n",
            NodeOutcome.STOPPED,
            (
                "this run was undone there, and somebody else has edited /var/lib/kubelet/config.yaml: it cannot be read as a "
                "kubelet's configuration; look at it yourself"
            ),
        ),
        (
            b"maxPods: 7\n",
            NodeOutcome.UNDONE,
            "it was undone before; somebody else has edited /var/lib/kubelet/config.yaml: serverTLSBootstrap is not on in it",
        ),
    ],
    ids=["on", "not readable", "not on"],
)
async def test_an_undo_says_what_others_have_made_of_a_file_that_was_put_back(
    added: bytes, outcome: NodeOutcome, why: str
) -> None:
    """An undo that takes our line out of an edited file counts as one, so the same command again must come to the same."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER)
        machine = here.machines.by_name[WORKER]
        [file] = machine.survey.config
        content = file.content + added
        edited = msgspec.structs.replace(
            file, content=content, sha256=hashlib.sha256(content).hexdigest()
        )
        machine.survey = msgspec.structs.replace(
            machine.survey, config=(edited,), runs=(a_run("abcd", "undone"),)
        )
        [node] = (await undo(plan, here.context, QUICK)).nodes
        assert (node.outcome, node.why) == (outcome, why)
        assert node.settled is (outcome is NodeOutcome.STOPPED)


@pytest.mark.parametrize(("runs", "answers", "outcome", "why", "said"), UNDOS.values(), ids=UNDOS)
async def test_an_undo_says_what_it_did_and_no_more(
    runs: list[tuple[str, str]],
    answers: list[Any],
    outcome: NodeOutcome,
    why: str,
    said: str,
) -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER)
        machine = here.machines.by_name[WORKER]
        machine.survey = msgspec.structs.replace(
            machine.survey, runs=tuple(a_run(*each) for each in runs)
        )
        machine.transaction = list(answers)
        result = await undo(plan, here.context, QUICK)
        [node] = result.nodes
        assert (node.outcome, why in node.why) == (outcome, True), node
        told = "\n".join(here.progress.lines)
        assert said in told
        assert said or "restarted" not in told


async def test_an_undo_ends_at_the_first_node_whose_kubelet_does_not_come_back() -> None:
    """Workers first, one after the other; the command goes on with the others when that node is well."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan()
        for machine in here.machines.by_name.values():
            machine.transaction = [answered(TransactionState.UNDONE)]
        second = here.machines.by_name[SECOND]
        second.watched = [WatchedKubelet("inactive", 10, 10, (), b"activating", b"swap is on\n")]
        result = await undo(plan, here.context, QUICK)
        found = [(each.node, each.outcome) for each in result.nodes]
        assert found == [
            (WORKER, NodeOutcome.UNDONE),
            (SECOND, NodeOutcome.DOWN),
            (THIRD, NodeOutcome.NOT_PUT_BACK),
            (MASTER, NodeOutcome.NOT_PUT_BACK),
        ]
        assert "the last lines of its log: swap is on" in result.nodes[1].why
        assert result.stopped == f"{SECOND} was put back and is not well"
        assert not result.interrupted
        touched = {host for host, name in here.machines.ran if name == "transaction (undo)"}
        assert touched == {WORKER, SECOND}


async def test_an_undo_goes_past_a_node_that_is_gone_or_refuses() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER, SECOND, THIRD)
        for machine in here.machines.by_name.values():
            machine.transaction = [answered(TransactionState.UNDONE)]
        here.machines.by_name[WORKER].away = True
        refuses = answered(TransactionState.REFUSED, why="machine's id is not that of the node")
        here.machines.by_name[SECOND].transaction = [refuses]
        outcomes = [each.outcome for each in (await undo(plan, here.context, QUICK)).nodes]
        assert outcomes == [NodeOutcome.UNKNOWN, NodeOutcome.STOPPED, NodeOutcome.UNDONE]


async def test_an_undo_works_where_the_port_cannot_be_dialled_from_here() -> None:
    """ssh leads to the node; whether its kubelet is well is seen there, and in its Node."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        nowhere = changed(await here.plan(WORKER), WORKER, dial=("fe80::1",))
        here.machines.by_name[WORKER].transaction = [answered(TransactionState.UNDONE)]
        [node] = (await undo(nowhere, here.context, QUICK)).nodes
        assert node.outcome is NodeOutcome.UNDONE, node


async def test_an_undo_of_some_nodes_leaves_the_config_map_as_it_is() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan()
        assert plan.config_map is not None
        some = only_nodes(plan, [SECOND])
        assert ([each.node for each in some.nodes], some.config_map) == ([SECOND], None)
        with pytest.raises(UsageError, match="has no such node; its nodes: "):
            only_nodes(plan, [SECOND.replace("2", "9")])  # looks like others, and is none of them
        with pytest.raises(UsageError, match=f"is it {re.escape(SECOND)}"):
            only_nodes(plan, [SECOND.partition(".")[0]])


async def test_runs_that_were_there_before_the_plan_have_pushed_no_record_away() -> None:
    """They are not later ones: a run of which there is no record beside them has never begun there."""
    earlier = [a_run("1111", "undone"), a_run("2222", "committed"), a_run("3333", "undone")]
    async with acting(SELF_SIGNED, "expired-worker") as here:
        machine = here.machines.by_name[WORKER]
        machine.survey = msgspec.structs.replace(machine.survey, runs=tuple(earlier))
        plan = await here.plan(WORKER)
        machine.transaction = [answered(TransactionState.NOTHING, why="has not changed this node")]
        for runs in (earlier, [*earlier, a_run("abcd", "barred")]):
            machine.survey = msgspec.structs.replace(machine.survey, runs=tuple(runs))
            [found] = (await undo(plan, here.context, QUICK)).nodes
            assert (found.outcome, found.settled) == (NodeOutcome.NOT_CHANGED, False), found
        machine.survey = msgspec.structs.replace(
            machine.survey, runs=(*earlier, a_run("abcd", "undone"))
        )
        [found] = (await undo(plan, here.context, QUICK)).nodes
        assert (found.outcome, found.later_run) == (NodeOutcome.UNDONE, ""), found


async def test_a_node_whose_file_was_turned_on_again_by_hand_is_not_as_before() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER)
        machine = _has_no_record(here, of(plan, WORKER), "after")
        machine.survey = msgspec.structs.replace(machine.survey, runs=(a_run("abcd", "undone"),))
        [found] = (await undo(plan, here.context, QUICK)).nodes
        assert (found.outcome, found.settled) == (NodeOutcome.STOPPED, True), found
        assert "is what this run writes all the same" in found.why


def _has_no_record(here: Acting, node: NodePlan, digest: str) -> Machine:
    """The node's machine, which knows nothing of the run, and whose file is the plan's before or after the change, or another."""
    machine = here.machines.by_name[node.node]
    machine.transaction = [answered(TransactionState.NOTHING, why="has not changed this node")]
    [file] = machine.survey.config
    sums = {"before": node.config_sha256, "after": node.content_sha256, "other": "00"}
    machine.survey = msgspec.structs.replace(
        machine.survey, config=(msgspec.structs.replace(file, sha256=sums[digest]),)
    )
    return machine


@pytest.mark.parametrize(
    ("digest", "outcome"),
    [
        ("before", NodeOutcome.NOT_CHANGED),
        ("after", NodeOutcome.UNKNOWN),
        ("other", NodeOutcome.UNKNOWN),
    ],
)
async def test_that_a_run_has_not_changed_a_node_is_said_with_proof_only(
    digest: str, outcome: NodeOutcome
) -> None:
    """Somebody has removed the folder of the runs; its file tells."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER)
        _has_no_record(here, of(plan, WORKER), digest)
        [found] = (await undo(plan, here.context, QUICK)).nodes
        assert found.outcome is outcome, found


@pytest.mark.parametrize(
    ("others", "digest", "outcome", "why"),
    [
        (["barred", "barred", "undone", "barred"], "before", NodeOutcome.NOT_CHANGED, ""),
        (["undone", "undone", "committed"], "before", NodeOutcome.UNKNOWN, "3 newer runs"),
        (
            ["barred", "committed"],
            "after",
            NodeOutcome.UNKNOWN,
            "kubevouch undo 00f1 --nodes k8s-worker-1.internal.example.com puts that back",
        ),
        (["barred", "undone"], "after", NodeOutcome.UNKNOWN, "look at it yourself"),
        (
            ["undone", "restarted"],
            "after",
            NodeOutcome.UNKNOWN,
            "run 00f1 has changed it and has not been proven",
        ),
    ],
)
async def test_marks_of_runs_that_never_began_push_no_record_away_and_another_run_is_named(
    others: list[str], digest: str, outcome: NodeOutcome, why: str
) -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER)
        machine = _has_no_record(here, of(plan, WORKER), digest)
        machine.survey = msgspec.structs.replace(
            machine.survey,
            runs=tuple(a_run(f"00f{number}", state) for number, state in enumerate(others)),
        )
        [found] = (await undo(plan, here.context, QUICK)).nodes
        assert (found.outcome, why in found.why) == (outcome, True), found


async def test_an_undo_of_a_node_whose_folder_is_another_cannot_tell() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = changed(await here.plan(WORKER), WORKER, root="/elsewhere")
        [node] = (await undo(plan, here.context, QUICK)).nodes
        assert node.outcome is NodeOutcome.UNKNOWN
        assert "the kubelet's folder is /var/lib/kubelet, and was /elsewhere" in node.why
        assert [name for _, name in here.machines.ran if "undo" in name] == []


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
    root: str, seen: dict[str, Any], why: str
) -> None:
    """What root in a container can fill looks like a folder of root's, with a record of the run in it."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = changed(await here.plan(WORKER), WORKER, root=root)
        machine = here.machines.by_name[WORKER]
        machine.survey = msgspec.structs.replace(
            machine.survey, runs=(a_run("abcd", "committed"),), **seen
        )
        machine.transaction = [answered(TransactionState.UNDONE)]
        [node] = (await undo(plan, here.context, QUICK)).nodes
        assert (node.outcome, why in node.why) == (NodeOutcome.UNKNOWN, True), node
        assert [name for _, name in here.machines.ran if "undo" in name] == []


async def test_without_a_kubelet_an_undo_goes_by_the_record_in_the_kubelets_default_folder() -> (
    None
):
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER)
        machine = here.machines.by_name[WORKER]
        machine.survey = msgspec.structs.replace(
            machine.survey, no_kubelet=STOPPED_KUBELET, root=(), runs=()
        )
        machine.transaction = [answered(TransactionState.UNDONE)]
        [node] = (await undo(plan, here.context, QUICK)).nodes
        assert node.outcome is NodeOutcome.UNDONE
        machine.transaction = [answered(TransactionState.NOTHING)]
        [node] = (await undo(plan, here.context, QUICK)).nodes
        assert node.outcome is NodeOutcome.UNKNOWN
        assert "it cannot be told whether this run has changed this node" in node.why


async def test_an_undo_of_a_machine_out_of_reach_goes_on_with_the_next() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER, SECOND)
        here.machines.by_name[SECOND].away = True
        here.machines.by_name[WORKER].transaction = [answered(TransactionState.NOTHING)]
        result = await undo(plan, here.context, QUICK)
        assert {each.node: each.outcome for each in result.nodes} == {
            SECOND: NodeOutcome.UNKNOWN,
            WORKER: NodeOutcome.NOT_CHANGED,
        }
