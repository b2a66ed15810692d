"""A plan and a status know why a node could not be asked, and where a person can do what the reason says."""

from typing import Any

import msgspec
import pytest

from kubevouch.errors import UsageError
from kubevouch.rollout.act.check import check
from kubevouch.rollout.act.status import gather_statuses, planned_target
from kubevouch.rollout.decide.plan import LeftOut, only_nodes
from kubevouch.rollout.decide.plan_text import plan_in, text_of
from kubevouch.rollout.errors import LeadsOn, StoppedBefore
from tests.rollout.acting import SECOND, THIRD, WORKER, Acting
from tests.rollout.staged import a_run
from tests.rollout.test_a_plan_is_a_file import PLAN


async def test_a_plan_a_status_and_a_check_know_the_host_that_was_asked_in_vain(
    here: Acting,
) -> None:
    plan = await here.plan(WORKER, SECOND, THIRD)
    here.machines.by_name[WORKER].away = True
    here.machines.by_name[SECOND].rootless = True
    here.machines.by_name[THIRD].mute = True
    found = await gather_statuses(map(planned_target, plan.nodes), plan.run, here.context.transport)
    asked = [(each.host, each.leads_on) for each in found]
    why = (LeadsOn.REACH, LeadsOn.ROOT, LeadsOn.NODE)
    assert asked == list(zip((WORKER, SECOND, THIRD), why, strict=True))
    left_out = (await here.plan(WORKER, SECOND, THIRD)).left_out
    assert asked == [(each.host, each.leads_on) for each in left_out]
    for node, way in asked:
        with pytest.raises(StoppedBefore) as stopped:
            await check(only_nodes(plan, [node]), here.context)
        assert (stopped.value.where, stopped.value.way) == (node, way)


async def test_a_plan_knows_that_another_machine_has_answered_and_which_run_is_armed(
    here: Acting,
) -> None:
    first, second = here.machines.by_name[WORKER], here.machines.by_name[SECOND]
    first.says(machine_id=b"another")
    second.says(runs=(a_run("eeee", "restarted"),))
    one, other = (await here.plan(WORKER, SECOND)).left_out
    assert (one.leads_on, one.host, one.armed_run) == (LeadsOn.REACH, WORKER, "")
    assert (other.leads_on, other.armed_run) == (LeadsOn.NEW_PLAN, "eeee")


async def test_a_plan_knows_where_a_person_can_do_what_its_reason_says(here: Acting) -> None:
    """The same plan once more came next, which would leave out the same nodes."""
    first = here.machines.by_name[WORKER]
    first.says(clock=first.survey.clock + 600)
    here.change("Node", SECOND, lambda node: _with(node, "nodeInfo", operatingSystem="windows"))
    addresses = [{"type": "InternalIP", "address": f"10.9.0.{n}"} for n in range(100)]
    here.change(
        "Node",
        THIRD,
        lambda node: {**node, "status": {**node["status"], "addresses": addresses}},
    )
    plan = await here.plan(WORKER, SECOND, THIRD)
    said = {each.node: (each.leads_on, each.host) for each in plan.left_out}
    assert said == {
        WORKER: (LeadsOn.NODE, WORKER),
        SECOND: (LeadsOn.NOTHING, ""),
        THIRD: (LeadsOn.STATUS, ""),
    }


def _with(node: Any, part: str, **fields: str) -> Any:
    status = node["status"]
    return {**node, "status": {**status, part: {**status[part], **fields}}}


def test_a_plan_in_which_such_a_host_is_none_is_refused() -> None:
    away = LeftOut("w1", "away", host="-oProxyCommand=x")
    bent = msgspec.structs.replace(PLAN, left_out=(away,))
    with pytest.raises(UsageError, match="is not a valid plan"):
        plan_in(text_of(bent).encode(), "plan.json")
