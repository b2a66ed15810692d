"""`status`: what runs have left on a node, as its own script tells it, and what comes next."""

import hashlib
import os
import time
from base64 import b64encode
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from kubevouch.errors import ExitCode
from kubevouch.evidence.run_holder import RunHolder
from kubevouch.evidence.survey import SurveyedRun
from kubevouch.kube.errors import ApiUnreachable, Forbidden, Unauthorized, UnreachableKind
from kubevouch.node.io.local import Local
from kubevouch.rollout.decide.next_for_status import exit_code_of, next_for_status, who_writes
from kubevouch.rollout.decide.next_step import shows_an_answer
from kubevouch.rollout.decide.plan import ChangeKind
from kubevouch.rollout.decide.run_status import (
    RunFound,
    RunOnNode,
    RunsFound,
    Standing,
    status_script,
    statuses_of,
    while_it_is_undone,
)
from kubevouch.rollout.decide.stopped_run import StoppedRun, stopped_run
from tests.rollout.conftest import Machine
from tests.rollout.recorded import plan_of, planned, recorded

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
    assert (status.standing, status.switch, status.boot_net) == (Standing.ARMED, "in 143 s", "set")
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
    rows = (*statuses_of("n", seen, ""), RunOnNode("m", "aaaa", Standing.DONE))
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
    assert [(each.run, each.standing) for each in statuses_of("n", seen, "")] == [
        ("bbbb", Standing.UNDONE)
    ]
    assert [each.standing for each in statuses_of("n", seen, "aaaa")] == [Standing.DONE]
    assert [each.standing for each in statuses_of("n", seen, "cccc")] == [Standing.NONE]
    assert [each.standing for each in statuses_of("n", found(), "")] == [Standing.NONE]
    assert exit_code_of(statuses_of("n", seen, "")) is ExitCode.OK


def test_of_a_run_that_is_asked_for_the_others_that_are_armed_there_are_told_too() -> None:
    """Nothing may begin there until these have ended, whichever run was asked for."""
    seen = found(
        run("cccc", "undone"), run("bbbb", "written", fires=CLOCK + 40), run("aaaa", "committed")
    )
    rows = statuses_of("n", seen, "aaaa", others=True)
    assert [(each.run, each.standing, each.switch) for each in rows] == [
        ("aaaa", Standing.DONE, ""),
        ("bbbb", Standing.ARMED, "in 40 s"),
    ]
    assert exit_code_of(rows) is ExitCode.FINDINGS
    assert [each.run for each in statuses_of("n", seen, "bbbb", others=True)] == ["bbbb"]
    assert [each.run for each in statuses_of("n", seen, "eeee", others=True)] == ["eeee", "bbbb"]
    assert [each.run for each in statuses_of("n", seen, "eeee")] == ["eeee"]


def test_what_comes_next_is_of_the_run_that_is_armed_whichever_was_asked_for() -> None:
    undone = RunOnNode("n", "bbbb", Standing.UNDONE, later_run="aaaa")
    armed = RunOnNode("n", "aaaa", Standing.ARMED, fires_in=100)
    kept = frozenset({"aaaa", "bbbb"})
    command, note = next_for_status([undone, armed], "bbbb", None, kept)
    assert (command, note) == (RESUME, "to put its nodes back instead: `kubevouch undo aaaa`")
    command, _ = next_for_status([undone, armed], "bbbb", DEAD_UNDO, kept)
    assert command == "kubevouch undo aaaa", "its undo was cut off"
    own = RunOnNode("m", "bbbb", Standing.ARMED, fires_in=100)
    command, _ = next_for_status([armed, own], "bbbb", None, kept)
    assert command == "kubevouch resume bbbb", "that was asked for comes first"
    left = who_writes(DEAD_UNDO, [undone, armed], "")
    assert left.endswith("it has left 1 of these nodes armed")
    both = [armed, RunOnNode("m", "bbbb", Standing.UNDONE), RunOnNode("m", "aaaa", Standing.ARMED)]
    assert who_writes(DEAD, both, "").endswith("it has left 2 of these nodes armed")


