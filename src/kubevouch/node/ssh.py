"""The system's own ssh carries the script: its configuration, agent, known hosts and jumps are the operator's.

Unknown host keys are refused by ssh itself (BatchMode never asks). What ssh says in its verbose lines is the
only place where the host key and the address that answered can be read:
`debug1: Connecting to NAME [ADDRESS] port 22.` and `debug1: Server host key: ssh-ed25519 SHA256:…`
(OpenSSH sshconnect.c, sshconnect2.c). A connection shared through ControlMaster shows neither.
"""

import re
from collections.abc import Mapping

import msgspec

from kubevouch.node import shell
from kubevouch.node.errors import Lost, ScriptFailed, Unreachable
from kubevouch.node.script import Carried, Script, T, answer_in

_FAILED = 255
"""ssh's own exit status when the connection, not the command, failed (ssh(1), EXIT STATUS)."""

_CONNECTING = re.compile(r"^debug1: Connecting to .* \[([0-9A-Fa-f.:]+)\] port \d+", re.MULTILINE)
_HOST_KEY = re.compile(r"^debug1: Server host key: (\S+ SHA256:\S+)", re.MULTILINE)
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:_-]*[A-Za-z0-9])?")

_NOT_ROOT = 254
# Root, or somebody who may become root without being asked. POSIX; runs before the script is read.
_SHELL = (
    'if [ "$(id -u)" = 0 ]; then exec sh -s; '
    f"elif sudo -n true; then exec sudo -n sh -s; else exit {_NOT_ROOT}; fi"
)


class SshOptions(msgspec.Struct, frozen=True):
    """What the operator may say of the way; everything else is in their ssh configuration."""

    config: str | None = None
    """A configuration file in place of ~/.ssh/config (ssh -F)."""

    user: str | None = None
    connect_timeout: int = 10
    """Seconds."""


class Ssh:
    """Runs scripts on hosts by `ssh`, as root or through `sudo -n`."""

    name = "ssh"

    def __init__(self, options: SshOptions, *, environment: Mapping[str, str]) -> None:
        self._options = options
        self._environment = environment

    async def carry(
        self, host: str, script: Script[T], *, timeout: float, alias: str | None = None
    ) -> Carried[T]:
        """Runs the script on `host` and reads its answer.

        Args:
            host: a name or an address, as ssh takes it.
            script: sent on ssh's standard input: it is never on a command line, and never on a disk there.
            timeout: seconds for the whole.
            alias: check the host key under this name (HostKeyAlias): an address that answers with it is that host.

        Raises:
            Unreachable: ssh did not get a shell (refused, unknown host key, no login, no sudo).
            Lost: the connection or the time ended after the script had been sent.
            ScriptFailed: the script ended without an answer.
        """
        where = f"{host} (ssh)"
        if not _HOST.fullmatch(host):
            raise Unreachable(where, f"{host!r} is not a host name or address that ssh can take")
        ran = await shell.run(
            self._argv(host, alias),
            stdin=script.sealed(),
            environment=self._environment,
            timeout=timeout,
        )
        spoken = ran.stderr.decode(errors="replace")
        complaint = _complaint(spoken)
        if ran.status is None:
            raise Lost(
                where, f"the {script.name} script gave no answer within {timeout:.0f} s", complaint
            )
        if ran.status == _NOT_ROOT:
            raise Unreachable(where, complaint, "root, or sudo that asks no password, is needed")
        if ran.status == _FAILED:
            entered = "debug1: Sending command" in spoken
            raise (Lost if entered else Unreachable)(where, complaint or "ssh failed")
        if ran.status != 0 and not ran.stdout:
            raise ScriptFailed(
                where, f"the {script.name} script ended with {ran.status}", complaint
            )
        return Carried(
            answer=answer_in(ran.stdout, script, where=where, complaint=complaint),
            host_key=_last(_HOST_KEY, spoken),
            peer=_last(_CONNECTING, spoken),
        )

    def _argv(self, host: str, alias: str | None) -> list[str]:
        settings = {
            "BatchMode": "yes",
            "ConnectTimeout": str(self._options.connect_timeout),
            "ServerAliveInterval": "5",
            "ServerAliveCountMax": "3",
            "ClearAllForwardings": "yes",
            "ForwardAgent": "no",
            "PermitLocalCommand": "no",
        }
        if alias:
            settings["HostKeyAlias"] = alias
        words = ["ssh", "-v", "-T"]
        if self._options.config:
            words += ["-F", self._options.config]
        if self._options.user:
            words += ["-l", self._options.user]
        for name, value in settings.items():
            words += ["-o", f"{name}={value}"]
        return [*words, "--", host, _SHELL]


def _last(pattern: re.Pattern[str], text: str) -> str | None:
    """Through a jump ssh speaks twice; the last is the host itself."""
    found: list[str] = pattern.findall(text)
    return found[-1] if found else None


def _complaint(spoken: str) -> str:
    """What a person would have seen: ssh's and the script's own lines, without the verbose ones."""
    verbose = ("debug1:", "OpenSSH_", "Authenticated to", "Transferred:", "Bytes per second:")
    lines = [line.rstrip() for line in spoken.splitlines() if line.strip()]
    plain = [line for line in lines if not line.startswith(verbose)]
    return "; ".join(plain[-4:])
