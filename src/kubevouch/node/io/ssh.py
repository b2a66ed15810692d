"""Scripts are sent by the system's own ssh: its configuration, agent, known hosts and jump hosts are the operator's.

What proves who answered is in ssh's own verbose log, which goes to a file (`ssh -E`): on standard error the far side
can print whatever it likes. `debug1: Server host key: ssh-ed25519 SHA256:...` and `debug1: Host '...' is known and
matches the ... host key.` (OpenSSH sshconnect.c, sshconnect2.c). A jump host's ssh does not write there.
"""

import errno
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from kubevouch.errors import UsageError
from kubevouch.node.destination import Destination
from kubevouch.node.errors import AnswerLost, NodeUnreachable, ScriptFailed
from kubevouch.node.io import shell
from kubevouch.node.io.known_hosts import look_up
from kubevouch.node.script import DialAddress, Script, ScriptResult, T, answer_in

_FAILED = 255
"""ssh's own exit status when the connection, not the command, failed (ssh(1), EXIT STATUS)."""

_HOST_KEY = re.compile(r"^debug1: Server host key: (\S+ SHA256:\S+)\r?$", re.MULTILINE)
_KNOWN_AS = re.compile(
    r"^debug1: Host '([^']+)' is known and matches the \S+ host key", re.MULTILINE
)
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:_-]*[A-Za-z0-9])?")
_LARGEST_LOG = 256 * 1024

_NOT_ROOT = 254
# Root, or somebody who may become root without being asked. In `sh`, whatever the login shell is; runs before the
# script is read.
_SHELL = (
    'sh -c \'if [ "$(id -u)" = 0 ]; then exec sh -s; '
    f"elif sudo -n true; then exec sudo -n sh -s; else exit {_NOT_ROOT}; fi'"
)

# Nothing of the operator's goes to a node, the host key is checked whatever their configuration says, and the
# connection is our own: a shared one shows no host key, and keeps our standard error open when it goes to the
# background. First values win in ssh: these stand before the configuration's.
_SETTINGS = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "UpdateHostKeys": "no",
    "ControlMaster": "no",
    "ControlPath": "none",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "ForwardX11Trusted": "no",
    "GSSAPIDelegateCredentials": "no",
    "Tunnel": "no",
    "PermitLocalCommand": "no",
    "RemoteCommand": "none",
    "SendEnv": "-*",
    "LogLevel": "DEBUG1",
}


class SshOptions(msgspec.Struct, frozen=True):
    """What the operator may say about ssh; everything else is in their ssh configuration."""

    config: str | None = None
    """A configuration file in place of ~/.ssh/config (ssh -F)."""

    user: str | None = None
    connect_timeout: int = 10
    """Seconds."""


def check_config(config: str) -> None:
    """Raises UsageError if ssh could not read this file: it would say so of each host, once a run has begun."""
    path = Path(config)
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            seen = "is a folder"
        elif not os.access(path, os.R_OK):
            seen = os.strerror(errno.EACCES)
        else:
            return
    except OSError as error:
        seen = error.strerror or "cannot be read"
    raise UsageError(f"--ssh-config {config}", seen, "a file that ssh can read was expected")