def test_of_a_run_it_is_known_which_one_has_begun_there_since_and_which_were_put_back() -> None:
    seen = found(
        run("dddd", "barred"),
        run("cccc", "undone"),
        run("bbbb", "committed"),
        run("aaaa", "undone"),
    )
    later = {name: statuses_of("n", seen, name)[0].later_run for name in ("aaaa", "bbbb", "cccc")}
    assert later == {"aaaa": "cccc", "bbbb": "cccc", "cccc": ""}, "what was barred has never begun"
    [status] = statuses_of("n", found(run("eeee", "prepared"), run("aaaa", "undone")), "aaaa")
    assert status.later_run == "", "cut off before anything was changed"
    [status] = statuses_of("n", seen, "")
    assert (status.run, status.put_back) == ("cccc", ("dddd", "cccc", "aaaa"))


def test_a_run_that_never_began_does_not_hide_the_one_that_is_done() -> None:
    seen = found(run("bbbb", "barred"), run("aaaa", "committed", whose=b"other"))
    [status] = statuses_of("n", seen, "")
    assert (status.run, status.standing) == ("aaaa", Standing.DONE)
    assert status.notes == ("/c.yaml was edited by somebody else",)
    [status] = statuses_of("n", found(run("bbbb", "barred"), run("cccc", "barred")), "")
    assert (status.run, status.standing) == ("bbbb", Standing.BARRED)


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
    assert status.standing is Standing.UNKNOWN
    assert exit_code_of([status]) is ExitCode.COULD_NOT_TELL


ARMED = RunOnNode("n", "aaaa", Standing.ARMED)
DONE = RunOnNode("n", "aaaa", Standing.DONE)
NONE = RunOnNode("m", "aaaa", Standing.NONE)
UNDONE = RunOnNode("m", "aaaa", Standing.UNDONE)
OLDER = RunOnNode("n", "bbbb", Standing.UNDONE)
SILENT = RunOnNode("n", "", Standing.UNKNOWN)
ALICE = "aaaa on alice@laptop (1)"
ALIVE = RunHolder(ALICE, None, timedelta(seconds=1))
DEAD = RunHolder(ALICE, None, timedelta(seconds=60))
DEAD_UNDO = RunHolder("aaaa on alice@laptop (undo 1)", None, timedelta(seconds=60))


@pytest.mark.parametrize(
    ("statuses", "run", "holder", "kept", "command", "note"),
    [
        ([DONE], "", None, set(), "kubevouch verify --wait 2m", ""),
        ([DONE, NONE], "", None, set(), "kubevouch verify --wait 2m", ""),
        ([NONE, NONE], "", None, set(), "kubevouch doctor", ""),
        ([DONE, UNDONE], "", None, set(), "kubevouch doctor", ""),
        ([DONE, NONE], "aaaa", None, {"aaaa"}, "kubevouch resume aaaa", "it has not begun on every node"),
        ([DONE, UNDONE], "aaaa", None, {"aaaa"}, "kubevouch doctor", "that takes a new plan"),
        ([DONE, SILENT], "", None, set(), "kubevouch status", "once the nodes that did not answer"),
        ([ARMED, SILENT], "", None, {"aaaa"}, "kubevouch resume aaaa", "to put its nodes back instead: `kubevouch undo aaaa`"),
        ([ARMED], "aaaa", ALIVE, {"aaaa"}, "kubevouch status aaaa", "run aaaa is under way: wait until it has ended"),
        ([ARMED], "aaaa", DEAD, {"aaaa"}, "kubevouch resume aaaa", "to put its nodes back instead: `kubevouch undo aaaa`"),
        ([ARMED], "aaaa", DEAD, set(), "sleep 15 && kubevouch status aaaa", "Where it was begun, by alice@laptop"),
        ([DONE, NONE], "", DEAD, {"aaaa"}, "kubevouch resume aaaa", "to put back instead what it has changed: `kubevouch undo aaaa`"),
        ([DONE], "", DEAD, {"aaaa"}, "kubevouch resume aaaa", "no node is in its hand"),
        ([OLDER], "", DEAD, {"aaaa"}, "kubevouch resume aaaa", "no node is in its hand"),
        ([DONE], "aaaa", DEAD, {"aaaa"}, "kubevouch resume aaaa", "no node is in its hand"),
        ([DONE, UNDONE], "", DEAD, {"aaaa"}, "kubevouch doctor", "to put back what it has not: `kubevouch undo aaaa`"),
        ([DONE], "", DEAD, set(), "kubevouch doctor", "goes on where it was begun, by alice@laptop: `kubevouch resume aaaa`"),
        ([DONE, UNDONE], "", DEAD, set(), "kubevouch doctor", ""),
        ([OLDER], "bbbb", DEAD, {"bbbb"}, "kubevouch doctor", "that takes a new plan"),
        ([DONE, SILENT], "", DEAD, {"aaaa"}, "kubevouch status", "once the nodes that did not answer"),
        ([DONE, UNDONE], "", DEAD_UNDO, {"aaaa"}, "kubevouch undo aaaa", "what that has put back stays so"),
        ([DONE, UNDONE], "aaaa", DEAD_UNDO, {"aaaa"}, "kubevouch undo aaaa", "what that has put back stays so"),
        ([ARMED, UNDONE], "", DEAD_UNDO, {"aaaa"}, "kubevouch undo aaaa", "what that has put back stays so"),
        ([DONE, SILENT], "", DEAD_UNDO, {"aaaa"}, "kubevouch undo aaaa", "what that has put back stays so"),
        ([DONE, UNDONE], "", DEAD_UNDO, set(), "kubevouch status aaaa", "where it was begun, by alice@laptop: `kubevouch undo aaaa`"),
        ([OLDER], "bbbb", DEAD_UNDO, {"bbbb"}, "kubevouch doctor", "that takes a new plan"),
        ([DONE, UNDONE], "aaaa", None, {"aaaa"}, "kubevouch doctor", "to put back what it has not: `kubevouch undo aaaa`"),
    ],
)  # fmt: skip
def test_what_comes_next(
    statuses: list[RunOnNode],
    run: str,
    holder: RunHolder | None,
    kept: set[str],
    command: str,
    note: str,
) -> None:
    said = next_for_status(statuses, run, holder, frozenset(kept))
    assert said[0] == command
    assert note in said[1]


