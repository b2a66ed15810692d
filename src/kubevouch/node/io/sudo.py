"""Root by sudo for a login as another user: without a password, or with the one that the operator typed.

A node gets the password only if its sudo asks for it, on standard input. The script follows once a
root shell has reported. We have sudo use no cached credential, so it caches none of ours (`-k`).
"""

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import Final

from kubevouch.node.io.shell import Talk

NOT_ROOT: Final = 254
NO_ROOT: Final = "expected root, or sudo without a password (or --ask-sudo-password)"

# In `sh`, whatever the login shell is. The very same command tests sudo, without our standard
# input, which sudo would record if it logs input.
WITHOUT_PASSWORD: Final = (
    'sh -c \'if [ "$(id -u)" = 0 ]; then exec sh -s; '
    f"elif sudo -n sh -s </dev/null; then exec sudo -n sh -s; else exit {NOT_ROOT}; fi'"
)

# With a password: the same test shows whether sudo asks, and tells us; the asking sudo starts
# only on our word. For PAM an aborted question is a failed login, and a few of them lock an
# account. The marks are random, so no earlier ssh or banner on the way can contain them.
_OR_ASKED: Final = (
    'sh -c \'run="echo {ready}; exec sh -s"; if [ "$(id -u)" = 0 ]; then exec sh -c "$run"; '
    'elif sudo -k -n sh -c : </dev/null 2>/dev/null; then exec sudo -k -n sh -c "$run"; else '
    'echo {asks}; read -r go; [ "$go" = yes ] || exit {not_root}; '
    'LC_ALL=C exec sudo -k -S -p "{prompt}" sh -c "$run"; fi\''
)
_WRONG: Final = re.compile(rb"incorrect (?:password|authentication) attempt")
_ANSWERS_WITHIN: Final = 15.0
"""Seconds for sudo to ask, and again to accept or refuse the password: PAM delays a wrong one."""


class SudoPassword:
    """The operator's sudo password for several nodes: which hosts accepted it, and which got it and did not.

    It goes to one new node at a time. Once a node did not accept it (wrong there, or no outcome),
    it goes only to nodes that accepted it before. Every wrong try counts, and with central accounts
    a few lock the account.

    random_bits: returns that many; the marks that a node must echo are made of them.
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
    """One shell that becomes root. is_root: it has.

    why: why it has not, besides sudo's own words. withheld: why it got no password from us.
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
        """The command for the node, which prints this entry's marks."""
        return _OR_ASKED.format(
            ready=self._ready, asks=self._asks, prompt=self._prompt, not_root=NOT_ROOT
        )

    async def enter(self, talk: Talk) -> bool:
        """Answers sudo if it asks. Returns whether a root shell is there."""
        await talk.heard(lambda out, _: _line(self._ready, out) or _line(self._asks, out))
        if _line(self._asks, talk.out):
            if self._host in self._password.taken_at:
                await self._give_unless_refused(talk)
            else:
                async with self._password.first:
                    await self._give_unless_refused(talk)
        self.is_root = _line(self._ready, talk.out)
        return self.is_root

    def complaint(self, said: bytes) -> bytes:
        """The standard error without sudo's question, and without the password, should anybody print it."""
        said = said.replace(self._prompt.encode(), b"")
        word = self._password.word
        return said.replace(word, b"(the password)") if word else said

    async def _give_unless_refused(self, talk: Talk) -> None:
        password = self._password
        if self._host in password.refused_at:
            self.withheld = "sudo did not accept the password before, and does not get it again"
        elif password.refused_at and self._host not in password.taken_at:
            self.withheld = "sudo did not get the password, since another node's did not accept it"
        else:
            await self._give(talk)
            return
        talk.say(b"no\n")

    async def _give(self, talk: Talk) -> None:
        """Gives the password. Until the host accepts it, it counts as one that did not."""
        password = self._password
        talk.say(b"yes\n")
        await self._hears(talk, lambda _, err: self._asked(err) > 0)
        if not self._asked(talk.err):
            return  # it has ended instead, or is silent
        password.refused_at.add(self._host)
        talk.say(password.word + b"\n")
        # It asks again after a wrong one.
        if not await self._hears(
            talk, lambda out, err: _line(self._ready, out) or self._asked(err) > 1
        ):
            self.why = "sudo got the password and did not answer"
        elif _line(self._ready, talk.out):
            password.taken_at.add(self._host)
            password.refused_at.remove(self._host)
        elif self._asked(talk.err) > 1 or _WRONG.search(talk.err):
            self.why = "sudo has refused the password"
        else:  # the right password, of a user who may not become root there
            password.refused_at.remove(self._host)

    async def _hears(self, talk: Talk, holds: Callable[[bytes, bytes], bool]) -> bool:
        """Whether it held, or the process ended, within the time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ANSWERS_WITHIN):
                await talk.heard(holds)
                return True
        return False

    def _asked(self, err: bytes) -> int:
        return err.count(self._prompt.encode())


def _line(mark: str, out: bytes) -> bool:
    return f"{mark}\n".encode() in out
