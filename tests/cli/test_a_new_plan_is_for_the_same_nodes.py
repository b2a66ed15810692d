"""NEXT names a new plan of what the plan before it was asked for, and its run as it was asked for."""

import io
from pathlib import Path

from kubevouch.cli.common.invocation import Invocation
from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.rollout.render import print_plan
from kubevouch.rollout.decide.entitled import OperatorWord
from kubevouch.rollout.decide.next_step import commands_of
from kubevouch.rollout.decide.plan import ChangeKind
from tests.rollout.recorded import plan_of, planned, recorded


def test_what_comes_after_a_plan_has_what_was_said_for_its_run_and_its_order_the_soak() -> None:
    out, path = io.StringIO(), Path("a plan.json")
    terminal = Terminal(None, out, None, {})
    times = (("--gate-timeout", "300s"), ("--soak", "5s"))
    terminal.invocation = Invocation(given=times, verb="apply")
    nodes = [planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP, node=each) for each in "ab"]
    plan = plan_of(*nodes)
    commands = commands_of(plan, str(path), OperatorWord(domains=("c.test",)), lambda _: False)
    print_plan(terminal, plan, path, commands, (), soak=5.0)
    told = out.getvalue()
    assert "5 s later" in " ".join(told.split()), told
    applies = "kubevouch apply 'a plan.json' --cluster-domain c.test"
    assert told.endswith(f"NEXT     {applies} --gate-timeout 300s --soak 5s\n"), told
