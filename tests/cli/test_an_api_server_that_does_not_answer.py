"""While the API server is away, NEXT first asks whether it answers, and then repeats what was asked for, as it was given."""

from pathlib import Path

import pytest

from kubevouch.cli.common.runs import keep_run
from kubevouch.rollout.decide.plan import ChangeKind
from kubevouch.rollout.decide.plan_text import text_of
from tests.cli.program import Program, Ran
from tests.rollout.recorded import plan_of, planned, recorded
from tests.support.stage import Stage

WORKER = "k8s-worker-1.internal.example.com"
READYZ = "NEXT     kubectl --kubeconfig {} get --raw /readyz"


@pytest.fixture
def case() -> str:
    return "expired"


@pytest.fixture
def away(kubevouch: Program, stage: Stage) -> Path:
    """A kubeconfig with an address at which nobody listens."""
    return kubevouch.away()


PLAN = plan_of(planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP, node=WORKER), run="bbbb")


def leads_on(ran: Ran) -> list[str]:
    """The commands of NEXT and THEN, with their words."""
    return [each for each in ran.err.splitlines() if each.startswith(("NEXT ", "THEN "))]


async def test_a_run_that_is_resumed_by_a_plans_file_is_resumed_by_that_file_again(
    kubevouch: Program, away: Path
) -> None:
    """It was begun on another machine: no plan of it is kept here, and plan.json would be another one."""
    file = kubevouch.home / "bobs plan.json"
    file.write_text(text_of(PLAN))
    flags = ("--yes", "--cluster-domain", "c.test", "--kubeconfig", str(away))
    ran = await kubevouch("resume", str(file), *flags, code=3)
    again = f"kubevouch resume '{file}' --cluster-domain c.test --kubeconfig {away}"
    assert leads_on(ran) == [READYZ.format(away), f"THEN     {again}"], ran


async def test_an_undo_that_finds_no_api_server_is_given_again_once_there_is_one(
    kubevouch: Program, away: Path
) -> None:
    keep_run(PLAN, {"HOME": str(kubevouch.home)})
    flags = ("--nodes", WORKER, "--yes", "--kubeconfig", str(away))
    ran = await kubevouch("undo", "bbbb", *flags, code=3)
    again = f"kubevouch undo bbbb --nodes {WORKER} --kubeconfig {away}"
    assert leads_on(ran) == [READYZ.format(away), f"THEN     {again}"], ran