FILE = "plans/of bob.json"


@pytest.mark.parametrize(
    ("statuses", "holder", "command", "note"),
    [
        ([ARMED, DONE], None, f"kubevouch resume '{FILE}'", f"`kubevouch undo '{FILE}'`"),
        ([ARMED], ALIVE, f"kubevouch status '{FILE}'", "under way"),
        ([DONE, NONE], None, f"kubevouch resume '{FILE}'", "it has not begun on every node"),
        ([DONE], DEAD, f"kubevouch resume '{FILE}'", f"`kubevouch undo '{FILE}'`"),
        ([UNDONE, DONE], None, "kubevouch doctor", f"`kubevouch undo '{FILE}'`"),
        ([DONE], DEAD_UNDO, f"kubevouch undo '{FILE}'", "this goes on with the undo"),
        ([SILENT], None, f"kubevouch status '{FILE}'", "can be asked"),
        # Another run than that of the file is armed, whose plan is not here.
        ([RunOnNode("n", "eeee", Standing.ARMED, fires_in=143)], None, "sleep 158 && kubevouch status eeee", "is not kept on this machine"),
    ],
)  # fmt: skip
def test_where_the_plan_was_given_by_its_file_what_comes_next_has_that_file(
    statuses: list[RunOnNode], holder: RunHolder | None, command: str, note: str
) -> None:
    """On another machine than the one where the run was begun: its name alone says nothing there."""
    said = next_for_status(statuses, "aaaa", holder, frozenset(), file=FILE)
    assert said[0] == command
    assert note in said[1]
    assert "aaaa" not in said[0]
    if command.endswith(f"'{FILE}'"):
        assert "not kept" not in said[1]


LATE = RunHolder(ALICE, None, timedelta(seconds=9.4))
LATE_UNDO = RunHolder("aaaa on alice@laptop (undo 1)", None, timedelta(seconds=19))


