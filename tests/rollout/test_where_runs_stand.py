"""What runs have left on a node, as its own script tells it."""

import hashlib
import os
import time
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

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


def found(*runs: RunFound, active: bytes = b"active", unsafe: bytes = b"") -> RunsFound:
    return RunsFound(b"id", CLOCK, b"/var/lib/kubelet", unsafe, active, runs)


@pytest.mark.parametrize("state", ["armed", "written", "restarted", "verified"])
def test_what_has_begun_and_not_ended_is_armed_with_the_time_that_is_left(state: str) -> None:
    [status] = statuses_of("n", found(run("aaaa", state, fires=CLOCK + 143)), "")
    assert (status.state, status.switch, status.boot_net) == (NodeState.ARMED, "in 143 s", "set")
    assert status.fires_in == 143
    assert exit_code_of([status]) is ExitCode.FINDINGS


def test_a_switch_that_is_overdue_or_gone_is_told() -> None:
    late = run("aaaa", "restarted", fires=CLOCK - 20)
    gone = run("bbbb", "restarted", fires=CLOCK + 20, timer=b"inactive", boot=False)
    one, other = statuses_of("n", found(late, gone, run("cccc", "committed")), "")
    assert one.switch == "at work for 20 s"
    assert "its switch puts it back now, and tries again every 15 s until that is done" in one.notes
    proven = run("aaaa", "verified", fires=CLOCK - 61)
    [status] = statuses_of("n", found(proven), "")
    assert status.notes[1].startswith("its switch finishes the commit now, and tries again")
    assert status.notes[1].endswith("; see `systemctl status 'kubevouch-undo-*'` there"), "too long"
    assert (other.switch, other.boot_net) == ("no timer", "missing")


def test_what_an_undo_is_about_to_put_back_is_not_told_as_a_change_that_was_never_proven() -> None:
    """An undo makes a node armed again, so that the node ends it if we do not."""
    seen = found(run("aaaa", "restarted", fires=CLOCK - 5, whose=b"other"))
    rows = (*statuses_of("n", seen, ""), RunOnNode("m", "aaaa", NodeState.DONE))
    edit = "/c.yaml was edited by somebody else"
    told = {
        under_way: while_it_is_undone(rows, "aaaa", under_way=under_way)
        for under_way in (True, False)
    }
    assert told[True][0].notes == ("the undo that is under way puts it back", edit)
    assert told[False][0].notes == (
        "its undo was cut off: the node goes on with it by itself, and tries again every 15 s until that is done",
        edit,
    )
    waits = statuses_of("n", found(run("aaaa", "restarted", fires=CLOCK + 117)), "")
    [waiting] = while_it_is_undone(waits, "aaaa", under_way=False)
    assert waiting.switch == "in 117 s"
    assert waiting.notes[0] == (
        "its undo was cut off: once its switch is due, the node goes on with it by itself, and from then on tries again every "
        "15 s until that is done"
    )
    assert told[True][1] == rows[1]
    for other in ("", "bbbb"):
        assert while_it_is_undone(rows, other, under_way=True) == rows


def test_without_a_name_the_newest_run_is_told_where_none_is_armed() -> None:
    seen = found(run("bbbb", "undone"), run("aaaa", "committed"))
    assert [(each.run, each.state) for each in statuses_of("n", seen, "")] == [
        ("bbbb", NodeState.UNDONE)
    ]
    assert [each.state for each in statuses_of("n", seen, "aaaa")] == [NodeState.DONE]
    assert [each.state for each in statuses_of("n", seen, "cccc")] == [NodeState.UNTOUCHED]
    assert [each.state for each in statuses_of("n", found(), "")] == [NodeState.UNTOUCHED]
    assert exit_code_of(statuses_of("n", seen, "")) is ExitCode.OK


