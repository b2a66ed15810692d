"""A run that was undone from another machine: who looks at the node strikes what this machine has kept of it."""

import contextlib
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from kubevouch.errors import KubevouchError
from kubevouch.rollout.act.check import check

from .acting import SELF_SIGNED, WORKER, acting
from .staged import a_run


@pytest.mark.parametrize(
    ("state", "seen", "struck"),
    [
        ("", {}, True),
        ("undone", {}, True),
        ("restarted", {}, False),
        ("undone", {"unsafe": b"/var may be written by others"}, False),
    ],
)
async def test_a_refusal_does_not_lead_to_an_undo_of_what_is_undone(
    state: str, seen: dict[str, Any], struck: bool
) -> None:
    async with acting(SELF_SIGNED, "expired-worker") as here:
        plan = await here.plan(WORKER)
        machine = here.machines.by_name[WORKER]
        runs = (a_run("abcd", state),) if state else ()
        machine.survey = msgspec.structs.replace(machine.survey, runs=runs, **seen)
        told: list[Any] = []
        context = replace(here.context, armed=lambda *words: told.append(words))
        with contextlib.suppress(KubevouchError):
            await check(plan, context)
        assert told == ([(WORKER, None)] if struck else [])
