"""The Lease's list of nodes that may be armed: written before they are, kept until their switches have had their time, a hint for readers."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kubevouch.evidence.gather.identity import gather_run_lease
from kubevouch.evidence.run_holder import ARMED, ArmedNode, SeenLease, armed_in, armed_text
from kubevouch.kube.errors import KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.rollout.act.apply import apply
from kubevouch.rollout.act.check import check
from kubevouch.rollout.act.lease import LeaseHold
from kubevouch.rollout.act.undo import undo
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.rollout.decide.transaction import TransactionState
from kubevouch_lab.apiserver import status
from tests.support.clocks import WoundClock
from tests.support.scripted import faults
from tests.support.scripted.apiserver import ScriptedApiServer

from .acting import SELF_SIGNED, WORKER, Acting, a_signer, acting, answered
from .staged import QUICK, a_run
from .test_one_run_at_a_time import ALICE, BOB, LEASE, NAME, PATH, SPACE, a_hold, waiting

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def node(name: str = "w1", minutes: float = 3, run: str = "abcd") -> ArmedNode:
    return ArmedNode(run, name, NOW + minutes * MINUTE)


ONE = '{"w1":{"run":"abcd","due":"2026-01-01T12:03:00Z"}}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ONE, [node()]),
        (armed_text([node()]), [node()]),
        ("", []),
        ("{", []),
        ("[" * 10**5, []),
        ("\udc80", []),
        (ONE.replace("Z", ""), []),  # of no time zone
        (ONE.replace("abcd", "a;touch b"), []),
        (ONE.replace("w1", "w1`; touch b"), []),
        (ONE.replace("12:03", "11:59"), [node(minutes=-1)]),
        (ONE.replace("12:03:00", "11:58:59"), []),  # a minute past due
        (ONE.replace("12:03", "13:05"), [node(minutes=65)]),
        (ONE.replace("12:03", "13:06"), []),  # no switch is set for so long
        (ONE.replace("2026", "9999"), []),
    ],
)
def test_what_readers_take_of_it(text: str, expected: list[ArmedNode]) -> None:
    assert list(armed_in(text, NOW, NOW)) == expected


def test_it_has_64_nodes_at_most() -> None:
    many = [node(f"w{index}", minutes=index / 10) for index in range(100)]
    assert list(armed_in(armed_text(many), NOW, NOW)) == many[:64]
    forged = {each.node: {"run": each.run, "due": each.due} for each in many}
    assert len(armed_in(msgspec.json.encode(forged).decode(), NOW, NOW)) == 64


def test_a_node_that_the_cluster_does_not_have_is_not_told() -> None:
    seen = SeenLease(None, (node("w1"), node("w2")))
    assert seen.armed_among({"w2", "w3"}) == (node("w2"),)


# As it is written.


def entries(server: ScriptedApiServer) -> dict[str, dict[str, str]]:
    annotations = server.store.get(LEASE, NAME, SPACE)["metadata"].get("annotations", {})
    found: dict[str, dict[str, str]] = json.loads(annotations.get(ARMED, "{}"))
    return found


def listed(server: ScriptedApiServer) -> list[str]:
    return sorted(entries(server))


def soon(api: ApiClient, name: str, run: str = "abcd", minutes: float = 3) -> ArmedNode:
    return ArmedNode(run, name, api.server_clock.now() + minutes * MINUTE)


async def test_the_write_that_confirms_the_lease_carries_the_node_and_the_next_one_takes_it_out(
    server: ScriptedApiServer, api: ApiClient
) -> None:
    async with waiting(ALICE).lease().held(api) as hold:
        await hold.confirm(soon(api, "w1"))
        assert listed(server) == ["w1"]
        await hold.confirm(soon(api, "w2"))
        assert listed(server) == ["w1", "w2"]
        del hold.armed["w1"]
        await hold.confirm()
        assert listed(server) == ["w2"]
        [found] = (await gather_run_lease(api)).armed
        assert (found.run, found.node) == ("abcd", "w2")
    assert listed(server) == ["w2"], "a release keeps what is not yet due"


async def test_where_the_write_fails_the_node_is_not_among_those_that_may_be_armed(
    server: ScriptedApiServer, api: ApiClient
) -> None:
    async with waiting(ALICE).lease().held(api) as hold:
        server.faults.on(f"{PATH}/*", faults.refuse(status.StatusError(500, "InternalError", "no")))
        with pytest.raises(KubeError):
            await hold.confirm(soon(api, "w1"))
        server.faults.clear()
        assert hold.armed == {}
        await hold.confirm()
        assert listed(server) == []


async def test_a_takeover_and_another_run_keep_what_is_not_yet_due(
    server: ScriptedApiServer, api: ApiClient, time: WoundClock
) -> None:
    hold = LeaseHold(api, time, await waiting(ALICE).lease()._taken(api), print)
    await hold.confirm(soon(api, "w1", minutes=-0.5))
    await hold.confirm(soon(api, "w2", minutes=9))
    await hold.confirm(soon(api, "w0", minutes=-2))
    async with waiting(BOB).lease().held(api) as taken:
        assert listed(server) == ["w1", "w2"]
        await taken.confirm(soon(api, "w3", run="bbbb"))
        assert listed(server) == ["w1", "w2", "w3"]
        await taken.confirm(soon(api, "w1", run="bbbb"))
        taken.armed.clear()
        await taken.confirm()
    [left] = [each for each in (await gather_run_lease(api)).armed if each.node == "w1"]
    assert left.run == "abcd", "what another run is not armed on says nothing of this one"
    assert listed(server) == ["w1", "w2"]


async def test_a_list_that_somebody_has_filled_up_keeps_no_node_out(
    server: ScriptedApiServer, api: ApiClient, time: WoundClock
) -> None:
    hold = LeaseHold(api, time, await waiting(ALICE).lease()._taken(api), print)
    hold.armed |= {name: soon(api, name, minutes=60) for name in map("x{}".format, range(64))}
    await hold.confirm()
    async with waiting(BOB).lease().held(api) as taken:
        await taken.confirm(soon(api, "w1", run="bbbb"))
        assert "w1" in listed(server)


# What a run does with it.


async def test_a_run_writes_a_node_down_before_it_sends_anything_and_strikes_it_last() -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here, a_signer(here):
        checked = await check(await here.plan(WORKER), here.context)
        here.machines.by_name[WORKER].transaction = [answered(TransactionState.UNDONE)]
        hold = await a_hold(here)
        known: list[str] = []

        def before(script: str) -> None:
            if script == "transaction (begin)":
                known.append(entries(here.stage.server)[WORKER]["run"])

        here.machines.before = before
        await apply(checked, replace(here.context, lease=hold), QUICK)
    assert known == ["abcd"]
    assert hold.armed == {}


async def test_where_the_lease_cannot_be_written_nothing_is_armed(here: Acting) -> None:
    checked = await check(await here.plan(WORKER), here.context)
    hold = await a_hold(here)
    refused = faults.refuse(status.StatusError(403, "Forbidden", "no"))
    here.stage.server.faults.on(f"{PATH}/*", refused)
    [result] = (await apply(checked, replace(here.context, lease=hold), QUICK)).nodes
    assert result.state is NodeState.UNTOUCHED
    assert not any("transaction" in script for _, script in here.machines.ran)


SOON = 40
"""Seconds, by the node's record, until a switch is due that the run had set."""
LONGEST = 210
"""Seconds after which a switch is due at the latest that an undo sets: 120 after it is set, by a script that has 90."""


