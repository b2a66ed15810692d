"""Which node has which address: by a yes at a terminal, or by --addresses FILE. Nothing else says it."""

import io
import sys
from pathlib import Path

import msgspec
import pytest

from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.rollout.plan import Vouched, is_right
from kubevouch.errors import UsageError
from kubevouch.rollout.decide.plan import ChangeKind, Plan
from tests.cli.screen import Window
from tests.rollout.recorded import plan_of, planned, recorded

NAMED = planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP)
[CLAIM] = NAMED.addresses
BY_ADDRESS = msgspec.structs.replace(NAMED, node="w1", host=CLAIM.value, machine_id="5f0c")
PLAN = plan_of(NAMED, BY_ADDRESS)


@pytest.mark.parametrize(
    ("plan", "typed", "asks", "answer"),
    [
        (PLAN, "y\n", True, True),
        (PLAN, "n\n", True, False),
        (PLAN, "\n", True, False),
        (PLAN, None, False, False),
        (plan_of(NAMED), "y\n", False, False),
    ],
)
def test_a_table_is_right_if_somebody_at_a_terminal_says_so(
    monkeypatch: pytest.MonkeyPatch, plan: Plan, typed: str | None, asks: bool, answer: bool
) -> None:
    stdin = io.StringIO() if typed is None else Window(typed)
    monkeypatch.setattr(sys, "stdin", stdin)
    err = Window()
    terminal = Terminal(stdin, io.StringIO(), err, {"COLUMNS": "200"})
    assert is_right(terminal, plan) is answer
    rows = [line.split() for line in err.getvalue().splitlines()]
    table = [["NODE", "ADDRESS", "HOST", "KEY", "MACHINE-ID"], ["w1", CLAIM.value, *NAMED.host_key.split(), "5f0c"]]  # fmt: skip
    assert rows[:2] == (table if asks else [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", {}),
        ("# all\n\nw1 10.0.0.1 # rack 7\nw2\tfd00::2\nw1 fd00::1\n", {"w1": ("10.0.0.9", "10.0.0.1", "fd00::1"), "w2": ("fd00::2",)}),
        ("w1", None),
        ("w1 10.0.0.1 10.0.0.2", None),
        ("w1 node-1.example.com", None),
        ("w1=10.0.0.1", None),
        ("w1 10.0.0.0/24", None),
    ],
)  # fmt: skip
def test_a_line_of_a_file_is_a_node_and_an_address_that_the_operator_gives_to_it(
    tmp_path: Path, text: str, said: dict[str, tuple[str, ...]] | None
) -> None:
    path = tmp_path / "nodes.txt"
    path.write_text(f"\n{text}")
    vouched = Vouched(("w1=10.0.0.9",), str(path))
    assert [*vouched.flags()] == ["--allow", "w1=10.0.0.9", "--addresses", str(path)]
    if said is None:
        with pytest.raises(UsageError, match=r"nodes\.txt, line 2: .*a line NODE ADDRESS"):
            vouched.said()
    else:
        assert vouched.said() == {"w1": ("10.0.0.9",), **said}
