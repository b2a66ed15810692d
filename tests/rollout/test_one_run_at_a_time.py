"""The cluster's Lease: a second run is told who holds it, takes over from a dead run, and a run that has lost it writes nothing more."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from kubevouch.errors import ExitCode
from kubevouch.evidence.gather.identity import gather_run_lease
from kubevouch.kube.errors import Forbidden, KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.rollout.act.apply import apply
from kubevouch.rollout.act.check import check
from kubevouch.rollout.act.fleet_run import FleetRun
from kubevouch.rollout.act.lease import LeaseHold, RunLease
from kubevouch.rollout.act.undo import undo
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.rollout.decide.transaction import TransactionState
from kubevouch.rollout.errors import NotTheHolder, StoppedBefore
from kubevouch.system_clock import SystemClock
from kubevouch_lab.apiserver import status
from tests.support.apiservers import access_to, client_of
from tests.support.clocks import SteppedClock, WoundClock
from tests.support.scripted import faults
from tests.support.scripted.apiserver import ScriptedApiServer
from tests.support.scripted.kinds import KINDS
from tests.support.unhurried import GENEROUS, until

from .acting import DARK, MASTER, WORKER, Acting, a_signer, acting, answered
from .conftest import AUTHORITY
from .staged import an_undo

LEASE = KINDS["coordination.k8s.io", "v1", "leases"]
NAME, SPACE = "kubevouch-rollout", "kube-system"
PATH = f"/apis/coordination.k8s.io/v1/namespaces/{SPACE}/leases"
ALICE, BOB = "abcd on alice@laptop (11)", "bbbb on bob@desk (22)"


@dataclass
class Operator:
    """A process that wants to carry out a run. Its clock stands, unless it waits."""

    identity: str
    clock: SteppedClock | WoundClock = field(default_factory=SteppedClock)
    said: list[str] = field(default_factory=list)

    def lease(self) -> RunLease:
        return RunLease(self.clock, self.identity, self.said.append)


def waiting(identity: str) -> Operator:
    """One for whom waiting takes no time."""
    return Operator(identity, WoundClock())


def spec(server: ScriptedApiServer) -> dict[str, Any]:
    found: dict[str, Any] = server.store.get(LEASE, NAME, SPACE)["spec"]
    return found


def rewrite(server: ScriptedApiServer, **fields: object) -> None:
    """Somebody else writes the Lease."""
    server.store.change(LEASE, (SPACE, NAME), lambda it: {**it, "spec": {**it["spec"], **fields}})


async def killed(api: ApiClient, operator: Operator) -> None:
    """It has taken the Lease, and is gone without a word."""
    await operator.lease()._taken(api)


async def test_it_is_taken_renewed_and_given_back_and_each_hold_has_a_higher_number(
    server: ScriptedApiServer, api: ApiClient, time: WoundClock
) -> None:
    operator = Operator(ALICE)
    async with operator.lease().held(api) as hold:
        taken = spec(server)
        first = taken["leaseTransitions"]
        assert (taken["holderIdentity"], hold.number) == (ALICE, first)
        assert taken["leaseDurationSeconds"] == 15
        time.wind(timedelta(seconds=2))
        version = server.store.get(LEASE, NAME, SPACE)["metadata"]["resourceVersion"]
        await hold.confirm()
        assert server.store.get(LEASE, NAME, SPACE)["metadata"]["resourceVersion"] != version
        assert spec(server)["acquireTime"] == taken["acquireTime"]
    assert spec(server)["holderIdentity"] == ""
    async with operator.lease().held(api):
        assert spec(server)["leaseTransitions"] > first
    assert operator.said == []


@pytest.mark.parametrize("before", [False, True])
async def test_interrupted_while_it_is_taken_it_is_given_back(
    server: ScriptedApiServer, api: ApiClient, *, before: bool
) -> None:
    """The API server has carried out what is asked for; its answer has not come yet."""
    if before:
        async with Operator(BOB).lease().held(api):
            pass
    written = asyncio.Event()

    async def never() -> None:
        written.set()
        await asyncio.Event().wait()

    late = faults.answered_late(server.truth, never)
    server.faults.on(f"{PATH}*", late, times=1, method="PUT" if before else "POST")

    async def held() -> None:
        async with Operator(ALICE).lease().held(api):
            raise AssertionError

    task = asyncio.create_task(held())
    async with asyncio.timeout(GENEROUS):
        await written.wait()
        assert spec(server)["holderIdentity"] == ALICE
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert spec(server)["holderIdentity"] == ""


async def test_interrupted_while_it_waits_for_another_run_it_gives_nothing_back(
    server: ScriptedApiServer, api: ApiClient
) -> None:
    bob = Operator(BOB)

    async def held() -> None:
        async with bob.lease().held(api):
            raise AssertionError

    async with Operator(ALICE).lease().held(api):
        task = asyncio.create_task(held())
        async with asyncio.timeout(GENEROUS):
            while not bob.said:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert spec(server)["holderIdentity"] == ALICE


@pytest.mark.parametrize("how", ["deleted", "restored from a backup"])
async def test_a_lease_that_begins_anew_does_not_count_from_one(
    server: ScriptedApiServer, api: ApiClient, how: str
) -> None:
    """Nodes refuse a number that is lower than one that they have seen: it goes by the time, in steps of 4 s."""
    async with Operator(ALICE).lease().held(api) as hold:
        before = hold.number
    if how == "deleted":
        server.store.delete(LEASE, NAME, SPACE)
    else:
        rewrite(server, leaseTransitions=3)
    async with Operator(BOB).lease().held(api) as hold:
        assert before <= hold.number < 2**31


async def test_it_is_renewed_by_itself_while_the_run_does_something_else(
    server: ScriptedApiServer, api: ApiClient
) -> None:
    clock = SteppedClock(settle=0.05)
    async with Operator(ALICE, clock).lease().held(api):
        before = len([each for each in server.requests if each.method == "PUT"])
        await clock.wind(timedelta(seconds=6.5))
        assert len([each for each in server.requests if each.method == "PUT"]) == before + 3


async def test_beside_a_run_that_is_under_way_nothing_begins_and_it_is_named(
    server: ScriptedApiServer, api: ApiClient, time: WoundClock
) -> None:
    async with Operator(ALICE).lease().held(api) as hold:

        class Seeing(WoundClock):
            async def sleep(self, seconds: float) -> None:
                time.wind(timedelta(seconds=seconds))
                await hold.confirm()  # the other one goes on
                await super().sleep(seconds)

        bob = Operator(BOB, Seeing())
        with pytest.raises(NotTheHolder) as refused:
            await bob.lease().wait_until_free(api)
        assert "another run is in progress: held by run abcd of alice@laptop since " in str(
            refused.value
        )
        assert "renewed 0 s ago" in str(refused.value)
        assert refused.value.exit_code is ExitCode.STOPPED
        assert refused.value.run == "abcd", "NEXT shows where that one stands"
        assert bob.clock.monotonic() < 5
        assert spec(server)["holderIdentity"] == ALICE


async def test_a_run_that_was_killed_is_followed_once_its_time_is_over_and_that_is_said(
    server: ScriptedApiServer, api: ApiClient
) -> None:
    await killed(api, Operator(ALICE))
    before = spec(server)["leaseTransitions"]
    bob = waiting(BOB)
    lease = bob.lease()
    await lease.wait_until_free(api)
    assert 15 <= bob.clock.monotonic() < 18
    async with client_of(access_to(server, AUTHORITY)) as another, lease.held(another):
        assert bob.clock.monotonic() < 18, "it is not waited for once more"
        assert spec(server)["holderIdentity"] == BOB
        assert spec(server)["leaseTransitions"] > before
    assert "run abcd of alice@laptop" in bob.said[0]
    assert "waiting up to 15 s" in bob.said[0]
    assert bob.said[1] == "Lease kube-system/kubevouch-rollout was not renewed and is taken over"


async def test_of_two_that_follow_at_the_same_moment_one_is_refused(
    server: ScriptedApiServer, api: ApiClient
) -> None:
    await killed(api, Operator(ALICE))
    leases = [waiting(f"{run} on x@y (1)").lease() for run in ("cccc", "dddd")]
    for each in leases:
        await each.wait_until_free(api)
    taken = await asyncio.gather(*(each._taken(api) for each in leases), return_exceptions=True)
    assert [isinstance(each, NotTheHolder) for each in taken].count(True) == 1


@pytest.mark.parametrize("how", ["taken over", "taken over and given back", "deleted"])
async def test_whoever_has_lost_it_never_holds_it_again(
    server: ScriptedApiServer, api: ApiClient, how: str
) -> None:
    operator = Operator(ALICE)
    async with operator.lease().held(api) as hold:
        if how == "deleted":
            server.store.delete(LEASE, NAME, SPACE)
        else:
            holder = BOB if how == "taken over" else ""
            rewrite(server, holderIdentity=holder, leaseTransitions=2**31 - 1)
        assert hold.lost is None
        for _ in range(2):
            with pytest.raises(NotTheHolder):
                await hold.confirm()
        with pytest.raises(NotTheHolder):
            hold.check()
        assert hold.lost is not None
        if how == "deleted":
            assert "somebody has deleted the Lease" in str(hold.lost)
            assert hold.lost.run == "", "whoever has deleted it is not named"
            assert not server.store.list(LEASE), "a deleted Lease is not made anew"
    if how == "taken over":
        assert spec(server)["holderIdentity"] == BOB, "what is another's is not given back"


async def test_a_renewal_whose_answer_was_lost_costs_nothing(
    server: ScriptedApiServer, api: ApiClient
) -> None:
    async with Operator(ALICE).lease().held(api) as hold:
        rewrite(server, renewTime="2026-11-24T12:00:09.000000Z")  # it had arrived
        await hold.confirm()
        hold.check()


async def test_while_the_api_server_does_not_answer_it_is_neither_held_nor_lost(
    server: ScriptedApiServer, api: ApiClient
) -> None:
    async with Operator(ALICE).lease().held(api) as hold:
        server.faults.on(f"{PATH}*", faults.refuse(status.StatusError(500, "InternalError", "no")))
        with pytest.raises(KubeError) as failed:
            await hold.confirm()
        assert not isinstance(failed.value, NotTheHolder)
        server.faults.clear()
        await hold.confirm()


async def test_who_holds_it_can_be_read_by_others(
    server: ScriptedApiServer, api: ApiClient
) -> None:
    assert (await gather_run_lease(api)).holder is None
    async with Operator(ALICE).lease().held(api):
        found = (await gather_run_lease(api)).holder
        assert found is not None
        assert (found.run, found.where, found.is_alive) == ("abcd", "alice@laptop", True)
    assert (await gather_run_lease(api)).holder is None
    server.faults.on(f"{PATH}/*", faults.refuse(status.StatusError(403, "Forbidden", "no")))
    with pytest.raises(Forbidden):  # which is not that nobody holds it
        await gather_run_lease(api)


# What a run does with it.


async def a_hold(here: Acting) -> LeaseHold:
    """A hold that is renewed only where it is asked for."""
    raw = await Operator(ALICE).lease()._taken(here.context.api)
    return LeaseHold(here.context.api, SystemClock(), raw, lambda _: None)


async def lost(here: Acting) -> LeaseHold:
    """A hold that somebody else has taken over."""
    hold = await a_hold(here)
    taken_over(here)
    return hold


def taken_over(here: Acting) -> None:
    """By bob's run bbbb."""
    here.change(
        "Lease",
        NAME,
        lambda it: {
            **it,
            "spec": {**it["spec"], "holderIdentity": BOB, "leaseTransitions": 2**31 - 1},
        },
        SPACE,
    )