@pytest.mark.parametrize(
    ("holder", "command", "note"),
    [
        (ALIVE, "kubevouch status aaaa", "run aaaa is under way: wait until it has ended; if it was killed, that shows in 19 s"),
        (LATE, "sleep 11 && kubevouch status aaaa", "run aaaa has not renewed its Lease for 9 s, as it does every 2 s: if it was killed, that shows in 11 s"),
        (LATE_UNDO, "sleep 1 && kubevouch status aaaa", "the undo of run aaaa has not renewed its Lease for 19 s"),
        (RunHolder("aaaa on alice@laptop (undo 1)", None, timedelta(seconds=2)), "kubevouch status aaaa", "the undo of run aaaa is under way"),
        # A Lease of the future, and one that says what no run is called.
        (RunHolder(ALICE, None, timedelta(seconds=-90)), "kubevouch status aaaa", "that shows in 20 s"),
        (RunHolder("a;b`c on alice@laptop (1)", None, timedelta(seconds=1)), "kubevouch status", "a run is under way"),
        (RunHolder("a;b`c on alice@laptop (undo 1)", None, timedelta(seconds=1)), "kubevouch status", "an undo is under way"),
    ],
)  # fmt: skip
def test_of_a_run_that_has_perhaps_just_been_killed_it_is_said_when_that_will_show(
    holder: RunHolder, command: str, note: str
) -> None:
    said = next_for_status([ARMED], "", holder, frozenset({"aaaa"}))
    assert said[0] == command
    assert said[1].startswith(note) or said[1].endswith(note), said


def armed_for(*seconds: int) -> list[RunOnNode]:
    return [
        RunOnNode(f"w{index}", "aaaa", Standing.ARMED, fires_in=each)
        for index, each in enumerate(seconds)
    ]


RESUME = "kubevouch resume aaaa"


@pytest.mark.parametrize(
    ("left", "holder", "doubt", "command"),
    [
        # 15 s for the Lease, 5 s for a look at the nodes, 20 s for the proof.
        ((41,), DEAD, "", RESUME),
        ((39,), DEAD, "", "sleep 54 && kubevouch status aaaa"),
        ((0,), DEAD, "", "sleep 15 && kubevouch status aaaa"),
        ((-8,), DEAD, "", "sleep 15 && kubevouch status aaaa"),
        # Where the Lease was given back, nobody watches it; where it cannot be read, somebody may.
        ((26,), None, "", RESUME),
        ((24,), None, "", "sleep 39 && kubevouch status aaaa"),
        ((26,), None, "not allowed", "sleep 41 && kubevouch status aaaa"),
        # One that can be reached in time is gone on with; of several that cannot, the last is waited for.
        ((3, 140), DEAD, "", RESUME),
        ((-3, 12), DEAD, "", "sleep 27 && kubevouch status aaaa"),
        # At work for so long that it does not come to its end by itself.
        ((-61,), DEAD, "", RESUME),
    ],
)  # fmt: skip
def test_a_resume_that_would_come_after_the_switch_is_not_what_comes_next(
    left: tuple[int, ...], holder: RunHolder | None, doubt: str, command: str
) -> None:
    said = next_for_status(armed_for(*left), "", holder, frozenset({"aaaa"}), doubt=doubt)
    assert said[0] == command
    if command != RESUME:
        assert f"`{RESUME}` would hardly come in time, and does not prolong that" in said[1]
        assert ("15 s" in said[1]) == (holder is not None or bool(doubt))


def test_a_node_that_says_its_switch_goes_off_in_years_has_nobody_sleep_that_long() -> None:
    for kept in (set[str](), {"bbbb"}):
        command, _ = next_for_status(armed_for(2**33), "", None, frozenset(kept))
        assert command == "sleep 615 && kubevouch status aaaa"


STOPPED_PLAN = plan_of(
    *(planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP, node=each) for each in "abc"),
    planned(recorded("pending-worker"), ChangeKind.APPROVE, node="d"),
    run="aaaa",
)


