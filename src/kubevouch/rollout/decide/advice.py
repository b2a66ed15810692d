"""The one table from where a run stands to what is said and which command comes next, for every verb of a roll-out. Pure.

Beside it: how scripts get to nodes, and what shows why a node could not be asked. A command is argv. A word in braces stands for the words that it is filled with, perhaps none. What fits no row looks again.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from shlex import join

from kubevouch.evidence.survey import RUN_NAME
from kubevouch.rollout.decide.plan import Plan, Via
from kubevouch.rollout.errors import LeadsOn

Argv = Sequence[str]

PLAN: Argv = ("kubevouch", "plan", "-o")
APPLY: Argv = ("kubevouch", "apply")
RESUME: Argv = ("kubevouch", "resume")
STATUS: Argv = ("kubevouch", "status")
UNDO: Argv = ("kubevouch", "undo")
_ROLES: Argv = ("kubevouch", "apply", "--print-role")
CONTEXTS: Argv = ("kubectl", "config", "get-contexts")
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
    RESUME = _Row(_RESUME, _ANEW)
    UNDO_THEN_ANEW = _Row(_UNDO, _ANEW)
    WORD = _Row(
        _ANEW,
        note="at a terminal it asks whether these addresses are right; elsewhere add --addresses FILE, with a line NODE ADDRESS for each",
    )
    ROLES_THEN_AGAIN = _Row(_ROLES, _AGAIN)
    ROLES = _Row(_ROLES)
    CONTEXTS = _Row(CONTEXTS)

    # What runs have left on nodes, for `status`.
    UNDER_WAY = _Row(
        _STATUS,
        note="{what} is under way: wait until it has ended; if it was killed, that shows in {seconds} s",
        waits=True,
    )
    UNDO_CUT_OFF = _Row(
        _UNDO, note="this goes on with the undo that was cut off; what that has put back stays so"
    )
    GO_ON = _Row(_RESUME, note="to put its nodes back instead: `{undo}`")
    FAILED = _Row(_UNDO, note="its switch was due long ago and has not ended the run")
    ELSEWHERE = _Row(
        _STATUS,
        note="the plan of run {run} is not kept on this machine, or cannot be read. Where it was begun: `{does}`. Elsewhere copy "
        "{run}.json from there (in ~/.local/state/kubevouch/runs), and give its path in place of the run's name",
        waits=True,
    )
    SILENT = _Row(_SHOWS, _STATUS)
    SILENT_THIS_WAY = _Row(
        (*STATUS, "{nodes}", "{way}"),
        note="that asks {node} without the plan, whichever key your own ssh knows it by",
    )
    UNDONE = _Row(
        _DOCTOR,
        note="what this run has put back it does not change again: that takes a new plan; to put back what it has not: `{undo}`",
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


def run_word(run: str) -> str:
    """The name of a run; empty for any other text: a Lease or a node may say anything, and no more gets into a command line."""
    return run if re.fullmatch(RUN_NAME, run) else ""


def some(nodes: Sequence[str]) -> list[str]:
    """The options that name these nodes; nothing for all."""
    return [word for node in nodes for word in ("--node", node)]


@dataclass(frozen=True)
class WayToNodes:
    """How scripts get to the nodes. ssh_config, ssh_user: empty for the operator's own."""

    via: Via = "ssh"
    ssh_config: str = ""
    ssh_user: str = ""

    @property
    def said_again(self) -> list[str]:
        """How ssh goes there, as it is said on our command line."""
        config = ["--ssh-config", self.ssh_config] if self.ssh_config else []
        return [*config, *(["--ssh-user", self.ssh_user] if self.ssh_user else [])]

    def ssh(self, host: str, *command: str, flags: Sequence[str] = ()) -> list[str]:
        """A command of the operator's own ssh there; without one, a shell for what only a person can do."""
        config = ["-F", self.ssh_config] if self.ssh_config else []
        user = ["-l", self.ssh_user] if self.ssh_user else []
        return ["ssh", *config, *user, *flags, "--", host, *command]


BY_SSH = WayToNodes()


def way_of(plan: Plan) -> WayToNodes:
    """As the plan goes to its nodes."""
    return WayToNodes(plan.via, plan.ssh_config, plan.ssh_user)


def shows_why(why: LeadsOn, node: str, host: str, way: WayToNodes) -> list[str]:
    """Shows why a node was left out, or asked in vain: what it claims, what a shell or sudo there says, or that ssh gets no login."""
    if why is LeadsOn.ROOT:  # with a terminal: it may ask there, as it did us
        return way.ssh(host, "sudo", "-l", flags=["-t"])
    if why is LeadsOn.STATUS or way.via != "ssh":
        return ["kubectl", "describe", "node", node]
    return way.ssh(host) if why is LeadsOn.NODE else way.ssh(host, "true")
