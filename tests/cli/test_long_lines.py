"""Lines of the terminal that are longer than it is wide."""

import io

import pytest

from kubevouch.cli.common.terminal import Terminal


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
