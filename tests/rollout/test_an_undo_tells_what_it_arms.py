"""An undo tells, before it is sent to a node, until when that may be armed by it, and what it knows of that once the node has answered."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from kubevouch.rollout.act.undo import undo
from kubevouch.rollout.decide.armed import ArmedNode
from kubevouch.rollout.decide.transaction import TransactionState

from .acting import SELF_SIGNED, WORKER, acting, answered
from .staged import QUICK, a_run

SOON = 40
"""Seconds, by the node's record, until a switch is due that the run had set."""
MAY, IS = False, True
LONGEST = 210
"""Seconds after which a switch is due at the latest that an undo sets: 120 after it is set, by a script that has 90."""


@pytest.mark.parametrize(
    ("state", "answer", "expected"),
    [
        ("committed", "undone", [(LONGEST, MAY), None]),
        ("committed", "nothing", [(LONGEST, MAY), None]),
        ("committed", "half", [(LONGEST, MAY), (LONGEST, IS)]),
        ("committed", "refused", [(LONGEST, MAY), None]),
        ("committed", "busy", [(LONGEST, MAY)]),  # by an undo that was killed here, perhaps
        ("verified", "undone", [(LONGEST, MAY), None]),
        ("restarted", "undone", [(SOON, MAY), None]),
        ("restarted", "half", [(SOON, MAY), (SOON, IS)]),
        ("restarted", "refused", [(SOON, MAY), (SOON, IS)]),
        ("", "nothing", [None]),
        ("undone", "undone", [None]),
        ("barred", "nothing", [None]),
    ],
)
async def test_until_when_a_node_may_be_armed(
    state: str, answer: str, expected: list[tuple[int, bool] | None]
) -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER)
        machine = here.machines.by_name[WORKER]
        runs = (a_run("abcd", state, machine.survey.clock + SOON),) if state else ()
        machine.survey = msgspec.structs.replace(machine.survey, runs=runs)
        machine.transaction = [answered(TransactionState(answer), why="so it says")]
        told: list[Any] = []

        def armed(_: str, how: ArmedNode | None) -> None:
            if how and not told:
                assert not any("transaction" in script for _, script in here.machines.ran)
            told.append(how)

        before = here.context.clock.now()
        await undo(plan, replace(here.context, armed=armed), QUICK)
        seconds = [
            None if each is None else (round((each.fires - before).total_seconds(), -1), each.sure)
            for each in told
        ]
        assert seconds == expected
