"""Lines of the terminal that are longer than it is wide."""

import io

import pytest

from kubevouch.cli.common.layout import table_lines
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
    "This will change 4 nodes, approve CSRs of 4 nodes and change ConfigMap kubelet-config, on "
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


# Tables that are wider than the terminal: what is there to be copied stays whole as long as it can.


WORKER = "k8s-worker-1.internal.example.com"
RUN = [
    ("NODE", "RESULT", "TIME", "WHY"),
    (WORKER, "done", "", "it needs nothing"),
    (
        WORKER,
        "stopped",
        "1 s",
        "already begun in this run, by another `apply` of this plan; it is left to that one",
    ),
]
CSRS = [
    ("NAME", "AGE", "NODE", "ASKS FOR", "CONDITION", "POLICY"),
    (
        "csr-dlqqh",
        "25s",
        WORKER,
        "its name, 127.192.188.114",
        "Approved,Issued (our approver)",
        "would hold: allowed-addresses",
    ),
]


def test_a_sentence_is_folded_before_a_name_is() -> None:
    lines = table_lines(RUN, 80)
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if line.startswith("k8s")] == [WORKER, WORKER]


@pytest.mark.parametrize("width", [70, 80])
def test_a_name_is_folded_between_its_labels_and_an_address_never(width: int) -> None:
    lines = table_lines(CSRS, width)
    assert max(map(len, lines)) <= width
    words = " ".join(lines).split()
    assert {"127.192.188.114", "internal.", "Approved,", "Issued", "addresses"} <= set(words)


def test_what_has_no_joint_is_folded_all_the_same() -> None:
    lines = table_lines([("KEY", "VALUE"), ("a" * 40, "b" * 40)], 60)
    assert max(map(len, lines)) <= 60
    joined = "".join("".join(lines[1:]).split())
    assert (joined.count("a"), joined.count("b")) == (40, 40)
