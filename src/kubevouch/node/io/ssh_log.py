"""What ssh's own verbose log tells (`ssh -E`): who answered, under which name and at which address, and what went wrong.

On standard error the far side can print whatever it likes; this log only ssh itself writes. `debug1: Server host key:
ssh-ed25519 SHA256:...` and `debug1: Host '...' is known and matches the ... host key.` (OpenSSH sshconnect.c,
sshconnect2.c). A jump host's ssh does not write there.
"""

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
_CHATTER = ("debug", "OpenSSH_", "Authenticated to", "Transferred:", "Bytes per second:")


class SshLog:
    """The log of one ssh, as far as it has come."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._text = "\n" + file.read(_LARGEST).decode(errors="replace")
        except OSError:
            self._text = ""  # ssh did not come so far

    @property
    def host_key(self) -> str | None:
        """Fingerprint of the host key that answered."""
        return _only(_HOST_KEY, self._text)

    @property
    def known_as(self) -> str | None:
        """The name under which known_hosts has it."""
        return _only(_KNOWN_AS, self._text)

    @property
    def dialled(self) -> str | None:
        """The address that this ssh connected to itself; None where a jump host or a ProxyCommand did."""
        return _only(_DIALLED, self._text)

    @property
    def is_entered(self) -> bool:
        """Whether the login succeeded."""
        return "\ndebug1: Authentication succeeded" in self._text or (
            "\nAuthenticated to " in self._text
        )

    @property
    def has_session(self) -> bool:
        """Whether a master gave it a session, so that its command may have begun (mux.c, mux_client_request_session)."""
        return "\ndebug1: mux_client_request_session: master session id: " in self._text

    @property
    def is_refused(self) -> bool:
        """Whether the far side allows no other session on the master's connection (sshd_config(5), MaxSessions)."""
        return "\nmux_client_request_session: session request failed: " in self._text

    def complaint(self, said: bytes) -> str:
        """What a person would have seen: ssh's own plain lines, and what the far side said."""
        lines = [*self._text.splitlines(), *said.decode(errors="replace").splitlines()]
        plain = [line.strip() for line in lines]
        return "; ".join([each for each in plain if each and not each.startswith(_CHATTER)][-4:])


def _only(pattern: re.Pattern[str], text: str) -> str | None:
    """The one value that was logged; with two of them nobody can say which is true."""
    found: set[str] = set(pattern.findall(text))
    return found.pop() if len(found) == 1 else None
