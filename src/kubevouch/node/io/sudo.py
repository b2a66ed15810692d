"""Becomes root with sudo, after a login as another user.

sudo may need no password, or the operator's password. We send the password on standard input, and
only if sudo prompts for it. We send the script after a root shell has started. With `-k`, sudo
neither uses nor caches credentials.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import Final

from kubevouch.node.io.shell import Process

NOT_ROOT: Final = 254
NO_ROOT: Final = "expected root, or sudo without a password (or --ask-sudo-password)"

# Runs in `sh`, whatever the login shell is. A first try tests sudo without our standard input: a
# sudo that logs input would record it.
WITHOUT_PASSWORD: Final = (
    'sh -c \'if [ "$(id -u)" = 0 ]; then exec sh -s; '
    f"elif sudo -n sh -s </dev/null; then exec sudo -n sh -s; else exit {NOT_ROOT}; fi'"
)

# With a password: a test shows whether sudo would prompt. We get the result, and answer "yes" before
# the sudo that prompts starts. PAM counts an aborted prompt as a failed login, and a few of them lock an
# account. The marks are random, so no jump host's output or banner can contain them.
_PROMPTING: Final = (
    'sh -c \'run="echo {ready}; exec sh -s"; if [ "$(id -u)" = 0 ]; then exec sh -c "$run"; '
    'elif sudo -k -n sh -c : </dev/null 2>/dev/null; then exec sudo -k -n sh -c "$run"; else '
    'echo {asks}; read -r go; [ "$go" = yes ] || exit {not_root}; '
    'LC_ALL=C exec sudo -k -S -p "{prompt}" sh -c "$run"; fi\''
)
_WRONG: Final = re.compile(rb"incorrect (?:password|authentication) attempt")
_ANSWERS_WITHIN: Final = 15.0
"""Seconds to wait for sudo's prompt, and then for its reply to the password. PAM delays the reply
to a wrong password."""


class SudoPassword:
    """The operator's sudo password for several nodes, and which hosts accepted or refused it.

    Nodes that have not accepted the password yet get it one at a time. After a node has refused it
    or has not replied, we send it only to nodes that accepted it before: a few wrong attempts can
    lock a central account.

    random_bits: takes a number of bits, and returns a random number with that many bits, for the
    marks that a node must echo.
    """

    def __init__(self, word: str, random_bits: Callable[[int], int]) -> None:
        self.word = word.encode()
        self.random_bits = random_bits
        self.taken_at: set[str] = set()
        self.refused_at: set[str] = set()
        self.first = asyncio.Lock()

    def __repr__(self) -> str:
        """Hides the password."""
        return "<the password for sudo>"


class SudoEntry:
    """An attempt to get a root shell on a host. is_root: whether the attempt succeeded.

    why: why the attempt failed, in addition to sudo's message. withheld: why we did not send the
    password.
    """

    def __init__(self, password: SudoPassword, host: str) -> None:
        self._password = password
        self._host = host
        mark = f"{password.random_bits(64):016x}"
        self._ready = f"kubevouch-{mark}-is-root"
        self._asks = f"kubevouch-{mark}-is-asked"
        self._prompt = f"kubevouch {mark} asks for the password: "
        self.is_root = False
        self.why = NO_ROOT
        self.withheld = ""

    @property
    def shell(self) -> str:
        """The shell command for the node. It prints the random marks of this attempt."""
        return _PROMPTING.format(
            ready=self._ready, asks=self._asks, prompt=self._prompt, not_root=NOT_ROOT
        )

    async def enter(self, talk: Process) -> bool:
        """Answers sudo's prompt, if any. Returns whether a root shell has started."""
        await talk.heard(lambda out, _: _line(self._ready, out) or _line(self._asks, out))
        if _line(self._asks, talk.stdout):
            if self._host in self._password.taken_at:
                await self._send_unless_refused(talk)
            else:
                async with self._password.first:
                    await self._send_unless_refused(talk)
        self.is_root = _line(self._ready, talk.stdout)
        return self.is_root

    def complaint(self, said: bytes) -> bytes:
        """Standard error without sudo's prompt. Hides the password, if a program printed it."""
        said = said.replace(self._prompt.encode(), b"")
        word = self._password.word
        return said.replace(word, b"(the password)") if word else said

    async def _send_unless_refused(self, talk: Process) -> None:
        password = self._password
        if self._host in password.refused_at:
            self.withheld = "sudo did not accept the password before, so it was not sent again"
        elif password.refused_at and self._host not in password.taken_at:
            self.withheld = "the password was not sent, since another node did not accept it"
        else:
            await self._send(talk)
            return
        talk.say(b"no\n")

    async def _send(self, talk: Process) -> None:
        """Sends the password. Until sudo accepts it, counts the host as refusing the password."""
        password = self._password
        talk.say(b"yes\n")
        await self._wait_for(talk, lambda _, err: self._prompts(err) > 0)
        if not self._prompts(talk.stderr):
            return  # sudo has ended instead, or is silent
        password.refused_at.add(self._host)
        talk.say(password.word + b"\n")
        # sudo asks again after a wrong password.
        if not await self._wait_for(
            talk, lambda out, err: _line(self._ready, out) or self._prompts(err) > 1
        ):
            self.why = "sudo did not answer after the password"
        elif _line(self._ready, talk.stdout):
            password.taken_at.add(self._host)
            password.refused_at.remove(self._host)
        elif self._prompts(talk.stderr) > 1 or _WRONG.search(talk.stderr):
            self.why = "sudo rejected the password"
        else:  # the password is right, but the user may not become root
            password.refused_at.remove(self._host)

    async def _wait_for(self, talk: Process, holds: Callable[[bytearray, bytearray], bool]) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ANSWERS_WITHIN):
                await talk.heard(holds)
                return True
        return False

    def _prompts(self, err: bytearray) -> int:
        return err.count(self._prompt.encode())


def _line(mark: str, out: bytearray) -> bool:
    return f"{mark}\n".encode() in out
