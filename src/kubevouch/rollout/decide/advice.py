"""The table of next steps after a rollout command: one row for each case. Pure.

`step` replaces each placeholder in braces with its value, or removes it if it has no value.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from shlex import join

from kubevouch.evidence.survey import RUN_NAME
from kubevouch.rollout.decide.plan import NodeOptions
from kubevouch.rollout.errors import LeadsOn

Argv = Sequence[str]

PLAN: Argv = ("kubevouch", "plan", "-o")
APPLY: Argv = ("kubevouch", "apply")
RESUME: Argv = ("kubevouch", "resume")
STATUS: Argv = ("kubevouch", "status")
UNDO: Argv = ("kubevouch", "undo")
CONTEXTS: Argv = ("kubectl", "config", "get-contexts")

_AGAIN, _ANEW, _SHOWS = ("{again}",), ("{anew}",), ("{shows}",)
_STATUS = (*STATUS, "{run}", "{nodes}", "{way}")
_RESUME = (*RESUME, "{run}")
_UNDO = (*UNDO, "{run}", "{nodes}")
_DOCTOR = ("kubevouch", "doctor")
_ROLES = (*APPLY, "--print-role")
_NOT_AGAIN = "this run does not change undone nodes again: make a new plan for them"


@dataclass(frozen=True)
class NextStep:
    """The operator's next two command lines, either of which may be empty.

    note: a hint for the operator.
    """

    command: str
    then: str = ""
    note: str = ""


@dataclass(frozen=True)
class _Row:
    """A next step with placeholders: two commands, and a hint for the operator."""

    command: Argv
    then: Argv = ()
    note: str = ""


class Case(Enum):
    """The possible next steps: one for each state of a run and each reason for a refusal."""

    # After a plan, a run, an undo or a refusal.
    VERIFY = _Row(("kubevouch", "verify", "--wait", "2m"))
    DOCTOR = _Row(_DOCTOR)
    DOCTOR_THEN_ANEW = _Row(_DOCTOR, _ANEW)
    AGAIN = _Row(_AGAIN)
    ANEW = _Row(_ANEW)
    LOOK = _Row(_STATUS)
    LOOK_THEN_AGAIN = _Row(_STATUS, _AGAIN)
    LOOK_THEN_ANEW = _Row(_STATUS, _ANEW)
    RESUME_THEN_ANEW = _Row(_RESUME, _ANEW)
    UNDO_THEN_ANEW = _Row(_UNDO, _ANEW)
    SHOWS_THEN_AGAIN = _Row(_SHOWS, _AGAIN)
    SHOWS_THEN_ANEW = _Row(_SHOWS, _ANEW)
    OTHER_CLUSTER = _Row(CONTEXTS)
    NO_RIGHTS = _Row(_ROLES)
    FORBIDDEN = _Row(_ROLES, _AGAIN)
    UNAUTHORIZED = _Row(("kubectl", "auth", "whoami"), _AGAIN)
    NO_ANSWER = _Row(("kubectl", "get", "--raw", "/readyz"), _AGAIN)
    UNCONFIRMED_ADDRESS = _Row(
        _ANEW,
        note="at a terminal, `kubevouch plan` asks whether these addresses are right; without a terminal, add --addresses FILE, with a line `NODE ADDRESS` for each address",
    )

    # After `status`.
    RUNNING = _Row(
        ("{sleep}", *_STATUS),
        note="{what} is in progress: wait until it ends; if it was killed, status shows that in {seconds} s",
    )
    UNDO_CUT_OFF = _Row(_UNDO, note="this continues the interrupted undo, and skips restored nodes")
    GO_ON = _Row(_RESUME, note="to undo the run instead: `kubevouch undo {run}`")
    FAILED = _Row(_UNDO, note="the dead-man's switch is overdue, but has not ended the run")
    ELSEWHERE = _Row(
        ("{sleep}", *_STATUS),
        note="the plan of run {run} cannot be read on this machine. Run `{does}` on the machine "
        "where the run began, or copy ~/.local/state/kubevouch/runs/{run}.json from there, and give "
        "the copy's path instead of the run's name",
    )
    SILENT = _Row(_SHOWS, _STATUS)
    OTHER_KEY = _Row(
        _STATUS,
        note="this checks the host key of {node} against your known_hosts, not against the plan",
    )
    UNDONE = _Row(_DOCTOR, note=_NOT_AGAIN)
    UNDONE_IN_PART = _Row(
        _DOCTOR,
        note=f"{_NOT_AGAIN}; `kubevouch undo {{run}}` restores the other nodes that the run changed",
    )


def step(case: Case, **words: Argv | str) -> NextStep:
    """The next step for a case.

    words: the placeholders' values: argument lists, or texts to insert as they are.
    """
    texts: dict[str, str] = defaultdict(str)
    for name, value in words.items():
        texts[name] = value if isinstance(value, str) else join(value)

    def line(argv: Argv) -> str:
        return " ".join(filter(None, (word.format_map(texts) for word in argv)))

    row = case.value
    return NextStep(line(row.command), line(row.then), row.note.format_map(texts))


def sleeps(seconds: int) -> str:
    """A `sleep` command to put before another command; empty for 0 seconds."""
    return f"sleep {seconds} &&" if seconds else ""


def run_word(run: str) -> str:
    """Returns the text if it is a valid run name, else an empty string.

    The text comes from a Lease or a node, so it may be anything. A command that we print must
    contain only a valid run name.
    """
    return run if re.fullmatch(RUN_NAME, run) else ""


def some(nodes: Sequence[str]) -> list[str]:
    """The --node options for these nodes. No nodes means all nodes, which needs no option."""
    return [word for node in nodes for word in ("--node", node)]


BY_SSH = NodeOptions("ssh", "", "")


def shows_why(why: LeadsOn, node: str, host: str, way: NodeOptions) -> list[str]:
    """A command that shows why a node was left out or did not answer."""
    if why is LeadsOn.ROOT:  # with a terminal, since sudo may ask for a password
        return way.ssh(host, "sudo", "-l", flags=["-t"])
    if why is LeadsOn.STATUS or way.via != "ssh":
        return ["kubectl", "describe", "node", node]
    return way.ssh(host) if why is LeadsOn.NODE else way.ssh(host, "true")
