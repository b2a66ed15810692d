"""The table of next commands and notes, for every state of a run and every verb. Pure.

A command is argv. `step` replaces each word in braces by its value, or removes the word.
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
_NOT_AGAIN = "this run does not change undone nodes again: make a new plan for them"


@dataclass(frozen=True)
class NextStep:
    """The next command line, and the one after it. Both may be empty. note: a hint for the operator."""

    command: str
    then: str = ""
    note: str = ""


@dataclass(frozen=True)
class _Row:
    """A row of the table. command, then: the next two commands. note: a hint, which may contain words in braces.

    waits: whether to sleep before the first command.
    """

    command: Argv
    then: Argv = ()
    note: str = ""
    waits: bool = False


class Case(Enum):
    """States of a run and reasons for a refusal, each with the next step."""

    # For any outcome.
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
        note="at a terminal, plan asks whether these addresses are right; elsewhere add --addresses FILE, with lines NODE ADDRESS",
    )
    ROLES_THEN_AGAIN = _Row(_ROLES, _AGAIN)
    ROLES = _Row(_ROLES)
    CONTEXTS = _Row(CONTEXTS)

    # For `status`: the state of runs on nodes.
    RUNNING = _Row(
        _STATUS,
        note="{what} is in progress: wait until it ends; if it was killed, status shows that in {seconds} s",
        waits=True,
    )
    UNDO_CUT_OFF = _Row(_UNDO, note="this continues the interrupted undo, except on restored nodes")
    GO_ON = _Row(_RESUME, note="to undo the run instead: `{undo}`")
    FAILED = _Row(_UNDO, note="the node's switch is overdue and has not ended the run")
    ELSEWHERE = _Row(
        _STATUS,
        note="the plan of run {run} cannot be read on this machine. Run `{does}` on the machine "
        "where the run began, or copy ~/.local/state/kubevouch/runs/{run}.json from there, and give "
        "the copy's path instead of the run's name",
        waits=True,
    )
    SILENT = _Row(_SHOWS, _STATUS)
    SILENT_THIS_WAY = _Row(
        (*STATUS, "{nodes}", "{way}"),
        note="this connects to {node} with the host key in your known_hosts, not the plan's",
    )
    UNDONE = _Row(_DOCTOR, note=_NOT_AGAIN)
    UNDONE_IN_PART = _Row(
        _DOCTOR, note=f"{_NOT_AGAIN}; `{{undo}}` restores the other nodes that the run changed"
    )


def step(case: Case, waits: int = 0, **words: Argv | str) -> NextStep:
    """The next step of a case. waits: seconds to sleep, if the row has `waits`. words: values for the words in braces."""
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
    found: list[str] = []
    for word in argv:
        found += words.get(word[1:-1], ()) if word.startswith("{") else [word]
    return found


def run_word(run: str) -> str:
    """Returns the text if it is a valid run name, else an empty string.

    A Lease or a node may contain any text. A command line must only contain a valid name.
    """
    return run if re.fullmatch(RUN_NAME, run) else ""


def some(nodes: Sequence[str]) -> list[str]:
    """The --node options for these nodes; empty for all nodes."""
    return [word for node in nodes for word in ("--node", node)]


@dataclass(frozen=True)
class WayToNodes:
    """How scripts reach the nodes. ssh_config, ssh_user: empty means the operator's default."""

    via: Via = "ssh"
    ssh_config: str = ""
    ssh_user: str = ""

    @property
    def flags(self) -> list[str]:
        """The kubevouch flags for the same ssh configuration and login name."""
        config = ["--ssh-config", self.ssh_config] if self.ssh_config else []
        return [*config, *(["--ssh-user", self.ssh_user] if self.ssh_user else [])]

    def ssh(self, host: str, *command: str, flags: Sequence[str] = ()) -> list[str]:
        """The operator's ssh command line for that host. Without a command it opens a shell."""
        config = ["-F", self.ssh_config] if self.ssh_config else []
        user = ["-l", self.ssh_user] if self.ssh_user else []
        return ["ssh", *config, *user, *flags, "--", host, *command]


BY_SSH = WayToNodes()


def way_of(plan: Plan) -> WayToNodes:
    """How the plan reaches its nodes."""
    return WayToNodes(plan.via, plan.ssh_config, plan.ssh_user)


def shows_why(why: LeadsOn, node: str, host: str, way: WayToNodes) -> list[str]:
    """A command that shows why a node was left out or did not answer."""
    if why is LeadsOn.ROOT:  # with a terminal, since sudo may ask for a password
        return way.ssh(host, "sudo", "-l", flags=["-t"])
    if why is LeadsOn.STATUS or way.via != "ssh":
        return ["kubectl", "describe", "node", node]
    return way.ssh(host) if why is LeadsOn.NODE else way.ssh(host, "true")
