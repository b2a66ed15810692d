"""The one table from where a run stands to what is said and which command comes next, for every verb of a roll-out. Pure.

A command is argv. A word in braces stands for the words that it is filled with, perhaps none. What fits no row looks again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from shlex import join

Argv = Sequence[str]

PLAN: Argv = ("kubevouch", "plan", "-o")
APPLY: Argv = ("kubevouch", "apply")
RESUME: Argv = ("kubevouch", "resume")
STATUS: Argv = ("kubevouch", "status")
UNDO: Argv = ("kubevouch", "undo")
_ROLES: Argv = ("kubevouch", "apply", "--print-role")
_DOCTOR: Argv = ("kubevouch", "doctor")

_STATUS = (*STATUS, "{run}", "{nodes}", "{way}")
_RESUME = (*RESUME, "{run}")
_UNDO = (*UNDO, "{run}", "{nodes}")
_VERIFY = ("kubevouch", "verify", "--wait", "2m")
_AGAIN = ("{again}",)
_ANEW = ("{anew}",)
_SHOWS = ("{shows}",)


@dataclass(frozen=True)
class NextStep:
    """Command lines: that comes next, and the one after it; empty where nothing is to be run. note: for a person."""

    command: str
    then: str = ""
    note: str = ""


@dataclass(frozen=True)
class _Row:
    """command, then: what comes next. note: beside it; its words in braces are filled likewise. waits: for so many seconds before."""

    command: Argv
    then: Argv = ()
    note: str = ""
    waits: bool = False


class Case(Enum):
    """Where a run stands, or why it was refused, with what leads on."""

    # Whatever was found.
    LOOK = _Row(_STATUS)
    DOCTOR = _Row(_DOCTOR)
    VERIFY = _Row(_VERIFY)
    AGAIN = _Row(_AGAIN)
    SHOWS = _Row(_SHOWS, _AGAIN)
    ANEW = _Row(_ANEW)
    DOCTOR_THEN_ANEW = _Row(_DOCTOR, _ANEW)
    SHOWS_THEN_ANEW = _Row(_SHOWS, _ANEW)
    LOOK_THEN_ANEW = _Row(_STATUS, _ANEW)
    LOOK_THEN_AGAIN = _Row(_STATUS, _AGAIN)
    RESUME = _Row(_RESUME)
    UNDO = _Row(_UNDO)
    UNDO_THEN_ANEW = _Row(_UNDO, _ANEW)
    ROLES_THEN_AGAIN = _Row(_ROLES, _AGAIN)
    ROLES = _Row(_ROLES)

    # What runs have left on nodes, for `status`.
    UNDER_WAY = _Row(
        _STATUS,
        note="{what} is under way: wait until it has ended; if it was killed, that shows in {seconds} s",
        waits=True,
    )
    UNDO_CUT_OFF = _Row(
        _UNDO, note="this goes on with the undo that was cut off; what that has put back stays so"
    )
    UNDO_CUT_OFF_ELSEWHERE = _Row(
        _STATUS,
        note="that undo goes on where it was begun, by {where}: `{undo}`; elsewhere with the run's plan, copied from there, in "
        "place of the run's name",
    )
    ARMED = _Row(_RESUME, note="to put its nodes back instead: `{undo}`")
    ARMED_TOO_LATE = _Row(
        _STATUS,
        note="the node's own switch {comes}: `{resume}` would hardly come in time, and does not prolong that",
        waits=True,
    )
    ARMED_ELSEWHERE = _Row(
        _STATUS,
        note="the plan of run {run} is not kept on this machine, or cannot be read. Where it was begun: `{resume}`. Else copy the "
        "file {run}.json from there (in ~/.local/state/kubevouch/runs) and give its path to `kubevouch undo`; or wait until "
        "the switch puts the node back",
        waits=True,
    )
    FAILED = _Row(
        _UNDO,
        note="its switch was due long ago and has not ended the run; see `systemctl status 'kubevouch-undo-*'` there",
    )
    FAILED_ELSEWHERE = _Row(
        _STATUS,
        note="the switch was due long ago and has not ended the run; see `systemctl status 'kubevouch-undo-*'` there. The plan of run "
        "{run} is not kept on this machine, or cannot be read: copy the file {run}.json from where it was begun (in "
        "~/.local/state/kubevouch/runs) and give its path to `kubevouch undo`",
    )
    SILENT = _Row(_SHOWS, _STATUS)
    SILENT_UNSAID = _Row(_STATUS, note="once the nodes that did not answer can be asked")
    SILENT_OTHER_KEY = _Row(
        (*STATUS, "{nodes}", "{ssh}"),
        note="that asks {node} without the plan, whichever key your own ssh knows it by",
    )
    SILENT_FROM_HERE = _Row(
        (*STATUS, "{nodes}", "--via", "ssh"),
        note="`--via local` asks this machine only, and {node} is another one: go by ssh, or run it there",
    )
    PARTLY_UNDONE = _Row(
        _DOCTOR,
        note="what this run has put back it does not change again: that takes a new plan; to put back what it has not: `{undo}`",
    )
    UNDONE = _Row(
        _DOCTOR, note="what this run has put back it does not change again: that takes a new plan"
    )
    CUT_OFF = _Row(
        _RESUME, note="no node is armed; to put back instead what it has changed: `{undo}`"
    )
    CUT_OFF_ELSEWHERE = _Row(
        _DOCTOR, note="that run goes on where it was begun, by {where}: `{resume}`"
    )
    NOT_ALL_BEGUN = _Row(
        _RESUME, note="it has not begun on every node of its plan, or needed nothing there"
    )


def step(case: Case, waits: int = 0, **words: Argv | str) -> NextStep:
    """The row of that case. waits: seconds, where the row waits. words: what its braces are filled with; none is an empty place."""
    row = case.value
    known: Mapping[str, Argv] = {
        name: (value,) if isinstance(value, str) and value else tuple(value)
        for name, value in words.items()
    }
    command = join(_filled(row.command, known))
    if row.waits and waits > 0:
        command = f"sleep {waits} && {command}"
    said = {
        "resume": join(_filled(_RESUME, known)),
        "undo": join(_filled(_UNDO, known)),
        **{name: value if isinstance(value, str) else join(value) for name, value in words.items()},
    }
    return NextStep(command, join(_filled(row.then, known)), row.note.format(**said))


def _filled(argv: Argv, words: Mapping[str, Argv]) -> list[str]:
    """A word in braces that is not known has no words."""
    found: list[str] = []
    for word in argv:
        found += words.get(word[1:-1], ()) if word.startswith("{") else [word]
    return found
