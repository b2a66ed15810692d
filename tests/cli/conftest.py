"""A program for each test, and a cluster for those that want one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kubevouch.system_clock import SystemClock
from tests.cli.forked import Forked
from tests.cli.program import Program
from tests.diagnose.cases import CASES
from tests.support.stage import Stage, staged


@pytest.fixture
def kubevouch(tmp_path: Path) -> Program:
    """Forked: where it matters how it is started, a test takes `started`."""
    return Forked(tmp_path)


@pytest.fixture
def started(kubevouch: Program) -> Program:
    """The same, each time as `python -m kubevouch`."""
    return Program(kubevouch.home, kubevouch.environment)


@pytest.fixture
def case() -> str:
    """Which cluster; a test may say another with parametrize."""
    return "expired"


@pytest.fixture
async def stage(case: str, kubevouch: Program) -> AsyncIterator[Stage]:
    """The cluster of a case of tests/diagnose, here and now; the program's kubeconfig leads to it."""
    async with staged(CASES[case], SystemClock()) as stage:
        kubevouch.environment["KUBECONFIG"] = str(stage.kubeconfig(kubevouch.home))
        yield stage
