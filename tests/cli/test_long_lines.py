"""Lines of the terminal that are longer than it is wide."""

import io

import pytest

from kubevouch.cli.common.terminal import Terminal
from tests.cli.screen import Window


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


PROMISE = (
    "This will change 4 nodes, approve one CSR of each of 4 nodes and change ConfigMap kubelet-config, on "
    "https://192.168.88.111:6443 (context admin); undo with `kubevouch undo 13ab57ca --kubeconfig a.yaml`."
)


@pytest.mark.parametrize(
    ("err", "columns", "widest"),
    [
        (Window(), "80", 80),
        (Window(), "60", 60),
        (io.StringIO(), "", 250),
        (io.StringIO(), "60", 250),
    ],
)
def test_a_note_is_folded_but_not_its_command(err: io.StringIO, columns: str, widest: int) -> None:
    shown = Terminal(io.StringIO(), io.StringIO(), err, {"COLUMNS": columns})
    shown.note(PROMISE)
    lines = err.getvalue().splitlines()
    assert max(map(len, lines)) <= widest
    assert (len(lines) > 1) == (widest < 250)
    assert " ".join(line.strip() for line in lines) == PROMISE
    assert all(line.startswith("  ") for line in lines[1:])
    assert "`kubevouch undo 13ab57ca --kubeconfig a.yaml`" in err.getvalue()
