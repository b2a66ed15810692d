"""`kubevouch lab` where no lab runs."""

from pathlib import Path

import pytest

from tests.cli.forked import Forked
from tests.cli.program import Program


@pytest.fixture
def kubevouch(tmp_path: Path) -> Program:
    return Forked(tmp_path)


async def test_where_no_lab_runs_every_verb_says_so(kubevouch: Program) -> None:
    lines = (["status"], ["env"], ["break", "healthy"], ["age", "300d"], ["shell", "k8s-master"])
    for ran in await kubevouch.several(*(["lab", *words] for words in lines)):
        assert ran.code == 4, ran
        assert "no lab runs here; kubevouch lab up" in ran.err
    down = await kubevouch("lab", "down")
    assert down.code == 0
    assert "no lab was running" in down.err
    other = await kubevouch("lab", "down", environment={"KUBEVOUCH_LAB": "/other"})
    assert other.err == "/other: no lab was running\n"
    days = await kubevouch("lab", "age", "a year")
    assert days.code == 2
    assert "lab age: expected days such as 300d, got " in days.err
