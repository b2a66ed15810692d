"""ssh's verbose log (`ssh -E`): which host answered, under which name and address, and what failed.

Only the local ssh writes this log, while the remote side can print anything to standard error. We
read lines such as `debug1: Server host key: ssh-ed25519 SHA256:...` and `debug1: Host '...' is
known and matches the ... host key.` (OpenSSH sshconnect.c, sshconnect2.c). The ssh of a jump host
does not write to this log.
"""

import asyncio
import os
import re
from pathlib import Path

_HOST_KEY = re.compile(r"^debug1: Server host key: (\S+ SHA256:\S+)\r?$", re.MULTILINE)
_KNOWN_AS = re.compile(
    r"^debug1: Host '([^']+)' is known and matches the \S+ host key", re.MULTILINE
)
_DIALLED = re.compile(
    r"^debug1: Connecting to \S+ \[([0-9A-Fa-f.:]+)\] port \d+\.\r?$", re.MULTILINE
)
_LARGEST = 256 * 1024
_PIECE = 64 * 1024
_LONGEST_LINE = 500
_HELD_OPEN = 'exec 3<>"$0"; (exec "$@"); exit $?'
"""When ssh opens the pipe, it waits for a reader. The shell is one, so ssh goes on even if we were killed.

With `exec`, bash as /bin/sh runs no exported function in place of the program."""
_CHATTER = ("debug", "OpenSSH_", "Authenticated to", "Transferred:", "Bytes per second:")


class SshLogPipe:
    """A pipe from which we read the log of one ssh process. Keeps only the beginning.

    A log file would not do: the remote side can make ssh log endlessly and so fill the disk
    (SSH_MSG_DEBUG, RFC 4253). Create the pipe before ssh starts, and close it at the end. Raises
    OSError.
    """

    def __init__(self, path: Path) -> None:
        os.mkfifo(path, 0o600)
        self.start_of_command = ("/bin/sh", "-c", _HELD_OPEN, str(path))
        """The arguments that precede the ssh command: a shell that holds the pipe open."""
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._kept = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._read)

    def _read(self) -> bool:
        try:
            data = os.read(self._descriptor, _PIECE)
        except BlockingIOError:
            return False
        if not data:  # ssh has ended
            self._loop.remove_reader(self._descriptor)
        self._kept += data[: _LARGEST - len(self._kept)]
        return bool(data)

    def log(self) -> "SshLog":
        """The log so far."""
        while len(self._kept) < _LARGEST and self._read():
            pass
        return SshLog(bytes(self._kept))

    def close(self) -> None:
        """Stops reading, and closes the pipe."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)


class SshLog:
    """The log of one ssh process so far."""

    def __init__(self, written: bytes) -> None:
        self._text = "\n" + written.decode(errors="replace")

    @property
    def host_key(self) -> str:
        """The fingerprint of the host's key; empty if unknown."""
        return _only(_HOST_KEY, self._text)

    @property
    def known_as(self) -> str:
        """The host's name in known_hosts; empty if unknown."""
        return _only(_KNOWN_AS, self._text)

    @property
    def dialled(self) -> str:
        """The address to which ssh connected; empty with a jump host or a ProxyCommand."""
        return _only(_DIALLED, self._text)

    @property
    def is_entered(self) -> bool:
        """Whether the login succeeded."""
        return "\ndebug1: Authentication succeeded" in self._text or (
            "\nAuthenticated to " in self._text
        )

    def complaint(self, said: bytes) -> str:
        """The last messages of ssh and of the remote side, without debug lines."""
        lines = [*self._text.splitlines(), *said.decode(errors="replace").splitlines()]
        plain = [line.strip() for line in lines]
        messages = [each for each in plain if each and not each.startswith(_CHATTER)]
        return "; ".join(map(_shortened, messages[-4:]))


def _shortened(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}..."


def _only(pattern: re.Pattern[str], text: str) -> str:
    """The value that matches the pattern; empty if there is none, or several different values."""
    found: set[str] = set(pattern.findall(text))
    return found.pop() if len(found) == 1 else ""
