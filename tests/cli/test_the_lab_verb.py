"""`kubevouch lab` without what it needs, and without a lab."""

import io
from pathlib import Path

import pytest

from kubevouch.cli import lab
from kubevouch.cli.app import program_of
from kubevouch.cli.common.terminal import Terminal
from kubevouch.errors import UsageError
from tests.cli.program import Program


def terminal(home: Path) -> Terminal:
    return Terminal(io.StringIO(), io.StringIO(), io.StringIO(), {"HOME": str(home)})


def test_without_asyncssh_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab, "find_spec", lambda _: None)
    with pytest.raises(
        UsageError, match=r"asyncssh is not installed; pip install 'kubevouch\[lab\]'"
    ):
        program_of(["lab", "up"], "kubevouch", terminal(tmp_path))


async def test_where_no_lab_runs_every_verb_says_so(kubevouch: Program) -> None:
    lines = (["status"], ["env"], ["break", "healthy"], ["age", "300d"], ["shell", "k8s-master"])
    for ran in await kubevouch.several(*(["lab", *words] for words in lines)):
        assert ran.code == 4, ran
        assert "no lab runs here; kubevouch lab up" in ran.err
    down = await kubevouch("lab", "down")
    assert down.code == 0
    assert "no lab ran" in down.err
    days = await kubevouch("lab", "age", "a year")
    assert days.code == 2
    assert "is no number of days; 300d, say" in days.err


@pytest.mark.parametrize(("columns", "widest"), [("80", 80), ("", 200), ("7", 60), ("wide", 200)])
def test_a_long_line_is_folded_where_columns_says_so(columns: str, widest: int) -> None:
    out = io.StringIO()
    shown = Terminal(io.StringIO(), out, io.StringIO(), {"COLUMNS": columns})
    words = "Order    " + " -> ".join(f"k8s-worker-{number}.example.com" for number in range(6))
    shown.long_line(words)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= widest
    assert " ".join(out.getvalue().split()) == " ".join(words.split())
    assert (len(lines) > 1) == (widest < 200)
    assert all(line.startswith(" " * 9) for line in lines[1:])
