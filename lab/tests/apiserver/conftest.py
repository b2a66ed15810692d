"""One API server a test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lab.tests.apiserver.bench import Bench, bench
from tests.support.authority import Authority


@pytest.fixture
async def lab(tmp_path: Path, authority: Authority) -> AsyncIterator[Bench]:
    async with bench(tmp_path, authority) as running:
        yield running
