"""The one table of messages and next commands, for every state of a run and every verb. Pure.

Next to it: how scripts get to nodes, and which command shows why a node did not answer. A command
is argv. `step` fills in a word in braces, perhaps with nothing. A state without a row gets the
command that looks again.
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
    """The next command line, and the one after it; empty where there is nothing to run. note: for a person."""

    command: str
    then: str = ""
    note: str = ""


@dataclass(frozen=True)
class _Row:
    """command, then: what comes next. note: a text beside it, whose words in braces are filled in too. waits: whether the command waits first."""

    command: Argv
    then: Argv = ()
    note: str = ""
    waits: bool = False


class Case(Enum):
    """The state of a run, or the reason for a refusal, with the next step."""

    # For any finding.
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
        note="at a terminal, plan asks whether these addresses are right; elsewhere add --addresses FILE, with a line NODE ADDRESS for each",
    )
    ROLES_THEN_AGAIN = _Row(_ROLES, _AGAIN)
    ROLES = _Row(_ROLES)
    CONTEXTS = _Row(CONTEXTS)

    # What runs have left on nodes, for `status`.
    UNDER_WAY = _Row(
        _STATUS,
        note="{what} is under way: wait until it ends; if it was killed, that shows in {seconds} s",
        waits=True,
    )
    UNDO_CUT_OFF = _Row(
        _UNDO, note="this continues the interrupted undo; what it has put back stays so"
    )
    GO_ON = _Row(_RESUME, note="to put its nodes back instead: `{undo}`")
    FAILED = _Row(_UNDO, note="its switch is overdue and has not ended the run")
    ELSEWHERE = _Row(
        _STATUS,
        note="the plan of run {run} is not on this machine, or cannot be read. On the machine "
        "where the run began: `{does}`. Or copy {run}.json from there (in "
        "~/.local/state/kubevouch/runs), and give its path instead of the run's name",
        waits=True,
    )
    SILENT = _Row(_SHOWS, _STATUS)
    SILENT_THIS_WAY = _Row(
        (*STATUS, "{nodes}", "{way}"),
        note="this asks {node} without the plan, with whichever key your own ssh knows",
    )
    UNDONE = _Row(
        _DOCTOR,
        note="this run does not change again what it has put back: make a new plan for that; if it has changed other nodes, `{undo}` puts them back",
    )


def step(case: Case, waits: int = 0, **words: Argv | str) -> NextStep:
    """The next step of that case. waits: seconds, if the row waits. words: values for its braces; a brace without a value becomes empty."""
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
    """Fills the words in braces. An unknown word becomes empty."""
    found: list[str] = []
    for word in argv:
        found += words.get(word[1:-1], ()) if word.startswith("{") else [word]
    return found


def run_word(run: str) -> str:
    """The name of a run; empty for any other text.

    A Lease or a node may say anything, and only a valid name gets into a command line.
    """
    return run if re.fullmatch(RUN_NAME, run) else ""


def some(nodes: Sequence[str]) -> list[str]:
    """The options that name these nodes; nothing for all."""
    return [word for node in nodes for word in ("--node", node)]


@dataclass(frozen=True)
class WayToNodes:
    """How scripts get to the nodes. ssh_config, ssh_user: empty means the operator's own."""

    via: Via = "ssh"
    ssh_config: str = ""
    ssh_user: str = ""

    @property
    def said_again(self) -> list[str]:
        """The flags that make our command line use ssh in the same way."""
        config = ["--ssh-config", self.ssh_config] if self.ssh_config else []
        return [*config, *(["--ssh-user", self.ssh_user] if self.ssh_user else [])]

    def ssh(self, host: str, *command: str, flags: Sequence[str] = ()) -> list[str]:
        """A command of the operator's own ssh on that host.

        Without a command, a shell for a person.
        """
        config = ["-F", self.ssh_config] if self.ssh_config else []
        user = ["-l", self.ssh_user] if self.ssh_user else []
        return ["ssh", *config, *user, *flags, "--", host, *command]


BY_SSH = WayToNodes()


def way_of(plan: Plan) -> WayToNodes:
    """How the plan reaches its nodes."""
    return WayToNodes(plan.via, plan.ssh_config, plan.ssh_user)


def shows_why(why: LeadsOn, node: str, host: str, way: WayToNodes) -> list[str]:
    """A command that shows why a node was left out or did not answer: its claims, a shell, sudo or the login there."""
    if why is LeadsOn.ROOT:  # with a terminal: sudo may ask there
        return way.ssh(host, "sudo", "-l", flags=["-t"])
    if why is LeadsOn.STATUS or way.via != "ssh":
        return ["kubectl", "describe", "node", node]
    return way.ssh(host) if why is LeadsOn.NODE else way.ssh(host, "true")