async def test_a_run_that_has_lost_it_approves_nothing() -> None:
    async with acting(DARK, "pending-worker") as here:
        checked = await check(await here.plan(WORKER), here.context)
        async with a_signer(here):
            hold = await lost(here)
            result = await apply(checked, replace(here.context, lease=hold), RolloutTimeouts(6))
        assert [each.state for each in result.nodes] == [NodeState.UNTOUCHED]
        assert result.nodes[0].seconds < 5
        assert result.nodes[0].csrs == ()


@pytest.mark.parametrize("how", ["cancelled", "an error of ours"])
async def test_a_run_that_is_cut_short_has_a_result_of_every_node(
    here: Acting, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM, a second Ctrl-C, a bug: a table, and the node in hand is armed."""
    checked = await check(await here.plan(), here.context)
    for machine in here.machines.by_name.values():
        machine.transaction = [answered(TransactionState.BEGUN)]
    running = asyncio.create_task(apply(checked, here.context, RolloutTimeouts(60)))
    await until(lambda: [name for _, name in here.machines.ran if "transaction" in name])
    if how == "cancelled":
        running.cancel()
    else:
        monkeypatch.setattr(FleetRun, "_next", None)
    result = await running
    [left] = [each for each in result.nodes if each.state is NodeState.ARMED]
    others = {each.state for each in result.nodes if each is not left}
    assert others == {NodeState.UNTOUCHED}
    assert (
        "the dead-man's switch undoes an unverified change, unless the node is verified first"
        in left.why
    )
    if how == "cancelled":
        assert result.exit_code is ExitCode.INTERRUPTED
        assert "interrupted" in left.why
    else:
        assert result.exit_code is ExitCode.STOPPED
        assert "an internal error, TypeError" in result.stopped
    assert result.undo == "kubevouch undo abcd"


async def test_an_undo_that_is_cut_short_has_a_result_of_every_node(here: Acting) -> None:
    plan = await an_undo(here, WORKER, MASTER)
    running = asyncio.create_task(undo(plan, here.context, RolloutTimeouts(60)))
    while not here.machines.ran:
        await asyncio.sleep(0)
    running.cancel()
    result = await running
    assert [each.state for each in result.nodes] == [
        NodeState.UNKNOWN,
        NodeState.UNKNOWN,
    ]
    assert result.interrupted


async def test_an_undo_that_has_lost_it_puts_nothing_back(here: Acting) -> None:
    plan = await an_undo(here, WORKER, MASTER)
    with pytest.raises(StoppedBefore, match="run bbbb of bob@desk"):
        await undo(plan, replace(here.context, lease=await lost(here)), RolloutTimeouts(6))
    assert here.machines.ran == []
