"""NEXT names a new plan of what the plan before it was asked for."""

from pathlib import Path

import msgspec

from kubevouch.cli.fix.again import commands_of
from kubevouch.rollout.decide.operator_word import NO_WORD
from tests.rollout.test_a_plan_is_a_file import PLAN


def test_a_plan_of_some_nodes_is_made_anew_for_those_that_are_still_there(tmp_path: Path) -> None:
    """Who tried one node first was told to plan for all of them."""
    environment = {"XDG_STATE_HOME": str(tmp_path)}
    some = msgspec.structs.replace(PLAN, only=("w1", "w2"))
    path = Path("plan.json")
    assert commands_of(some, path, NO_WORD, environment).anew.endswith(" --nodes w1,w2")
    assert commands_of(some, path, NO_WORD, environment, gone={"w1"}).anew.endswith(" --nodes w2")
    assert "--nodes" not in commands_of(PLAN, path, NO_WORD, environment).anew
