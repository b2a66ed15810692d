"""One authority a session; a control plane for the tests that want one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lab.tests.plane import Plane, plane
from tests.support.authority import Authority
from tests.support.unhurried import unhurried
from tests.support.workers import surroundings_of_a_worker

__all__ = ["authority", "running", "surroundings_of_a_worker"]

unhurried()


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
async def running(tmp_path: Path, authority: Authority) -> AsyncIterator[Plane]:
    async with plane(tmp_path, authority) as found:
        yield found