@pytest.mark.parametrize(
    ("standings", "left"),
    [
        # How a and b stand by this run, and c by which run; on d nothing was to be written.
        ((Standing.DONE, Standing.DONE, "", Standing.NONE), 1),
        ((Standing.DONE, Standing.NONE, "", Standing.NONE), 2),
        ((Standing.DONE, Standing.NOT_BEGUN, "eeee", Standing.UNDONE), 2),
        ((Standing.DONE, Standing.DONE, "eeee", Standing.DONE), 0),
        ((Standing.DONE, Standing.UNDONE, "", Standing.NONE), 0),
        ((Standing.NONE, Standing.NONE, "", Standing.NONE), 0),
        ((Standing.DONE, Standing.DONE, "", Standing.UNKNOWN), 0),
    ],
)
def test_a_run_that_was_stopped_is_known_by_its_plan_and_the_nodes_on_which_it_has_not_begun(
    standings: tuple[Standing, Standing, str, Standing], left: int
) -> None:
    one, two, other, three = standings
    rows = [
        RunOnNode("a", "" if one is Standing.NONE else "aaaa", one),
        RunOnNode("b", "" if two is Standing.NONE else "aaaa", two),
        RunOnNode("c", other, three),
        RunOnNode("d", "", Standing.NONE),
    ]
    stopped = stopped_run(rows, [STOPPED_PLAN])
    assert stopped == (StoppedRun("aaaa", left, 3) if left else None)
    hidden = [*rows[:2], RunOnNode("c", "eeee", Standing.UNDONE, put_back=("eeee", "aaaa"))]
    assert stopped_run(hidden, [STOPPED_PLAN]) is None, "put back there, and then another run was"
    if stopped:
        kept = frozenset({"aaaa"})
        assert next_for_status(rows, "aaaa", None, kept)[0] == "kubevouch resume aaaa"


def test_where_the_lease_cannot_be_read_nothing_is_said_of_who_carries_the_run_out() -> None:
    command, note = next_for_status([ARMED], "", None, frozenset({"aaaa"}), doubt="not allowed")
    assert command == "kubevouch resume aaaa"
    assert note.startswith("if nobody carries it out any more, which is not known here; ")


READY = "kubectl get --raw /readyz"


@pytest.mark.parametrize(
    ("statuses", "kept", "first", "then"),
    [
        ([ARMED], {"aaaa"}, READY, "`kubevouch resume aaaa`; to put its nodes back instead: `kubevouch undo aaaa`"),
        ([DONE, NONE], {"aaaa"}, READY, "`kubevouch resume aaaa`; it has not begun on every node"),
        ([DONE], set(), READY, "`kubevouch verify --wait 2m`"),
        ([UNDONE], set(), READY, "`kubevouch doctor`"),
        # These need no API server.
        ([ARMED], set(), "sleep 15 && kubevouch status aaaa", ""),
        ([SILENT], {"aaaa"}, "kubevouch status aaaa", ""),
    ],
)  # fmt: skip
def test_while_the_api_server_is_away_what_needs_it_comes_after_what_shows_that_it_is_back(
    statuses: list[RunOnNode], kept: set[str], first: str, then: str
) -> None:
    command, note = next_for_status(
        statuses, "aaaa", None, frozenset(kept), doubt="no answer", away=READY
    )
    assert command == first
    assert not then or note.startswith(f"once the API server answers: {then}"), note
    assert "which is not known here" not in note


def test_which_command_shows_that_the_api_server_answers() -> None:
    away = ApiUnreachable("s", "connection refused", kind=UnreachableKind.REFUSED)
    assert shows_an_answer(away) == READY
    assert shows_an_answer(Unauthorized("s", "expired", code=401)) == "kubectl auth whoami"
    assert shows_an_answer(Forbidden("s", "not allowed", code=403)) == "", "it has answered"


def test_of_a_run_that_does_not_renew_its_lease_it_is_not_said_that_it_is_under_way() -> None:
    assert who_writes(None, [ARMED], "") == "nobody"
    assert who_writes(None, [ARMED], "not allowed") == "not known: not allowed"
    assert who_writes(ALIVE, [ARMED], "") == "run aaaa of alice@laptop (renewed 1 s ago)"
    cut_off = "nobody any more: run aaaa of alice@laptop (not renewed for 60 s) was cut off"
    reasons = " (killed, or away from the API server); it has left "
    for statuses, left in (
        ([ARMED, DONE], "1 of these nodes armed"),
        ([DONE, NONE], "none of these nodes armed"),
        ([ARMED, SILENT], "1 of the nodes that could be asked armed"),
        (
            [DONE, RunOnNode("m", "", Standing.UNKNOWN)],
            "none of the nodes that could be asked armed",
        ),
        ([RunOnNode("n", "bbbb", Standing.ARMED)], "none of these nodes armed"),
    ):
        assert who_writes(DEAD, statuses, "") == f"{cut_off}{reasons}{left}"
    why = " (killed, or away from the API server); it is not known whether it has left any of these nodes armed: none of them could be asked"
    assert who_writes(DEAD, [SILENT], "") == f"{cut_off}{why}"
    assert who_writes(DEAD_UNDO, [SILENT, SILENT], "").endswith(why)