def test_of_a_run_that_is_asked_for_the_others_that_are_armed_there_are_told_too() -> None:
    """Nothing may begin there until these have ended, whichever run was asked for."""
    seen = found(
        run("cccc", "undone"), run("bbbb", "written", fires=CLOCK + 40), run("aaaa", "committed")
    )
    rows = statuses_of("n", seen, "aaaa", others=True)
    assert [(each.run, each.state, each.switch) for each in rows] == [
        ("aaaa", NodeState.DONE, ""),
        ("bbbb", NodeState.ARMED, "in 40 s"),
    ]
    assert exit_code_of(rows) is ExitCode.FINDINGS
    assert [each.run for each in statuses_of("n", seen, "bbbb", others=True)] == ["bbbb"]
    assert [each.run for each in statuses_of("n", seen, "eeee", others=True)] == ["eeee", "bbbb"]
    assert [each.run for each in statuses_of("n", seen, "eeee")] == ["eeee"]


def test_a_run_that_never_began_does_not_hide_the_one_that_is_done() -> None:
    seen = found(run("bbbb", "barred"), run("aaaa", "committed", whose=b"other"))
    [status] = statuses_of("n", seen, "")
    assert (status.run, status.state) == ("aaaa", NodeState.DONE)
    assert status.notes == ("/c.yaml was edited by somebody else",)
    [status] = statuses_of("n", found(run("bbbb", "barred"), run("cccc", "barred")), "")
    assert (status.run, status.state) == ("bbbb", NodeState.UNDONE)


def test_edits_of_others_and_a_kubelet_that_is_down_are_told() -> None:
    edited = run("bbbb", "committed", whose=b"other", strays=(b"config.yaml",))
    older = run("aaaa", "committed", whose=b"other")
    [status] = statuses_of("n", found(edited, older, active=b"failed"), "")
    assert status.notes == (
        "/c.yaml was edited by somebody else",
        "set aside in /var/lib/kubelet/.kubevouch/bbbb/strays: config.yaml",
        "its kubelet is failed",
    )
    [status] = statuses_of("n", found(edited, older), "aaaa")
    assert status.notes == (), "a later run has written it since"


def test_a_file_that_was_written_again_unchanged_is_told_where_the_run_has_left_it() -> None:
    for state in ("restarted", "committed"):
        seen = found(run("aaaa", state, whose=b"run", rewritten=True))
        [status] = statuses_of("n", seen, "")
        assert "/c.yaml was written again since, with the same content" in status.notes
    [undone] = statuses_of("n", found(run("aaaa", "undone", whose=b"before", rewritten=True)), "")
    assert undone.notes == ()


def test_records_that_others_could_have_written_tell_nothing() -> None:
    [status] = statuses_of("n", found(run("aaaa", "committed"), unsafe=b"/x belongs to 7"), "aaaa")
    assert status.state is NodeState.UNKNOWN
    assert exit_code_of([status]) is ExitCode.COULD_NOT_TELL


SILENT = RunOnNode("n", "", NodeState.UNKNOWN, notes=("no answer",), host="n")
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DUE = NOW + timedelta(seconds=90)


def test_a_silent_node_may_be_armed_where_the_lease_says_so() -> None:
    answered = RunOnNode("m", "", NodeState.UNTOUCHED)
    entries = [ArmedNode("aaaa", each, DUE) for each in ("n", "m")]
    silent, other = with_the_lease([SILENT, answered], entries, NOW)
    assert (silent.run, silent.state, silent.fires_in) == ("aaaa", NodeState.ARMED, 90)
    assert silent.notes == (
        "may be armed until 12:01:30 UTC, by the cluster's Lease",
        "no answer",
    )
    assert other == answered, "the node's own folder decides"
    assert with_the_lease([SILENT], (), NOW) == (SILENT,)
    assert exit_code_of([silent]) is ExitCode.FINDINGS


# The script itself.


