"""The program, beside the servers of the test."""

from pathlib import Path

import pytest

from tests.cli.forked import Forked
from tests.cli.program import Program


@pytest.fixture
def kubevouch(tmp_path: Path) -> Program:
    return Forked(tmp_path)
