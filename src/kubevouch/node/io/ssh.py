"""Runs scripts with the system's ssh and the operator's configuration, agent, known hosts and jump hosts.

ssh's verbose log (`ssh_log`) proves which host answered.

We override some of the operator's settings (ssh_config(5): the first value counts). We forward no
agent, display or port to a node. We cannot override `SendEnv`, so ssh sends the variables that it
lists. ssh checks the host key against known_hosts. Each script has its own connection: a shared
connection logs no host key, and keeps our standard error open in the background. The script goes to
the remote shell's standard input, without a terminal.
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
"""ssh's exit status if the connection failed (ssh(1), EXIT STATUS)."""

_LOOK_UP = 20.0
"""The time limit for `ssh -G` and ssh-keygen in seconds. `ssh -G` may run `Match exec` commands."""

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
"""Settings that old versions of ssh do not know. ssh exits on an unknown setting, so we use only
those that the local ssh knows. An unknown setting cannot be in the operator's configuration."""


def check_config(config: str) -> None:
    """Raises UsageError if ssh cannot read this file.

    Without this check, ssh would fail later, for every host.
    """
    seen = "" if os.access(config, os.R_OK) else "cannot be read"
    seen = seen or ("is a folder" if Path(config).is_dir() else "")
    if seen:
        expected = "expected a file that ssh can read"
        raise UsageError(f"--ssh-config {config}", seen, expected)


class Ssh:
    """Runs scripts on hosts with `ssh`, as root or through sudo.

    Raises UsageError if the configuration file is unreadable or the login name is invalid.

    config: a configuration file instead of ~/.ssh/config (ssh -F). password: the password for sudo.
    If it is None, sudo must not prompt. connect_timeout: ssh's ConnectTimeout in seconds.
    """

    name = "ssh"

    def __init__(
        self,
        config: str = "",
        user: str = "",
        *,
        environment: Mapping[str, str],
        password: SudoPassword | None = None,
        connect_timeout: int = 10,
    ) -> None:
        if config:
            check_config(config)
        if user and not is_login(user):
            raise UsageError(f"--ssh-user {user}", NO_LOGIN)
        self._choices = [*(["-F", config] if config else []), *(["-l", user] if user else [])]
        self._connect_timeout = connect_timeout
        self._environment = environment
        self._password = password
        self._newer: Mapping[str, str] | None = None
        self._probing = asyncio.Lock()

    async def destination(self, host: str) -> Destination:
        """How ssh would reach `host`, and whether known_hosts has its key. Does not connect.

        Raises:
            NodeUnreachable: ssh does not accept the name or address, or is not installed.
        """
        _check_words(f"{host} (ssh)", host)
        return await _look_up(host, self._choices, self._environment)

    async def run_script(
        self, host: str, script: Script[T], *, timeout: float, at: DialAddress | None = None
    ) -> ScriptResult[T]:
        """Runs the script on `host` and reads its answer.

        Args:
            host: a name or an address for ssh.
            script: goes to ssh's standard input, so it is in no command line and on no disk.
            timeout: the limit in seconds.
            at: the address to dial instead of the host's own, and the host's name in known_hosts.

        Raises:
            NodeUnreachable: ssh did not get a shell (refused, unknown host key, no login, no sudo).
            AnswerLost: the connection broke or timed out after the login: the script may have run.
            ScriptFailed: the script ended without an answer.
        """
        where = f"{host} (ssh)" if at is None else f"{host} at {at.address} (ssh)"
        _check_words(where, host, *((at.address,) if at else ()))
        async with self._probing:
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
                        [*pipe.start_of_command, *argv, "-E", str(path), "--", host, shell_],
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
        words = ["ssh", "-T", *self._choices]
        settings = {
            **_SETTINGS,
            **(self._newer or {}),
            "ConnectTimeout": str(self._connect_timeout),
            **others,
        }
        for name, value in settings.items():
            words += ["-o", f"{name}={value}"]
        return words


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
    complaint = spoken.complaint(entry.complaint(ran.stderr) if entry else ran.stderr)
    may_have_run = spoken.is_entered and (entry is None or entry.is_root)
    if ran.status is None:
        failure = AnswerLost if may_have_run else NodeUnreachable
        limit = f"within {timeout:.0f} s"
        raise failure(where, f"the {script.name} script printed no answer {limit}", complaint)
    if ran.status == _FAILED:
        raise (AnswerLost if may_have_run else NodeUnreachable)(where, complaint or "ssh failed")
    if entry and not entry.is_root:
        said = (entry.withheld,) if entry.withheld else (complaint, entry.why)
        raise NoRoot(where, *said)
    if ran.status == NOT_ROOT:
        raise NoRoot(where, complaint, NO_ROOT)
    if ran.status != 0 and not ran.stdout:
        raise ScriptFailed(where, f"the {script.name} script exited with {ran.status}", complaint)
    return answer_in(ran.stdout, script, where=where, complaint=complaint)


async def _newer_settings(environment: Mapping[str, str]) -> Mapping[str, str]:
    """The settings in _NEWER that the local ssh knows.

    Raises NodeUnreachable if ssh is not installed.
    """
    known = await asyncio.gather(*(_is_known(each, environment) for each in _NEWER))
    return {name: _NEWER[name] for name, is_known in zip(_NEWER, known, strict=True) if is_known}


async def _is_known(name: str, environment: Mapping[str, str]) -> bool:
    words = ["ssh", "-F", "/dev/null", "-G", "-o", f"{name}={_NEWER[name]}", "--", "localhost"]
    asked = await shell.run(words, stdin=b"", environment=environment, timeout=_LOOK_UP)
    return asked.status == 0


async def _look_up(host: str, words: list[str], environment: Mapping[str, str]) -> Destination:
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
    """Whether a known_hosts file has an unrevoked key for the name; None if ssh-keygen fails."""
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
