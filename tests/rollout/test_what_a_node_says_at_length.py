"""A node whose root means ill may say megabytes in an answer: a person is told the beginning."""

import pytest

from kubevouch.node.script import node_text
from kubevouch.rollout.decide.machine import not_its_machine_id
from kubevouch.rollout.decide.run_status import RunFound, RunsFound, statuses_of
from kubevouch.rollout.decide.transaction import TransactionAnswer, TransactionState

ENDLESS = b"x" * 3_000_000


def found(**fields: object) -> RunsFound:
    said = {"machine_id": b"m", "clock": 10, "root": b"/r", "unsafe": b"", "active": b"active"}
    return RunsFound(**{"runs": (), **said, **fields})  # type: ignore[arg-type]


def a_run(**fields: object) -> RunFound:
    said = {"run": b"abcd", "state": b"undone", "fires": 0, "timer": b"", "boot": False}
    more = {"config": b"/c", "whose": b"before", "strays": ()}
    return RunFound(**{**said, **more, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "said",
    [
        found(unsafe=ENDLESS),
        found(active=ENDLESS),
        found(root=ENDLESS, runs=(a_run(strays=(b"a",)),)),
        found(runs=(a_run(state=ENDLESS),)),
        found(runs=(a_run(config=ENDLESS, whose=b"other"),)),
        found(runs=(a_run(strays=(ENDLESS, ENDLESS)),)),
    ],
)
def test_a_row_of_status_has_the_beginning_of_it(said: RunsFound) -> None:
    (row,) = statuses_of("node-1", said, "")
    assert len(row.state) < 300
    assert 0 < len("; ".join(row.notes)) < 3000


def test_so_have_a_steps_answer_and_another_machines_id() -> None:
    answer = TransactionAnswer(TransactionState.REFUSED, ENDLESS, 1)
    assert len(answer.reason) == 2003
    assert len(not_its_machine_id(ENDLESS, "abcd")) < 3000


def test_what_is_shorter_stands_whole() -> None:
    assert node_text("größer\n".encode()) == "größer"
    assert node_text("ö".encode() * 2000) == "ö" * 2000
    assert node_text(b"abcde", 4) == "abcd..."
