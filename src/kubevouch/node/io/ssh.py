"""Sends scripts with the system's ssh: its configuration, agent, known hosts and jump hosts are the operator's.

ssh's verbose log (`ssh_log`) proves who answered. Each script has its own connection.

We override some settings of the operator (ssh_config(5): the first value counts). No agent, display
or port of the operator reaches a node, and of their variables only those in `SendEnv`, which we
cannot take back. ssh checks the host key against known_hosts. The connection is our own: a shared
one shows no host key, and keeps our standard error open in the background. The script goes to the
remote shell's standard input, without a terminal.
"""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from kubevouch.errors import UsageError
from kubevouch.node.destination import NO_LOGIN, Destination, destination_of, is_host, is_login
from kubevouch.node.errors import AnswerLost, NodeUnreachable, NoRoot, ScriptFailed
from kubevouch.node.io import shell
from kubevouch.node.io.shell import ProcessResult
from kubevouch.node.io.ssh_log import SshLog, SshLogPipe
from kubevouch.node.io.sudo import (
    NO_ROOT,
    NOT_ROOT,
    WITHOUT_PASSWORD,
    SudoEntry,
    SudoPassword,
)
from kubevouch.node.script import DialAddress, Script, ScriptResult, T, answer_in

_FAILED = 255
"""ssh's own exit status when the connection, not the command, failed (ssh(1), EXIT STATUS)."""

_LOOK_UP = 20.0
"""Seconds: `Match exec` of the operator's configuration runs here, too."""

_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "VerifyHostKeyDNS": "no",
        "NoHostAuthenticationForLocalhost": "no",
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
        "RequestTTY": "no",
        "VisualHostKey": "no",
        "LogLevel": "DEBUG1",
    }
)
_NEWER = {
    "SessionType": "default",  # 8.7, like the next two
    "StdinNull": "no",
    "ForkAfterAuthentication": "no",
    "LogVerbose": "none",  # 8.5
    "ChannelTimeout": "none",  # 9.3
    "SetEnv": "KUBEVOUCH=1",  # 7.8; it has no "none", and the first value replaces all others
}
"""An ssh exits at a setting that it does not know, so each one is tried first. An unknown one
cannot be set by any configuration, either."""


class SshOptions(msgspec.Struct, frozen=True):
    """The operator's options for ssh; everything else is in their ssh configuration."""

    config: str | None = None
    """A configuration file instead of ~/.ssh/config (ssh -F)."""

    user: str | None = None
    connect_timeout: int = 10
    """In seconds."""


def check_config(config: str) -> None:
    """Raises UsageError if ssh could not read this file: otherwise every host would fail, in the middle of a run."""
    seen = "" if os.access(config, os.R_OK) else "cannot be read"
    seen = seen or ("is a folder" if Path(config).is_dir() else "")
    if seen:
        expected = "expected a file that ssh can read"
        raise UsageError(f"--ssh-config {config}", seen, expected)


class Ssh:
    """Runs scripts on hosts with `ssh`, as root or through sudo.

    Raises UsageError if it cannot read its configuration, or the login name is invalid.

    password: for sudo, if it asks; without one, a sudo that asks fails.
    """

    name = "ssh"

    def __init__(
        self,
        options: SshOptions,
        *,
        environment: Mapping[str, str],
        password: SudoPassword | None = None,
    ) -> None:
        if options.config is not None:
            check_config(options.config)
        if options.user and not is_login(options.user):
            raise UsageError(f"--ssh-user {options.user}", NO_LOGIN)
        self._options = options
        self._environment = environment
        self._password = password
        self._newer: Mapping[str, str] | None = None
        self._asking = asyncio.Lock()

    async def destination(self, host: str) -> Destination:
        """How ssh would reach `host`, and whether it knows a key for it. Connects to nothing.

        Raises:
            NodeUnreachable: ssh does not accept the name or address, or there is no ssh.
        """
        _check_words(f"{host} (ssh)", host)
        return await _look_up(host, self._choices(), self._environment)

    async def run_script(
        self, host: str, script: Script[T], *, timeout: float, at: DialAddress | None = None
    ) -> ScriptResult[T]:
        """Runs the script on `host` and reads its answer.

        Args:
            host: a name or an address for ssh.
            script: sent on ssh's standard input: never on a command line or a disk there.
            timeout: seconds in total.
            at: another address to dial for that host, and the name of its key.

        Raises:
            NodeUnreachable: ssh did not get a shell (refused, unknown host key, no login, no sudo).
            AnswerLost: the connection or the time ended after the login: the script may have run.
            ScriptFailed: the script ended without an answer.
        """
        where = f"{host} (ssh)" if at is None else f"{host} at {at.address} (ssh)"
        _check_words(where, host, *((at.address,) if at else ()))
        async with self._asking:
            if self._newer is None:
                self._newer = await _newer_settings(self._environment)
        place = {"HostName": at.address, "HostKeyAlias": at.known_as} if at else {}
        ran, log, entry = await self._ran(where, self._argv(place), host, script, timeout)
        answer = _answered(where, script, ran, log, entry, timeout=timeout)
        return ScriptResult(answer, log.host_key, log.known_as, log.dialled)

    async def _ran(
        self, where: str, argv: list[str], host: str, script: Script[T], timeout: float
    ) -> tuple[ProcessResult, SshLog, SudoEntry | None]:
        entry = SudoEntry(self._password, host) if self._password else None
        shell_ = entry.shell if entry else WITHOUT_PASSWORD
        try:
            with tempfile.TemporaryDirectory(prefix="kubevouch-ssh-") as folder:
                path = Path(folder) / "log"
                with contextlib.closing(SshLogPipe(path)) as pipe:
                    ran = await shell.run(
                        [*argv, "-E", str(path), "--", host, shell_],
                        stdin=script.sealed(),
                        environment=self._environment,
                        timeout=timeout,
                        before=entry.enter if entry else None,
                    )
                    return ran, pipe.log(), entry
        except OSError as error:
            what = f"cannot create a folder for ssh's log: {error.strerror}"
            raise NodeUnreachable(where, what) from None

    def _argv(self, others: Mapping[str, str]) -> list[str]:
        """The ssh command with its settings, without the host. others: settings besides ours."""
        words = ["ssh", "-T", *self._choices()]
        settings = {
            **_SETTINGS,
            **(self._newer or {}),
            "ConnectTimeout": str(self._options.connect_timeout),
            **others,
        }
        for name, value in settings.items():
            words += ["-o", f"{name}={value}"]
        return words

    def _choices(self) -> list[str]:
        """The operator's choices on our command line, as ssh options."""
        config = ["-F", self._options.config] if self._options.config else []
        return config + (["-l", self._options.user] if self._options.user else [])


