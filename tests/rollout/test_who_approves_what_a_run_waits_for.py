"""Which CSRs a run approves, and which it leaves to the approver, against a scripted cluster with real TLS."""

import asyncio

import msgspec

from kubevouch.errors import ExitCode
from kubevouch.rollout.act.apply import apply
from kubevouch.rollout.act.check import check
from kubevouch.rollout.decide.entitled import OperatorWord
from kubevouch.rollout.decide.plan import ChangeKind
from kubevouch.rollout.decide.run_status import NodeState
from tests.support.stage import kind_of

from .acting import DARK, HEALTHY, WORKER, Acting, a_signer, acting, an_approver, made_with
from .staged import QUICK, csrs_of

CSRS = kind_of("CertificateSigningRequest")


async def test_what_waits_is_approved_signed_and_served(dark: Acting) -> None:
    plan = await dark.plan()
    assert {each.change for each in plan.nodes} == {ChangeKind.APPROVE}
    checked = await check(plan, dark.context)
    result = await apply(checked, dark.context, QUICK)
    assert {(each.state, each.why) for each in result.nodes} == {(NodeState.DONE, "")}
    assert result.config_map.text == "ConfigMap kubelet-config updated"
    assert result.undo == "kubevouch undo abcd", "for the ConfigMap"
    assert result.exit_code is ExitCode.OK
    assert all("transaction" not in name for _, name in dark.machines.ran)
    again = await check(plan, dark.context)
    assert set(again.found.values()) == {NodeState.DONE}


WITH_APPROVER = msgspec.structs.replace(DARK, approver="ours")


def _approvals(here: Acting) -> int:
    return sum(each.path.endswith("/approval") for each in here.stage.server.requests)


async def test_where_the_approver_leads_it_approves_and_the_run_does_not() -> None:
    async with acting(WITH_APPROVER, "pending-worker") as here, a_signer(here):
        checked = await check(await here.plan(), here.context)
        assert checked.approver_decides
        async with an_approver(here):
            result = await apply(checked, here.context, QUICK)
        assert {each.state for each in result.nodes} == {NodeState.DONE}
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
        assert node.state is NodeState.DONE
        assert here.context.clock.monotonic() - began >= QUICK.approvers_turn == 2
        assert _approvals(here) == 1
        told = "by this run: the approver did not approve the CSR within 2 s (see its log)"
        assert any(told in each for each in here.progress.lines), here.progress.lines


async def test_a_plan_says_what_is_wrong_with_an_approver_that_decides_nothing() -> None:
    for approver, says in (
        ("ours", ""),
        (
            "ours-down",
            "the approver is installed and decides nothing: 0 of 1 pods are ready (KV409). ",
        ),
        ("none", "no approver runs here. Without one, rotations"),
    ):
        scenario = msgspec.structs.replace(DARK, approver=approver)
        async with acting(scenario, "pending-worker") as here:
            notices = [each for each in (await here.plan(WORKER)).notices if "KV411" in each]
        assert len(notices) == bool(says), notices
        assert all(each.startswith(says) for each in notices), notices
        assert any("approver install" in each for each in notices) is (approver == "none")


async def test_a_plan_says_that_an_approver_may_run_that_shows_in_an_approved_csr_only() -> None:
    approved = {"type": "Approved", "status": "True", "reason": "AutoApproved"}
    csr = {
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "csr-lately"},
        "spec": {"signerName": "kubernetes.io/kubelet-serving", "username": "system:node:w9"},
        "status": {"conditions": [approved]},
    }
    async with acting(msgspec.structs.replace(DARK, add=(csr,)), "pending-worker") as here:
        plan = await here.plan(WORKER)
    [notice] = [each for each in plan.notices if "KV411" in each]
    seen = "csr-lately of w9 was approved with reason 'AutoApproved'; it is unknown whether that approver still runs. "
    assert notice.startswith(f"no running approver was found: {seen}Without one, rotations stall")


