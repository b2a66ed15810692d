"""Runs the operator's ssh, and asks for the sudo password of the nodes."""

import secrets  # noqa: TID251 - the real one is passed in here

from kubevouch.cli.common.invocation import SSH_CONFIG
from kubevouch.cli.common.terminal import Terminal
from kubevouch.errors import UsageError
from kubevouch.node.io.ssh import Ssh
from kubevouch.node.io.sudo import SudoPassword


def ask_for_sudo(terminal: Terminal, user: str) -> None:
    """Asks for the sudo password of the nodes, unless it is known. user: the login name, or "".

    Raises:
        UsageError: there is no terminal, or the password is empty.
    """
    if terminal.sudo_password is not None:
        return  # --watch looks again
    if not terminal.can_ask:
        seen = "is not a terminal, so no password can be entered"
        raise UsageError("standard input", seen, "expected sudo without a password")
    whose = f"of {user} " if user else ""
    word = terminal.ask_hidden(f"Password {whose}for sudo on the nodes")
    if not word:
        raise UsageError("sudo password", "is empty")
    terminal.sudo_password = SudoPassword(word, secrets.randbits)


def ssh_of(terminal: Terminal, config: str, user: str) -> Ssh:
    """The ssh transport. Raises UsageError if ssh cannot read its configuration."""
    password = terminal.sudo_password
    return Ssh(config, user, environment=terminal.environment, password=password)


def asked_ssh(terminal: Terminal, config: str | None, user: str | None, *, asks: bool) -> Ssh:
    """The ssh transport from the options of `via_ssh`. asks: whether to ask for the sudo password. Raises UsageError."""
    if asks:
        ask_for_sudo(terminal, user or "")
    return ssh_of(terminal, config or terminal.environment.get(SSH_CONFIG, ""), user or "")
