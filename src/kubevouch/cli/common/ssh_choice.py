"""How nodes are reached by ssh: with which configuration, and with which password for sudo.

Such a configuration runs commands on this machine (ProxyCommand, Match exec).

A plan may come from somebody else. The file that it names is used only if nobody else could have written it, and it is
said before ssh reads it; --ssh-config is the operator's own word, and wins.
"""

import os
import secrets  # noqa: TID251 - the real one is passed in here
from pathlib import Path

import msgspec

from kubevouch.cli.common.terminal import Terminal
from kubevouch.errors import UsageError
from kubevouch.node.io.ssh import Ssh, SshOptions, check_config
from kubevouch.node.io.sudo import SudoPassword
from kubevouch.rollout.decide.plan import Plan

_OTHERS_MAY_WRITE = 0o022


def with_ssh_config(plan: Plan, given: str | None, terminal: Terminal) -> Plan:
    """The plan with the configuration that counts; a note says which it is, if it is the plan's own.

    given: what --ssh-config says.

    Raises:
        UsageError: the plan names a file that is not there, or that others may write; or ssh cannot read the given one.
    """
    if given:
        check_config(given)
        return msgspec.structs.replace(plan, ssh_config=str(Path(given).absolute()))
    if plan.via != "ssh" or not plan.ssh_config:
        return plan
    problem = _not_our_own(Path(plan.ssh_config))
    if problem:
        raise UsageError(
            plan.ssh_config,
            f"the plan has ssh read this file, and {problem}",
            "--ssh-config FILE was expected, with a file that you trust: ssh runs the commands in it",
        )
    terminal.note(f"ssh reads {plan.ssh_config}, as the plan says")
    return plan


def ask_for_sudo(terminal: Terminal, user: str) -> None:
    """Asks for the password that sudo on the nodes wants; from then on `ssh_of` has it. user: who logs in, if that was said.

    Raises:
        UsageError: nobody is there to be asked, or nothing was typed in.
    """
    if not terminal.can_ask:
        seen = "is not a terminal to ask for a password at"
        raise UsageError("standard input", seen, "sudo that asks for none was expected")
    whose = f"of {user} " if user else ""
    word = terminal.ask_hidden(f"Password {whose}for sudo on the nodes")
    if not word:
        raise UsageError("the password for sudo", "nothing was typed in")
    terminal.sudo_password = SudoPassword(word, secrets.randbits)


def ssh_of(terminal: Terminal, config: str, user: str) -> Ssh:
    """The operator's ssh. Raises UsageError if it cannot read its configuration."""
    options = SshOptions(config=config or None, user=user or None)
    return Ssh(options, environment=terminal.environment, password=terminal.sudo_password)


def _not_our_own(path: Path) -> str:
    """Why the file may hold somebody else's words; empty if it is this user's or root's, and nobody else may write it."""
    if not path.is_absolute():
        return "it is not an absolute path"
    try:
        found = path.stat()
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if found.st_uid not in (0, os.geteuid()):
        return f"it belongs to the user with id {found.st_uid}"
    if found.st_mode & _OTHERS_MAY_WRITE:
        return f"others may write it (its mode is {found.st_mode & 0o7777:o})"
    return ""
