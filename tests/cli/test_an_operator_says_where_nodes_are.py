"""Which node has which address: by a yes at a terminal, or by --addresses FILE. Nothing else says it."""

import io
import sys
from pathlib import Path

import msgspec
import pytest

from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.rollout.plan import VouchedValues, is_right
from kubevouch.errors import UsageError
from kubevouch.rollout.decide.plan import ChangeKind, Plan
from tests.cli.screen import Window
from tests.rollout.recorded import plan_of, planned, recorded

NAMED = planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP)
[CLAIM] = NAMED.addresses
BY_ADDRESS = msgspec.structs.replace(NAMED, node="w1", host=CLAIM.value, machine_id="5f0c" * 8)
PLAN = plan_of(NAMED, BY_ADDRESS)


@pytest.mark.parametrize(
    ("plan", "typed", "asks", "answer"),
    [
        *((PLAN, typed, True, typed == "y\n") for typed in ("y\n", "n\n", "\n")),
        (PLAN, None, False, False),
        (plan_of(NAMED), "y\n", False, False),
    ],
)
def test_a_table_is_right_if_somebody_at_a_terminal_says_so(
    monkeypatch: pytest.MonkeyPatch, plan: Plan, typed: str | None, asks: bool, answer: bool
) -> None:
    stdin, err = (io.StringIO() if typed is None else Window(typed)), Window()
    monkeypatch.setattr(sys, "stdin", stdin)
    assert is_right(Terminal(stdin, None, err, {"COLUMNS": "60"}), plan) is answer
    row = ["w1", CLAIM.value, *NAMED.host_key.split(), "5f0c" * 8]
    rows = [line.split() for line in err.getvalue().splitlines()]
    assert rows[1:2] == ([row] if asks else [])


@pytest.mark.parametrize("bad", ["w1", "w1 10.0.0.1 x", "w1 n.example.com", "w1 10.0.0.0/24"])
def test_a_line_of_a_file_is_a_node_and_an_address_given_to_it(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "nodes.txt"
    path.write_text("# all\n\nw1 10.0.0.1 # rack 7\nw2\tfd00::2\nw1 fd00::1\n")
    vouched = VouchedValues(("w1=10.0.0.9",), str(path))
    assert vouched.by_node() == {"w1": ("10.0.0.9", "10.0.0.1", "fd00::1"), "w2": ("fd00::2",)}
    assert [*vouched.flags()] == ["--allow", "w1=10.0.0.9", "--addresses", str(path)]
    path.write_text(f"\n{bad}\n")
    with pytest.raises(UsageError, match=r"nodes\.txt, line 2: expected NODE ADDRESS, got"):
        vouched.by_node()
