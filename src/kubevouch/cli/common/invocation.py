"""The flags of this call, and our command lines for the same cluster: every hint is made here.

An operator copies what NEXT says. A hint without the flags of the command that printed it would act on another
cluster, so each hint repeats them, quoted for a shell. A shell inherits the environment ($KUBECONFIG) anyway.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from shlex import quote

import click

from kubevouch.rollout.decide.timeouts import as_said

OURS = "kubevouch"
SSH_CONFIG = "KUBEVOUCH_SSH_CONFIG"
"""The variable that names ssh's configuration for a new plan. An existing plan keeps its own."""
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
"""By verb, the verbs that continue its work, with its timeout flags. Other verbs' timeouts mean other things."""
_OF_A_PLAN = ("--via", "--ssh-user", "--ask-sudo-password", *_PODS)

# Which flags say where a verb acts. What is not listed takes none of them (explain, version).
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
"""The verb of each server. Its kubeconfig is for the server's own account, but its advice is for an operator."""


@dataclass(frozen=True)
class Invocation:
    """program: as the operator calls it. given: the flags of cluster and timeouts; "" for a flag without a value.

    verb: the called verb; empty if it does not matter. ssh_config: the file from the environment that our own ssh reads; the
    operator's ssh does not know it.
    """

    program: str = OURS
    given: tuple[tuple[str, str], ...] = ()
    ssh_config: str = ""
    verb: str = ""

    def line(self, command: str) -> str:
        """Adds the flags of this call to a command line `kubevouch VERB ...`, `kubectl ...` or `ssh ...`.

        The command's own flags stay as they are. Any other text is returned unchanged.
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

    def needed_in(self, text: str) -> str:
        """A sentence about the cluster flags that commands in this text need; empty if they need none."""
        flags = " ".join(self._flags(_CLUSTER, ""))
        return f"The commands in this text need {flags}, too." if flags and "`" in text else ""

    def _ssh_flags(self, rest: str) -> list[str]:
        """The flags in ssh's own letters, without those that the line has."""
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
    """The name under which click passes its value."""
    return "directory" if flag == "--dir" else flag.removeprefix("--").replace("-", "_")


def _as_said(value: object) -> str:
    """A value for a command line; durations are in seconds."""
    if isinstance(value, float):
        return as_said(value)
    return "" if value is True else str(value)


def invocation_of(ctx: click.Context, ssh_config: str = "") -> Invocation:
    """The flags of the running command, without default values. ssh_config: from the environment."""
    from click.core import ParameterSource

    # A plan stores how to reach its nodes: a hint repeats only flags that replace that.
    kept = {*_SSH, *_PODS} if ctx.info_name == "plan" else set()
    if ctx.info_name != "status":  # the approver's image is its own
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
