"""Tables that are wider than the terminal: what is there to be copied stays whole as long as it can."""

import pytest

from kubevouch.cli.common.layout import table_lines

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
