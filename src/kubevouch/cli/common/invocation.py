"""Adds the flags of the current command to the command lines that hints suggest.

A suggested command must act on the same cluster as the current command. So the hint repeats the current command's
flags, quoted for a shell. Environment variables such as $KUBECONFIG apply to both commands.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote

import click

from kubevouch.rollout.decide.timeouts import as_said

OURS = "kubevouch"
SSH_CONFIG = "KUBEVOUCH_SSH_CONFIG"
"""The environment variable that names ssh's configuration file. A plan stores the path for later commands."""
_CLUSTER = ("--kubeconfig", "--context")
_LAB = ("--dir",)
_SSH = ("--via", "--ssh-config", "--ssh-user", "--ask-sudo-password")
_PODS = ("--image", "--pod-namespace")
_OF_A_RUN = ("--gate-timeout", "--soak")
_TIMES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    **dict.fromkeys(("plan", "apply"), (("plan", "apply"), _OF_A_RUN)),
    "resume": (("resume",), _OF_A_RUN),  # the run stores the other values
    "undo": (("undo",), ("--gate-timeout",)),
}
"""For each current verb: the suggested verbs that repeat its timeout flags, and these flags."""
_OF_A_PLAN = ("--via", "--ssh-user", "--ask-sudo-password", *_PODS)

# The flags that select where a verb acts. Verbs that are not listed have none (explain, version).
_TAKES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("doctor", "probe", "csr", "verify", "metrics-server", "approver", "exporter"),
        _CLUSTER,
    ),
    "certs": (*_CLUSTER, *_SSH),
    "top": (*_CLUSTER, "--namespace"),
    **dict.fromkeys(("plan", "status"), (*_CLUSTER, "--ssh-config", *_OF_A_PLAN)),
    **dict.fromkeys(("apply", "resume", "undo"), (*_CLUSTER, "--ssh-config")),
    "lab": _LAB,
}

_SERVES = "run"
"""The command that runs a server. Hints omit its --kubeconfig, which authenticates the server and not the operator."""


@dataclass(frozen=True)
class Invocation:
    """The current command.

    program: the program's name on the command line. given: the flags to repeat in hints; "" for a flag without a value.
    verb: the current verb. ssh_config: the value of $KUBEVOUCH_SSH_CONFIG, which ssh itself does not read.
    """

    program: str = OURS
    given: tuple[tuple[str, str], ...] = ()
    ssh_config: str = ""
    verb: str = ""

    def line(self, command: str) -> str:
        """Adds flags of the current command to a command line `kubevouch VERB ...`, `kubectl ...` or `ssh ...`.

        Adds only flags that apply there and that the line does not have yet. Other text stays unchanged.
        """
        first, _, behind = command.partition(" && ")
        if first.startswith("sleep "):
            return f"{first} && {self.line(behind)}"
        program, _, rest = command.partition(" ")
        if program == "kubectl" and not rest.startswith(("config ", "vouch ")):
            flags = self._flags(_CLUSTER, rest)
            return " ".join(["kubectl", *flags, rest])
        if program == "ssh":
            return " ".join(["ssh", *self._ssh_flags(rest), rest])
        if program != OURS or not rest:
            return command
        verb = rest.split()[0]
        takes = _TAKES.get(verb, ())
        verbs, times = _TIMES.get(self.verb, ((), ()))
        if verb in verbs:
            takes = (*takes, *times)
        return " ".join([self.program, rest, *self._flags(takes, rest)])

    def with_flags(self, text: str) -> str:
        """The text, and a sentence with the cluster flags that the commands in the text need."""
        flags = " ".join(self._flags(_CLUSTER, ""))
        needs = flags and "`" in text
        return f"{text.removesuffix('.')}. Add {flags} to these commands." if needs else text

    def _ssh_flags(self, rest: str) -> list[str]:
        """The ssh configuration and user, as ssh's options -F and -l. Omits an option that the command already has."""
        named = rest.partition(" -- ")[0].split()
        given = dict(self.given)
        config = given.get("--ssh-config", self.ssh_config)
        user = given.get("--ssh-user", "")
        return [
            f"{flag} {quote(value)}"
            for flag, value in (("-F", config), ("-l", user))
            if value and flag not in named
        ]

    def _flags(self, takes: tuple[str, ...], rest: str) -> list[str]:
        named = {word.partition("=")[0] for word in rest.split()}
        if "-n" in named or "-A" in named:
            named.add("--namespace")
        return [
            f"{flag} {quote(value)}" if value else flag
            for flag, value in self.given
            if flag in takes and flag not in named
        ]


_REPEATED = (*_CLUSTER, "--namespace", *_LAB, *_SSH, *_PODS, *_OF_A_RUN)


def _parameter(flag: str) -> str:
    return "directory" if flag == "--dir" else flag.removeprefix("--").replace("-", "_")


def _as_said(value: object) -> str:
    """Formats the value as on a command line, with durations in seconds."""
    if isinstance(value, float):
        return as_said(value)
    return "" if value is True else str(value)


def invocation_of(ctx: click.Context, ssh_config: str = "") -> Invocation:
    """The flags of the running command, without defaults. ssh_config: the value of the environment variable."""
    from click.core import ParameterSource

    # A plan stores how to reach its nodes, so hints after `plan` omit these flags.
    kept = {*_SSH, *_PODS} if ctx.info_name == "plan" else set()
    if ctx.info_name != "status":  # `approver install` has another --image
        kept.update(_PODS)
    if ctx.info_name == _SERVES:
        kept.update(_CLUSTER)
    given = tuple(
        (flag, _as_said(value))
        for flag in _REPEATED
        if flag not in kept
        and (value := ctx.params.get(_parameter(flag))) is not None
        and ctx.get_parameter_source(_parameter(flag)) is ParameterSource.COMMANDLINE
    )
    program = ctx.find_root().info_name or OURS
    return Invocation(program, given, ssh_config, verb=ctx.info_name or "")
