"""Scripts are sent by the system's own ssh: its configuration, agent, known hosts and jump hosts are the operator's.

What proves who answered is in ssh's own verbose log (`ssh_log`). Scripts go each by a connection of its own, or, while a
host is held, through one that they share (`ssh_master`).
"""

import asyncio
import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec

from kubevouch.errors import UsageError
from kubevouch.node.destination import NO_LOGIN, Destination, is_host, is_login
from kubevouch.node.errors import AnswerLost, NodeUnreachable, NoRoot, ScriptFailed
from kubevouch.node.io import shell
from kubevouch.node.io.shell import ProcessResult
from kubevouch.node.io.ssh_log import SshLog, SshLogPipe
from kubevouch.node.io.ssh_master import HeldHost, SshMaster, open_master
from kubevouch.node.io.ssh_settings import SETTINGS, look_up, newer_settings
from kubevouch.node.io.sudo import (
    NO_ROOT,
    NOT_ROOT,
    WITHOUT_PASSWORD,
    SudoDoor,
    SudoEntry,
    SudoPassword,
)
from kubevouch.node.script import DialAddress, Script, ScriptResult, T, answer_in

_FAILED = 255
"""ssh's own exit status when the connection, not the command, failed (ssh(1), EXIT STATUS)."""


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
    """Runs scripts on hosts by `ssh`, as root or through sudo.

    Raises UsageError if it cannot read its configuration, or cannot log in under that name.

    password: for sudo, should it ask; without one, a sudo that asks makes nobody root.
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
        self._door = SudoDoor(password) if password else None
        self._held: dict[str, HeldHost] = {}
        self._newer: Mapping[str, str] | None = None
        self._asking = asyncio.Lock()

    async def destination(self, host: str) -> Destination:
        """How ssh would reach `host`, and whether a key is known for it. Connects to nothing.

        Raises:
            NodeUnreachable: it is no host name or address that ssh can take, or there is no ssh.
        """
        _check_words(f"{host} (ssh)", host)
        return await look_up(host, self._choices(), environment=self._environment)

    @contextlib.asynccontextmanager
    async def holding(self, host: str) -> AsyncIterator[None]:
        """While it is open, scripts for `host` share one connection, which the first of them opens."""
        if host in self._held:
            yield
            return
        held = self._held[host] = HeldHost(host)
        try:
            yield
        finally:
            del self._held[host]
            await held.end(held.master)

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
        async with self._asking:
            if self._newer is None:
                self._newer = await newer_settings(self._environment)
        held = self._held.get(host)
        if held is None or at is not None:
            return await self._alone(where, host, script, timeout=timeout, at=at)
        async with held.lock:
            if held.master is None or not held.master.is_open:
                await held.end(held.master)
                held.master = await open_master(where, self._argv, host, self._environment)
        if held.master is None:
            return await self._alone(where, host, script, timeout=timeout, at=None)
        return await self._shared(where, held, held.master, script, timeout)

    async def _alone(
        self, where: str, host: str, script: Script[T], *, timeout: float, at: DialAddress | None
    ) -> ScriptResult[T]:
        """By a connection of its own."""
        place = {"HostName": at.address, "HostKeyAlias": at.known_as} if at else {}
        ran, spoken, entry = await self._ran(where, self._argv(place), host, script, timeout)
        begun = spoken.is_entered
        answer = _answered(where, script, ran, spoken, entry, timeout=timeout, may_have_run=begun)
        return ScriptResult(answer, spoken.host_key, spoken.known_as, spoken.dialled)

    async def _shared(
        self,
        where: str,
        held: HeldHost,
        master: SshMaster,
        script: Script[T],
        timeout: float,
    ) -> ScriptResult[T]:
        """Through the master. By a connection of its own, if the far side allows no second session, or the master is gone."""
        host, argv = held.host, self._argv(master.settings)
        ran, spoken, entry = await self._ran(where, argv, host, script, timeout)
        if ran.status in (None, _FAILED) and not spoken.is_refused:
            await held.end(master)
        if ran.status == _FAILED and not spoken.has_session:
            return await self._alone(where, host, script, timeout=timeout, at=None)
        begun = spoken.has_session
        answer = _answered(where, script, ran, spoken, entry, timeout=timeout, may_have_run=begun)
        log = master.log
        return ScriptResult(answer, log.host_key, log.known_as, log.dialled)

    async def _ran(
        self, where: str, argv: list[str], host: str, script: Script[T], timeout: float
    ) -> tuple[ProcessResult, SshLog, SudoEntry | None]:
        entry = self._door.entry(host) if self._door else None
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
            what = f"no folder can be made for ssh's log: {error.strerror}"
            raise NodeUnreachable(where, what) from None

    def _argv(self, others: Mapping[str, str | None]) -> list[str]:
        """Ssh with its settings, without the host. others: settings in place of ours, or besides them; None leaves one out."""
        words = ["ssh", "-T", *self._choices()]
        settings = {
            **SETTINGS,
            **(self._newer or {}),
            "ConnectTimeout": str(self._options.connect_timeout),
            **others,
        }
        for name, value in settings.items():
            words += ["-o", f"{name}={value}"] if value is not None else []
        return words

    def _choices(self) -> list[str]:
        """What the operator chose on our command line, in ssh's words."""
        config = ["-F", self._options.config] if self._options.config else []
        return config + (["-l", self._options.user] if self._options.user else [])


def _check_words(where: str, *words: str) -> None:
    for word in words:
        if not is_host(word):
            seen = f"{word!r} is not a host name or address that ssh can take"
            raise NodeUnreachable(where, seen)


def _answered(
    where: str,
    script: Script[T],
    ran: ProcessResult,
    spoken: SshLog,
    entry: SudoEntry | None,
    *,
    timeout: float,
    may_have_run: bool,
) -> T:
    """The script's answer. Raises as `run_script` does."""
    complaint = spoken.complaint(entry.complaint(ran.stderr) if entry else ran.stderr)
    may_have_run = may_have_run and (entry is None or entry.is_root)
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
