"""A program for each test, and a cluster for those that want one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kubevouch.system_clock import SystemClock
from tests.cli.program import Program
from tests.diagnose.cases import CASES
from tests.support.stage import Stage, staged


@pytest.fixture
def kubevouch(tmp_path: Path) -> Program:
    return Program(tmp_path)


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