class Ssh:
    """Runs scripts on hosts by `ssh`, as root or through `sudo -n`. Raises UsageError if it cannot read its configuration."""

    name = "ssh"

    def __init__(self, options: SshOptions, *, environment: Mapping[str, str]) -> None:
        if options.config is not None:
            check_config(options.config)
        self._options = options
        self._environment = environment

    async def destination(self, host: str) -> Destination:
        """How ssh would reach `host`, and whether a key is known for it. Connects to nothing.

        Raises:
            NodeUnreachable: it is no host name or address that ssh can take, or there is no ssh.
        """
        _check_words(f"{host} (ssh)", host)
        return await look_up(host, self._choices(), environment=self._environment)

    async def run_script(
        self, host: str, script: Script[T], *, timeout: float, at: DialAddress | None = None
    ) -> ScriptResult[T]:
        """Runs the script on `host` and reads its answer.

        Args:
            host: a name or an address, as ssh takes it.
            script: sent on ssh's standard input: it is never on a command line, and never on a disk there.
            timeout: seconds for the whole.
            at: another address to dial for that host, and the name under which its key is known.

        Raises:
            NodeUnreachable: ssh did not get a shell (refused, unknown host key, no login, no sudo).
            AnswerLost: the connection or the time ended after the login: the script may have run.
            ScriptFailed: the script ended without an answer.
        """
        where = f"{host} (ssh)" if at is None else f"{host} at {at.address} (ssh)"
        _check_words(where, host, *((at.address,) if at else ()))
        with tempfile.TemporaryDirectory(prefix="kubevouch-ssh-") as folder:
            log = Path(folder) / "log"
            ran = await shell.run(
                self._argv(host, at, log),
                stdin=script.sealed(),
                environment=self._environment,
                timeout=timeout,
            )
            spoken = _head(log)
        entered = "\ndebug1: Authentication succeeded" in spoken or "\nAuthenticated to " in spoken
        said = ran.stderr.decode(errors="replace")
        complaint = _complaint(spoken, said)
        if ran.status is None:
            failure = AnswerLost if entered else NodeUnreachable
            limit = f"within {timeout:.0f} s"
            raise failure(where, f"the {script.name} script gave no answer {limit}", complaint)
        if ran.status == _NOT_ROOT:
            raise NodeUnreachable(
                where, complaint, "root, or sudo that asks no password, is needed"
            )
        if ran.status == _FAILED:
            raise (AnswerLost if entered else NodeUnreachable)(where, complaint or "ssh failed")
        if ran.status != 0 and not ran.stdout:
            raise ScriptFailed(
                where, f"the {script.name} script ended with {ran.status}", complaint
            )
        return ScriptResult(
            answer=answer_in(ran.stdout, script, where=where, complaint=complaint),
            host_key=_only(_HOST_KEY, spoken),
            known_as=_only(_KNOWN_AS, spoken),
        )

    def _argv(self, host: str, at: DialAddress | None, log: Path) -> list[str]:
        settings = _SETTINGS | {"ConnectTimeout": str(self._options.connect_timeout)}
        if at is not None:
            settings |= {"HostName": at.address, "HostKeyAlias": at.known_as}
        words = ["ssh", "-T", "-E", str(log), *self._choices()]
        for name, value in settings.items():
            words += ["-o", f"{name}={value}"]
        return [*words, "--", host, _SHELL]

    def _choices(self) -> list[str]:
        """What the operator chose on our command line, in ssh's words."""
        config = ["-F", self._options.config] if self._options.config else []
        return config + (["-l", self._options.user] if self._options.user else [])


def _check_words(where: str, *words: str) -> None:
    for word in words:
        if not _HOST.fullmatch(word):
            seen = f"{word!r} is not a host name or address that ssh can take"
            raise NodeUnreachable(where, seen)


def _head(log: Path) -> str:
    try:
        with log.open("rb") as file:
            return "\n" + file.read(_LARGEST_LOG).decode(errors="replace")
    except OSError:
        return ""  # ssh did not come so far


def _only(pattern: re.Pattern[str], text: str) -> str | None:
    """The one value that was logged; with two of them nobody can say which is true."""
    found: set[str] = set(pattern.findall(text))
    return found.pop() if len(found) == 1 else None


def _complaint(spoken: str, said: str) -> str:
    """What a person would have seen: ssh's own plain lines, and what the far side said."""
    chatter = ("debug", "OpenSSH_", "Authenticated to", "Transferred:", "Bytes per second:")
    lines = [line.strip() for line in (*spoken.splitlines(), *said.splitlines())]
    return "; ".join([line for line in lines if line and not line.startswith(chatter)][-4:])