async def test_pods_that_are_ready_and_do_not_lead_are_not_waited_for() -> None:
    leaderless = msgspec.structs.replace(DARK, approver="ours-leaderless")
    async with acting(leaderless, "pending-worker") as here, a_signer(here):
        checked = await check(await here.plan(WORKER), here.context)
        assert not checked.approver_decides
        [node] = (await apply(checked, here.context, QUICK)).nodes
        assert node.state is NodeState.DONE
        assert not any("the approver" in each for each in here.progress.lines)


async def test_a_csr_made_with_another_credential_is_not_the_kubelets(
    dark: Acting,
) -> None:
    plan = await dark.plan(WORKER)
    [csr] = csrs_of(dark, WORKER)
    made_with(dark.stage, csr, "00" * 32)
    checked = await check(plan, dark.context)
    result = await apply(checked, dark.context, QUICK)
    [node] = result.nodes
    assert node.state is NodeState.UNTOUCHED
    assert node.why == (
        f"the kubelet has made no CSR yet: {csr} was made with a credential that is not on the node's disk"
    )
    # The kubelet may have rotated: the node was asked again, and not at every look.
    assert sum(name == "survey" for host, name in dark.machines.ran if host == WORKER) == 3


async def test_a_thief_who_asks_at_every_moment_has_no_veto() -> None:
    """Each of its CSRs is newer than the kubelet's own, and the first is there before the run."""
    async with acting(DARK, "pending-worker") as here:
        checked = await check(await here.plan(WORKER), here.context)
        [own] = csrs_of(here, WORKER)
        stolen = [_a_thief_asks(here, f"{own}-stolen-0")]
        async with a_signer(here), asyncio.TaskGroup() as group:
            run = group.create_task(apply(checked, here.context, QUICK))
            while not run.done():
                stolen.append(_a_thief_asks(here, f"{own}-stolen-{len(stolen)}"))
                await asyncio.sleep(0.05)
        [node] = run.result().nodes
        assert (node.state, node.csrs) == (NodeState.DONE, (own,)), node
        left = [here.stage.server.store.get(CSRS, each) for each in stolen]
        assert not any(each["status"].get("conditions") for each in left)


async def test_a_thiefs_csr_makes_no_well_node_wait_for_an_approval() -> None:
    async with acting(HEALTHY, "healthy-worker") as here:
        assert (await here.plan(WORKER)).nodes == ()
        _a_thief_asks(here, "csr-stolen")
        assert (await here.plan(WORKER)).nodes == ()


async def test_where_no_csr_says_what_made_it_those_that_the_policy_holds_are_no_veto(
    dark: Acting,
) -> None:
    """Before Kubernetes 1.32. Some of them are older than the kubelet's own, some newer, and more than are judged in one look."""
    word = OperatorWord(without_credential_id=True)
    checked = await check(await dark.plan(WORKER), dark.context, word)
    for each in dark.stage.server.store.list(CSRS):
        made_with(dark.stage, each["metadata"]["name"], "")
    [own] = csrs_of(dark, WORKER)
    for number in range(30):
        _a_thief_asks(dark, f"{own}-stolen-{number}", "", usages=["client auth"])
        if number == 15:
            made_with(dark.stage, own, "")  # now
    [node] = (await apply(checked, dark.context, QUICK)).nodes
    assert (node.state, node.csrs) == (NodeState.DONE, (own,)), node


def _a_thief_asks(here: Acting, name: str, credential: str = "00" * 32, **other: object) -> str:
    """What the kubelet itself might ask, made with another credential of its name."""
    store = here.stage.server.store
    like = next(each for each in store.list(CSRS) if each["spec"]["username"].endswith(WORKER))
    spec = {**like["spec"], **other}
    store.create(CSRS, {**like, "metadata": {"name": name}, "spec": spec, "status": {}})
    made_with(here.stage, name, credential)
    return name