@pytest.mark.parametrize(
    ("state", "answer", "before", "stays"),
    [
        ("committed", "undone", LONGEST, False),
        ("committed", "nothing", LONGEST, False),
        ("committed", "half", LONGEST, True),
        ("committed", "refused", LONGEST, False),
        ("committed", "busy", LONGEST, True),  # by an undo that was killed here, perhaps
        ("verified", "undone", SOON, False),
        ("restarted", "undone", SOON, False),
        ("restarted", "half", SOON, True),
        ("restarted", "refused", SOON, True),
        ("", "nothing", LONGEST, False),
        ("", "refused", LONGEST, False),
        ("not seen", "refused", LONGEST, True),  # its kubelet is down
        ("not seen", "undone", LONGEST, False),
        ("undone", "undone", LONGEST, False),
        ("barred", "nothing", LONGEST, False),
    ],
)
async def test_until_when_a_node_may_be_armed_by_an_undo(
    here: Acting, state: str, answer: str, before: int, stays: bool
) -> None:
    plan = await here.plan(WORKER)
    machine = here.machines.by_name[WORKER]
    runs = (a_run("abcd", state, machine.survey.clock + SOON),) if state else ()
    machine.says(runs=runs)
    if state == "not seen":
        down: dict[str, Any] = {"no_kubelet": b"no main process", "root": (), "runs": ()}
        machine.says(**down)
    machine.transaction = [answered(TransactionState(answer), why="so it says")]
    hold = await a_hold(here)
    began = here.context.clock.now()
    seen: list[float] = []

    def sent(script: str) -> None:
        if script.startswith("transaction"):
            due = datetime.fromisoformat(entries(here.stage.server)[WORKER]["due"])
            seen.append(round((due - began).total_seconds(), -1))

    here.machines.before = sent
    await undo(plan, replace(here.context, lease=hold), QUICK)
    assert seen == [before]
    assert (WORKER in hold.armed) is stays