def test_of_a_run_whose_process_is_known_to_have_ended_it_is_said_why_that_is_known() -> None:
    gone = replace(ALIVE, is_gone=True)
    assert (gone.is_alive, gone.is_late, gone.is_silent) == (False, False, False)
    why = "was cut off (its process on this machine has ended)"
    cut_off = f"run aaaa of alice@laptop (not renewed for 1 s) {why}"
    said = who_writes(gone, [ARMED], "")
    assert said == f"nobody any more: {cut_off}; it has left 1 of these nodes armed"
    put_back = RunOnNode("n", "aaaa", Standing.UNDONE, put_back=("aaaa",))
    assert who_writes(gone, [put_back], "").startswith(f"nobody: {cut_off}, and what it had begun")
    assert next_for_status([ARMED], "", gone, frozenset({"aaaa"}))[0] == RESUME


def test_of_a_run_that_was_cut_off_and_whose_nodes_are_put_back_nothing_is_said_to_be_left() -> (
    None
):
    """By their switches, also where a newer run has begun there since; the Lease names it until another run takes that."""
    put_back = RunOnNode("n", "aaaa", Standing.UNDONE, put_back=("aaaa",))
    hidden = RunOnNode("m", "bbbb", Standing.DONE, put_back=("aaaa",))
    over = "what it had begun is put back, on"
    for statuses, end in (
        ([put_back, NONE], f"{over} 1 of these nodes"),
        ([put_back, hidden], f"{over} 2 of these nodes"),
        ([put_back, DONE], "it has left none of these nodes armed"),
        ([put_back, SILENT], "it has left none of the nodes that could be asked armed"),
        ([put_back, ARMED], "it has left 1 of these nodes armed"),
    ):
        assert who_writes(DEAD, statuses, "").endswith(end)
    cut_off = "nobody: run aaaa of alice@laptop (not renewed for 60 s) was cut off"
    assert who_writes(DEAD, [put_back], "").startswith(cut_off)
    assert over not in who_writes(DEAD_UNDO, [put_back], "")


def test_of_an_undo_that_was_cut_off_it_is_said_that_it_was_one() -> None:
    alive = RunHolder("aaaa on alice@laptop (undo 1)", None, timedelta(seconds=1))
    assert alive.undoes
    assert not ALIVE.undoes
    assert (alive.run, alive.where) == ("aaaa", "alice@laptop")
    assert who_writes(alive, [DONE], "") == "undo of run aaaa by alice@laptop (renewed 1 s ago)"
    some = RunHolder("aaaa on alice@laptop (undo w1,w2 1)", None, timedelta(seconds=60))
    assert (some.undoes, some.undone_nodes, DEAD_UNDO.undone_nodes) == (True, ("w1", "w2"), ())
    assert str(some).startswith("undo of run aaaa on w1, w2 by alice@laptop (not renewed")
    command, _ = next_for_status([DONE, UNDONE], "", some, frozenset({"aaaa"}))
    assert command == "kubevouch undo aaaa --nodes w1,w2"
    said = who_writes(DEAD_UNDO, [DONE, UNDONE, ARMED], "")
    assert said.startswith("nobody any more: undo of run aaaa by alice@laptop (not renewed for")
    assert said.endswith("it has left 1 of these nodes armed, and the run is still done on 1")


HOSTILE = "d21d76ea;touch${IFS}/tmp/here"


def test_no_command_line_holds_what_a_lease_or_a_node_calls_a_run_and_is_no_runs_name() -> None:
    holder = RunHolder(f"{HOSTILE} on root@ops-1 (1)", None, timedelta(seconds=1))
    command, _ = next_for_status([NONE], "", holder, frozenset())
    assert command == "kubevouch status"
    silent = RunHolder(f"{HOSTILE} on root@ops-1 (undo 1)", None, timedelta(seconds=60))
    command, note = next_for_status([NONE], "", silent, frozenset())
    assert command == "kubevouch status"
    assert f"`kubevouch undo '{HOSTILE}'`" in note
    on_node = RunOnNode("n", HOSTILE, Standing.ARMED)
    command, note = next_for_status([on_node], "", None, frozenset())
    assert command == "sleep 15 && kubevouch status"
    assert f"`kubevouch resume '{HOSTILE}'`" in note


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
