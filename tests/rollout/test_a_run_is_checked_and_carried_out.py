"""The acting half against a scripted cluster with real TLS: what is checked before the first write, then what is done."""

import hashlib
from base64 import b64encode
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from kubevouch.errors import ExitCode, UsageError
from kubevouch.evidence.survey import SurveyedRun
from kubevouch.policy.claims import Claim, NameSource
from kubevouch.rollout.act.apply import apply
from kubevouch.rollout.act.check import check
from kubevouch.rollout.act.undo import undo
from kubevouch.rollout.decide.plan import ChangeKind, LeftOut, NodePlan, Plan
from kubevouch.rollout.decide.recheck import FoundState
from kubevouch.rollout.decide.result import NodeOutcome
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.decide.transaction import TransactionState
from kubevouch.rollout.errors import NothingApplicable, StoppedBefore
from kubevouch.system_clock import SystemClock
from kubevouch.x509 import read_certificates
from tests.support.stage import cluster_ca, kind_of

from .acting import (
    DARK,
    HEALTHY,
    MASTER,
    SECOND,
    SELF_SIGNED,
    THIRD,
    WORKER,
    Acting,
    Machines,
    a_signer,
    acting,
    an_approver,
    answered,
    made_with,
    serve,
)

ALL = {WORKER, SECOND, THIRD, MASTER}
QUICK = RolloutTimeouts(6)


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
        here.change("Node", SECOND, _not_ready)
        here.change("Node", THIRD, _windows)
        plan = await here.plan()
        reasons = {each.node: each.reason for each in plan.left_out}
        assert "connection timed out" in reasons[WORKER]
        assert reasons[SECOND] == "it is NotReady"
        assert reasons[THIRD] == "it runs windows"
        assert "leaves out 3 nodes" in plan.config_map_note


def _not_ready(node: Any) -> Any:
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
            machine.survey, runs=(_run("ffff", "armed", machine.survey.clock + 60),)
        )
        with pytest.raises(StoppedBefore, match="kubevouch undo ffff"):
            await check(plan, here.context)


def _run(name: str, state: str, fires: int = 0) -> Any:
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
        assert result.undo == ""
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
        told = "approved by this run: the approver had not decided within 2 s"
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
        here.change("Node", WORKER, _not_ready)
        result = await apply(checked, here.context, QUICK)
        outcomes = {each.node: each.outcome for each in result.nodes}
        assert outcomes == {WORKER: NodeOutcome.STOPPED, SECOND: NodeOutcome.UNTOUCHED}
        assert "this Node is not Ready; nothing was changed" in result.nodes[0].why
        assert all("transaction" not in name for _, name in here.machines.ran)


async def test_a_run_that_was_cut_off_at_a_served_node_is_finished_by_the_same_plan() -> None:
    """Armed is never well: the very run that armed it proves it again and commits."""
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER)
        machine = here.machines.by_name[WORKER]
        _as_the_run_left_it(here, plan)
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


def _as_the_run_left_it(here: Acting, plan: Plan) -> None:
    """Its file is written, its kubelet restarted, its CSR approved by the run and signed, and served; and it is armed."""
    machine = here.machines.by_name[WORKER]
    [file] = machine.survey.config
    content = file.content + b"serverTLSBootstrap: true\n"
    assert hashlib.sha256(content).hexdigest() == of(plan, WORKER).content_sha256
    written = msgspec.structs.replace(file, content=content, sha256=of(plan, WORKER).content_sha256)
    machine.survey = msgspec.structs.replace(
        machine.survey,
        config=(written,),
        runs=(_run("abcd", "armed", machine.survey.clock + 100),),
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
        assert (result.nodes, result.undo, result.exit_code) == ((), "", ExitCode.OK)
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
        again = await check(plan, here.context)
        assert not again.writes_config_map
        second = await apply(again, here.context, QUICK)
        assert second.config_map == "ConfigMap kubelet-config is as planned already"
        undone = await undo(plan, here.context, QUICK)
        assert undone.config_map == "ConfigMap kubelet-config put back"
        twice = await undo(plan, here.context, QUICK)
        assert twice.config_map == "ConfigMap kubelet-config is as it was before the run"
        here.change("ConfigMap", "kubelet-config", _edited, "kube-system")
        third = await undo(plan, here.context, QUICK)
        assert "changed by somebody else" in third.config_map
        assert third.exit_code is ExitCode.STOPPED


def _edited(found: Any) -> Any:
    return {**found, "data": {"kubelet": "somebody was here\n"}}


# Undone.


UNDOS: dict[str, tuple[list[tuple[str, str]], list[Any], NodeOutcome, str, str]] = {
    # runs on the node, what its script answers, outcome, why, a word of the progress
    "never begun there": (
        [],
        [answered(TransactionState.NOTHING, why="this run has not changed this node")],
        NodeOutcome.DONE,
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
    "never begun, and undone before": (
        [("abcd", "barred")],
        [],
        NodeOutcome.DONE,
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
            machine.survey, runs=tuple(_run(*each) for each in runs)
        )
        machine.transaction = list(answers)
        result = await undo(plan, here.context, QUICK)
        [node] = result.nodes
        assert (node.outcome, why in node.why) == (outcome, True), node
        told = "\n".join(here.progress.lines)
        assert said in told
        assert said or "restarted" not in told


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
            machine.survey, runs=(_run("abcd", "committed"),), **seen
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
            WORKER: NodeOutcome.DONE,
        }
