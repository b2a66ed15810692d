"""What may go wrong on a node, at every state of its run, under every shell: outcome, and every former byte back."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.roots_own import roots_own_folder
from tests.support.shells import SHELLS

from . import on_a_disk
from .cases import CASES, MOMENTS, PAGE, Case, with_tables
from .node import FaultyNode
from .telling import told


@pytest.fixture
def folder() -> Iterator[Path]:
    with roots_own_folder() as found:
        yield found


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("case", CASES, ids=lambda each: each.name)
def test_every_fault_at_its_states(folder: Path, case: Case, shell: str, every: bool) -> None:
    """At every other state under one of the shells, the next case at those between them; or at all under all."""
    every_other = 2 * len(SHELLS)
    first = CASES.index(case) + 2 * SHELLS.index(shell)
    moments = MOMENTS if every else MOMENTS[first % every_other :: every_other]
    if case.needs_a_disk:
        found = on_a_disk.elsewhere(case, shell, moments)
    else:
        node = FaultyNode(folder / "node", shell=shell)
        shutil.copytree(folder / "bin", node.folder / "bin")
        found = told(node, folder / "copies", case, moments)
    assert found == {": ".join(each): case.expected(each) for each in moments}


def test_the_page_has_the_tables_of_the_cases() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_tables(page), "python -m tests.faults.cases writes them"
