"""What runs have left on a node, as its own script tells it."""

import hashlib
import os
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubevouch.errors import ExitCode
from kubevouch.evidence.run_holder import ArmedNode
from kubevouch.evidence.survey import SurveyedRun
from kubevouch.rollout.decide.next_for_status import exit_code_of
from kubevouch.rollout.decide.run_status import (
    NodeState,
    RunFound,
    RunOnNode,
    RunsFound,
    status_script,
    statuses_of,
    while_it_is_undone,
    with_the_lease,
)
from tests.rollout.conftest import Machine
from tests.support.local_shell import Local

CLOCK = 1_790_000_000


def run(name: str, state: str, **other: object) -> RunFound:
    fields: dict[str, object] = {
        "fires": 0, "timer": b"active", "boot": True, "config": b"/c.yaml", "whose": b"", "strays": (),
    }  # fmt: skip
    return RunFound(name.encode(), state.encode(), **(fields | other))  # type: ignore[arg-type]


def found(
    *runs: RunFound,
    active: bytes = b"active",
    unsafe: bytes = b"",
    root: bytes = b"/var/lib/kubelet",
) -> RunsFound:
    return RunsFound(b"id", CLOCK, root, unsafe, active, runs)


# What its records mean.

ARMED, DONE, UNDONE = NodeState.ARMED, NodeState.DONE, NodeState.UNDONE
EDIT = "/c.yaml was edited by somebody else"
LOOK = "the dead-man's switch retries every 15 s; see `systemctl status 'kubevouch-undo-*'` on the node"
RESTARTED = "changed and restarted, not verified yet"
READ: dict[str, tuple[Any, ...]] = {
    "armed": (run("aaaa", "armed", fires=CLOCK + 143), ARMED, "in 143 s", "the files are being changed"),
    "written": (run("aaaa", "written", fires=CLOCK + 143), ARMED, "in 143 s", "the files are changed, but the kubelet is not restarted yet"),
    "restarted": (run("aaaa", "restarted", fires=CLOCK + 143), ARMED, "in 143 s", RESTARTED),
    "verified": (run("aaaa", "verified", fires=CLOCK + 143), ARMED, "in 143 s", "verified; the commit is not finished"),
    "its switch is at work": (run("aaaa", "restarted", fires=CLOCK - 20), ARMED, "at work for 20 s", RESTARTED),
    "its switch is gone": (run("aaaa", "restarted", fires=CLOCK + 20, timer=b"inactive"), ARMED, "no timer", RESTARTED),
    "its switch is overdue": (run("aaaa", "verified", fires=CLOCK - 61), NodeState.FAILED, "at work for 61 s",
                              "verified; the commit is not finished", LOOK),
    "prepared": (run("aaaa", "prepared"), NodeState.UNTOUCHED, "", "nothing was changed"),
    "committed": (run("aaaa", "committed", whose=b"run"), DONE, ""),
    "committed, and edited": (run("aaaa", "committed", whose=b"other", strays=(b"config.yaml",)), DONE, "", EDIT,
                              "set aside in /var/lib/kubelet/.kubevouch/aaaa/strays: config.yaml"),
    "undone": (run("aaaa", "undone", whose=b"before"), UNDONE, ""),
    "barred": (run("aaaa", "barred"), UNDONE, "", "undone before the run began here"),
    "of another version": (run("aaaa", "half"), NodeState.UNKNOWN, "", "a state unknown to this version"),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_a_record_means(name: str) -> None:
    record, state, switch, *notes = READ[name]
    [status] = statuses_of("n", found(record), "")
    assert (status.state, status.switch, list(status.notes)) == (state, switch, notes)
    [down] = statuses_of("n", found(record, active=b"failed"), "")
    assert list(down.notes) == [*notes, "the kubelet is failed"]
    codes = {UNDONE: 0, DONE: 0, NodeState.UNTOUCHED: 0, NodeState.UNKNOWN: 3}
    assert exit_code_of([status]) == codes.get(state, 1)


BESIDE = run("bbbb", "written", fires=CLOCK + 40)
OLD, NEWER, BARRED = run("aaaa", "committed"), run("cccc", "undone"), run("dddd", "barred")


@pytest.mark.parametrize(
    ("runs", "asked", "others", "rows"),
    [
        ([], "", False, [("", "untouched")]),
        ([NEWER, OLD], "", False, [("cccc", "undone")]),
        ([NEWER, OLD], "aaaa", False, [("aaaa", "done")]),
        ([NEWER, OLD], "eeee", False, [("eeee", "untouched")]),
        ([NEWER, BESIDE, OLD], "", False, [("bbbb", "armed")]),
        # Nothing may begin there until those that are armed have ended, whichever run was asked for.
        ([NEWER, BESIDE, OLD], "aaaa", True, [("aaaa", "done"), ("bbbb", "armed")]),
        ([NEWER, BESIDE, OLD], "bbbb", True, [("bbbb", "armed")]),
        ([NEWER, BESIDE, OLD], "eeee", True, [("eeee", "untouched"), ("bbbb", "armed")]),
        # What never began does not hide what did.
        ([BARRED, OLD], "", False, [("aaaa", "done")]),
        ([BARRED, run("ffff", "barred")], "", False, [("dddd", "undone")]),
    ],
)
def test_which_runs_have_a_row(
    runs: list[RunFound], asked: str, others: bool, rows: list[tuple[str, str]]
) -> None:
    told = statuses_of("n", found(*runs), asked, others=others)
    assert [(each.run, each.state) for each in told] == rows


def test_what_a_later_run_has_made_of_the_file_is_nobodys_edit() -> None:
    older = run("aaaa", "committed", whose=b"other")
    [status] = statuses_of("n", found(NEWER, older), "aaaa")
    assert status.notes == ()


def test_what_an_undo_is_about_to_put_back_is_not_told_as_a_change_that_was_never_proven() -> None:
    """An undo makes a node armed again, so that the node ends it if we do not."""
    seen = found(run("aaaa", "restarted", fires=CLOCK - 5, whose=b"other"))
    rows = (*statuses_of("n", seen, ""), RunOnNode("m", "aaaa", DONE))
    for alive, how in (
        (True, "in progress restores the node"),
        (False, "interrupted; the node"),
    ):
        armed, other = while_it_is_undone(rows, "aaaa", alive=alive)
        assert (how in armed.notes[0], armed.notes[1:], other) == (True, (EDIT,), rows[1])
    for other_run in ("", "bbbb"):
        assert while_it_is_undone(rows, other_run, alive=True) == rows


def test_records_that_others_could_have_written_tell_nothing() -> None:
    [status] = statuses_of("n", found(OLD, unsafe=b"/x belongs to 7"), "aaaa")
    assert status.state is NodeState.UNKNOWN


ENDLESS = b"x" * 3_000_000


@pytest.mark.parametrize(
    "said",
    [
        found(unsafe=ENDLESS),
        found(active=ENDLESS),
        found(run("abcd", "undone", strays=(b"a",)), root=ENDLESS),
        found(run("abcd", ENDLESS.decode())),
        found(run("abcd", "undone", config=ENDLESS, whose=b"other")),
        found(run("abcd", "undone", strays=(ENDLESS, ENDLESS))),
    ],
)
def test_a_row_of_status_has_the_beginning_of_it(said: RunsFound) -> None:
    (row,) = statuses_of("node-1", said, "")
    assert len(row.state) < 300
    assert 0 < len("; ".join(row.notes)) < 3000


SILENT = RunOnNode("n", "", NodeState.UNKNOWN, notes=("no answer",), host="n")
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DUE = NOW + timedelta(seconds=90)


def test_a_silent_node_may_be_armed_where_the_lease_says_so() -> None:
    answered = RunOnNode("m", "", NodeState.UNTOUCHED)
    entries = [ArmedNode("aaaa", each, DUE) for each in ("n", "m")]
    silent, other = with_the_lease([SILENT, answered], entries, NOW)
    assert (silent.run, silent.state, silent.fires_in) == ("aaaa", NodeState.ARMED, 90)
    assert silent.notes == (
        "the Lease lists the node as armed until 12:01:30 UTC",
        "no answer",
    )
    assert other == answered, "the node's own folder decides"
    assert with_the_lease([SILENT], (), NOW) == (SILENT,)
    assert exit_code_of([silent]) is ExitCode.FINDINGS


# The script itself.


async def status_of(machine: Machine) -> RunsFound:
    units = str(machine.folder / "units")
    script = status_script(str(machine.root), str(machine.folder / "proc"), units)
    transport = Local(environment=machine.environment)
    return (await transport.run_script("node-1", script, timeout=60)).answer


def leaves(machine: Machine, name: str, marker: str, **files: str) -> Path:
    """A run of that name has left its folder."""
    made = machine.root / ".kubevouch" / name
    (made / "strays").mkdir(parents=True)
    if marker:
        (made / marker).touch()
    for file, text in files.items():
        (made / file.replace("_", ".")).write_text(text)
    return made


async def test_a_node_without_any_run(machine: Machine) -> None:
    answer = await status_of(machine)
    assert (answer.runs, answer.unsafe) == ((), b"")
    assert answer.root == str(machine.root).encode()
    assert answer.active == b"active"


async def test_every_state_its_switch_its_net_its_strays_and_its_file(
    machine: Machine,
) -> None:
    for index, marker in enumerate(
        ("", "prepared", "armed", "written", "restarted", "verified", "committed")
    ):
        made = leaves(machine, f"a00{index}", marker, undo_sh="", fires=str(CLOCK))
        os.utime(made, (1000 + index, 1000 + index))
    leaves(machine, "b000", "undone")
    digest = hashlib.sha256(machine.config.read_bytes()).hexdigest()
    last = leaves(
        machine,
        "b001",
        "undone",
        undo_sh=f"run=b001\nconfig={machine.config}\n",
        after_sha256="0" * 64,
        before_sha256=digest,
    )
    (last / "strays" / "config.yaml").touch()
    units = machine.folder / "units"
    (units / "multi-user.target.wants").mkdir(parents=True)
    for name in ("a002", "a003"):
        unit = f"kubevouch-undo-at-boot-{name}.service"
        (units / unit).write_text("[Unit]\n" if name == "a002" else "")
        (units / "multi-user.target.wants" / unit).symlink_to(f"../{unit}")
    answer = await status_of(machine)
    by_name = {each.run.decode(): each for each in answer.runs}
    assert {name: each.state.decode() for name, each in by_name.items()} == {
        "a000": "unfinished", "a001": "prepared", "a002": "armed", "a003": "written", "a004": "restarted",
        "a005": "verified", "a006": "committed", "b000": "barred", "b001": "undone",
    }  # fmt: skip
    assert by_name["a002"].fires == CLOCK
    assert [name for name, each in by_name.items() if each.boot] == ["a002"], (
        "an empty unit is none"
    )
    assert by_name["b001"].strays == (b"config.yaml",)
    assert (by_name["b001"].config, by_name["b001"].whose) == (
        str(machine.config).encode(),
        b"before",
    )
    machine.config.write_text("edited: true\n")
    assert {each.run: each for each in (await status_of(machine)).runs}[b"b001"].whose == b"other"
    assert [each.run for each in answer.runs[2:]] == [b"a00%d" % i for i in range(6, -1, -1)]


async def test_a_folder_that_others_may_write_is_not_read(machine: Machine) -> None:
    leaves(machine, "a000", "committed")
    machine.root.chmod(0o777)
    answer = await status_of(machine)
    assert answer.runs == ()
    assert b"is writable by users other than root" in answer.unsafe


async def test_it_changes_nothing(machine: Machine) -> None:
    leaves(machine, "a000", "restarted", undo_sh="", fires="1")

    def files() -> list[tuple[Path, int]]:
        return sorted((each, each.stat().st_mtime_ns) for each in machine.root.rglob("*"))

    before = files()
    await status_of(machine)
    assert files() == before


STRANGE = ["a;touch PWNED #", "$(id)", "A00F", "abc", "b" * 33, "old"]


async def test_a_folder_whose_name_no_run_bears_is_no_run(machine: Machine) -> None:
    for each in STRANGE:
        leaves(machine, each, "armed", undo_sh="", fires=str(CLOCK))
    leaves(machine, "a000", "committed")
    assert [each.run for each in (await status_of(machine)).runs] == [b"a000"]


@pytest.mark.parametrize("name", STRANGE)
def test_a_node_that_says_a_run_were_called_so_is_not_believed(name: str) -> None:
    """A run's name comes into commands that an operator copies, and whoever is root there answers as he likes."""
    said = {"run": b64encode(name.encode()).decode(), "state": "YXJtZWQ=", "fires": 0}
    with pytest.raises(msgspec.ValidationError, match="is not a valid run name"):
        msgspec.convert(said, SurveyedRun)
    more = {"timer": "", "boot": False, "config": "", "whose": "", "strays": []}
    with pytest.raises(msgspec.ValidationError, match="is not a valid run name"):
        msgspec.convert({**said, **more}, RunFound)
