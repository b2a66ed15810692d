"""The commands that kubevouch suggests. Pure. A command is argv."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
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
DOCTOR: Argv = ("kubevouch", "doctor")
VERIFY: Argv = ("kubevouch", "verify", "--wait", "2m")
ROLES: Argv = ("kubevouch", "apply", "--print-role")
CONTEXTS: Argv = ("kubectl", "config", "get-contexts")


@dataclass(frozen=True)
class NextStep:
    """The next command line, and the one after it. Both may be empty. note: a hint for the operator."""

    command: str
    then: str = ""
    note: str = ""


def next_step(command: Argv, then: Argv = (), note: str = "", *, waits: int = 0) -> NextStep:
    """The next step. waits: seconds to sleep before the first command."""
    sleeps = f"sleep {waits} && " if waits > 0 else ""
    return NextStep(sleeps + join(command), join(then), note)


def of_run(verb: Argv, run: str) -> list[str]:
    """The verb for a run; without the run if its name is not valid."""
    return [*verb, *filter(None, [run_word(run)])]


def run_word(run: str) -> str:
    """Returns the text if it is a valid run name, else an empty string.

    A Lease or a node may contain any text. A command line must only contain a valid name.
    """
    return run if re.fullmatch(RUN_NAME, run) else ""


def some(nodes: Sequence[str]) -> list[str]:
    """The --node options for these nodes; empty for all nodes."""
    return [word for node in nodes for word in ("--node", node)]


BY_SSH = NodeOptions("ssh", "", "")


def shows_why(why: LeadsOn, node: str, host: str, way: NodeOptions) -> list[str]:
    """A command that shows why a node was left out or did not answer."""
    if why is LeadsOn.ROOT:  # with a terminal, since sudo may ask for a password
        return way.ssh(host, "sudo", "-l", flags=["-t"])
    if why is LeadsOn.STATUS or way.via != "ssh":
        return ["kubectl", "describe", "node", node]
    return way.ssh(host) if why is LeadsOn.NODE else way.ssh(host, "true")