@dataclass
class Asked:
    """A machine with a kubelet's folder, and a service manager that says what the test wants."""

    machine: Machine

    async def status(self) -> RunsFound:
        units = str(self.machine.folder / "units")
        script = status_script(str(self.machine.root), str(self.machine.folder / "proc"), units)
        transport = Local(environment=self.machine.environment)
        return (await transport.run_script("node-1", script, timeout=60)).answer

    def folder(self, name: str, marker: str, **files: str) -> Path:
        made = self.machine.root / ".kubevouch" / name
        (made / "strays").mkdir(parents=True)
        if marker:
            (made / marker).touch()
        for file, text in files.items():
            (made / file.replace("_", ".")).write_text(text)
        return made


@pytest.fixture
def asked(machine: Machine) -> Asked:
    return Asked(machine)


async def test_a_node_without_any_run(asked: Asked) -> None:
    answer = await asked.status()
    assert (answer.runs, answer.unsafe) == ((), b"")
    assert answer.root == str(asked.machine.root).encode()
    assert answer.active == b"active"


async def test_every_state_its_switch_its_net_its_strays_and_whose_the_file_is(
    asked: Asked,
) -> None:
    machine = asked.machine
    for index, marker in enumerate(
        ("", "prepared", "armed", "written", "restarted", "verified", "committed")
    ):
        made = asked.folder(f"a00{index}", marker, undo_sh="", fires=str(CLOCK))
        os.utime(made, (1000 + index, 1000 + index))
    asked.folder("b000", "undone")
    digest = hashlib.sha256(machine.config.read_bytes()).hexdigest()
    last = asked.folder(
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
    answer = await asked.status()
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
    assert {each.run: each for each in (await asked.status()).runs}[b"b001"].whose == b"other"
    assert [each.run for each in answer.runs[2:]] == [
        b"a006",
        b"a005",
        b"a004",
        b"a003",
        b"a002",
        b"a001",
        b"a000",
    ]


async def test_a_folder_that_others_may_write_is_not_read(asked: Asked) -> None:
    asked.folder("a000", "committed")
    asked.machine.root.chmod(0o777)
    answer = await asked.status()
    assert answer.runs == ()
    assert b"may be written by others than root" in answer.unsafe


async def test_that_a_file_was_written_again_is_seen(asked: Asked) -> None:
    config, now = asked.machine.config, int(time.time())
    folder = asked.folder("a000", "restarted", undo_sh=f"config={config}\n", fires=str(CLOCK))
    for moment, rewritten in ((now - 100, False), (now + 100, True)):
        os.utime(config, (moment, moment))
        [run] = (await asked.status()).runs
        assert run.rewritten is rewritten
    (folder / "undo.sh").unlink()
    assert not (await asked.status()).runs[0].rewritten, "a run that has written none"


async def test_it_changes_nothing(asked: Asked) -> None:
    asked.folder("a000", "restarted", undo_sh="", fires="1")
    before = sorted((str(each), each.stat().st_mtime_ns) for each in asked.machine.root.rglob("*"))
    await asked.status()
    assert (
        sorted((str(each), each.stat().st_mtime_ns) for each in asked.machine.root.rglob("*"))
        == before
    )


STRANGE = ["a;touch PWNED #", "$(id)", "A00F", "abc", "b" * 33, "old"]


async def test_a_folder_whose_name_no_run_bears_is_no_run(asked: Asked) -> None:
    for each in STRANGE:
        asked.folder(each, "armed", undo_sh="", fires=str(CLOCK))
    asked.folder("a000", "committed")
    assert [each.run for each in (await asked.status()).runs] == [b"a000"]


@pytest.mark.parametrize("name", STRANGE)
def test_a_node_that_says_a_run_were_called_so_is_not_believed(name: str) -> None:
    """A run's name comes into commands that an operator copies, and whoever is root there answers as he likes."""
    said = {"run": b64encode(name.encode()).decode(), "state": "YXJtZWQ=", "fires": 0}
    with pytest.raises(msgspec.ValidationError, match="is not the name of a run"):
        msgspec.convert(said, SurveyedRun)
    more = {"timer": "", "boot": False, "config": "", "whose": "", "strays": []}
    with pytest.raises(msgspec.ValidationError, match="is not the name of a run"):
        msgspec.convert({**said, **more}, RunFound)