def _check_words(where: str, *words: str) -> None:
    for word in words:
        if not is_host(word):
            seen = f"{word!r} is not a host name or address that ssh accepts"
            raise NodeUnreachable(where, seen)


def _answered(
    where: str,
    script: Script[T],
    ran: ProcessResult,
    spoken: SshLog,
    entry: SudoEntry | None,
    *,
    timeout: float,
) -> T:
    """The script's answer. Raises like `run_script`."""
    complaint = spoken.complaint(entry.complaint(ran.stderr) if entry else ran.stderr)
    may_have_run = spoken.is_entered and (entry is None or entry.is_root)
    if ran.status is None:
        failure = AnswerLost if may_have_run else NodeUnreachable
        limit = f"within {timeout:.0f} s"
        raise failure(where, f"the {script.name} script gave no answer {limit}", complaint)
    if ran.status == _FAILED:
        raise (AnswerLost if may_have_run else NodeUnreachable)(where, complaint or "ssh failed")
    if entry and not entry.is_root:
        said = (entry.withheld,) if entry.withheld else (complaint, entry.why)
        raise NoRoot(where, *said)
    if ran.status == NOT_ROOT:
        raise NoRoot(where, complaint, NO_ROOT)
    if ran.status != 0 and not ran.stdout:
        raise ScriptFailed(where, f"the {script.name} script ended with {ran.status}", complaint)
    return answer_in(ran.stdout, script, where=where, complaint=complaint)


async def _newer_settings(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The newer settings that this machine's ssh knows. Raises NodeUnreachable if there is no ssh."""
    known = await asyncio.gather(*(_is_known(each, environment) for each in _NEWER))
    return {name: _NEWER[name] for name, is_known in zip(_NEWER, known, strict=True) if is_known}


async def _is_known(name: str, environment: Mapping[str, str]) -> bool:
    words = ["ssh", "-F", "/dev/null", "-G", "-o", f"{name}={_NEWER[name]}", "--", "localhost"]
    asked = await shell.run(words, stdin=b"", environment=environment, timeout=_LOOK_UP)
    return asked.status == 0


async def _look_up(host: str, words: list[str], environment: Mapping[str, str]) -> Destination:
    """How ssh would reach a host. words: ssh options before it (-F, -l).

    Raises:
        NodeUnreachable: there is no ssh.
    """
    asked = await shell.run(
        ["ssh", "-G", *words, "--", host], stdin=b"", environment=environment, timeout=_LOOK_UP
    )
    if asked.status != 0:  # ssh reports what is wrong when it connects
        return Destination(host)
    found = destination_of(host, asked.stdout.decode(errors="replace"))
    if not found.files:
        return found
    known = [await _has_key(found.lookup, file, environment) for file in found.files]
    is_known = True if True in known else None if None in known else False
    return msgspec.structs.replace(found, is_known=is_known)


async def _has_key(name: str, file: str, environment: Mapping[str, str]) -> bool | None:
    """Whether a known_hosts file has a key for the name that is not revoked; None if unknown."""
    if not Path(file).exists():
        return False
    try:
        found = await shell.run(
            ["ssh-keygen", "-F", name, "-f", file],
            stdin=b"",
            environment=environment,
            timeout=_LOOK_UP,
        )
    except NodeUnreachable:
        return None
    lines = found.stdout.decode(errors="replace").splitlines()
    keys = [line for line in lines if line and not line.startswith(("#", "@revoked"))]
    return bool(keys) if found.status in (0, 1) else None
