"""Root by sudo for whoever logs in as somebody else: without a password, or with the one that the operator has typed in.

The password goes to a node only if sudo there asks for it, on standard input, and the script follows once a shell of
root's has said that it is there. sudo is told to use nothing that it remembers, and so remembers nothing of us (`-k`).
"""

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import Final

from kubevouch.node.io.shell import Talk

NOT_ROOT: Final = 254
NO_ROOT: Final = "root, or sudo that asks no password, is needed (or --ask-sudo-password)"

# In `sh`, whatever the login shell is. Whether sudo does it is tried with the very command, and without our standard
# input, which sudo would take and write down if it records input.
WITHOUT_PASSWORD: Final = (
    'sh -c \'if [ "$(id -u)" = 0 ]; then exec sh -s; '
    f"elif sudo -n sh -s </dev/null; then exec sudo -n sh -s; else exit {NOT_ROOT}; fi'"
)

# With a password: whether sudo asks is found out as above, and told to us; only on our word does the sudo begin that asks. To end
# one that asks is a failed login for PAM, and a few of them lock an account. The marks are new each time: what an ssh on the
# way, or a banner, says to us beforehand cannot hold them.
_OR_ASKED: Final = (
    'sh -c \'run="echo {ready}; exec sh -s"; if [ "$(id -u)" = 0 ]; then exec sh -c "$run"; '
    'elif sudo -k -n sh -c : </dev/null 2>/dev/null; then exec sudo -k -n sh -c "$run"; else '
    'echo {asks}; read -r go; [ "$go" = yes ] || exit {not_root}; '
    'LC_ALL=C exec sudo -k -S -p "{prompt}" sh -c "$run"; fi\''
)
_WRONG: Final = re.compile(rb"incorrect (?:password|authentication) attempt")
_ANSWERS_WITHIN: Final = 15.0
"""Seconds for sudo to ask, and again to take or refuse the password: PAM lets one who is wrong wait a few."""


class SudoPassword:
    """What the operator has typed in: the way to root on several nodes. Which hosts have taken it, and which got it and did not.

    It is given to one new node at a time, and once one has not taken it (it was wrong there, or nothing came of it) to no
    node that has not taken it before. Every wrong try counts, and where accounts are kept in one place a few lock the account.

    random_bits: returns so many; what a node is to say back to us is made of them.
    """

    def __init__(self, word: str, random_bits: Callable[[int], int]) -> None:
        self.word = word.encode()
        self.random_bits = random_bits
        self.taken_at: set[str] = set()
        self.refused_at: set[str] = set()
        self.first = asyncio.Lock()

    def __repr__(self) -> str:
        """Without the word."""
        return "<the password for sudo>"


class SudoEntry:
    """One shell that becomes root's. is_root: it has.

    why: why it has not, beside what sudo has said. withheld: why it could not, since it got no password of us.
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
        """What runs on the node, which says the marks of this entry."""
        return _OR_ASKED.format(
            ready=self._ready, asks=self._asks, prompt=self._prompt, not_root=NOT_ROOT
        )

    async def enter(self, talk: Talk) -> bool:
        """Answers sudo if it asks. Whether a shell of root's is there."""
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
        """What was said on standard error, less what sudo has asked; and less the password, should anybody say it."""
        said = said.replace(self._prompt.encode(), b"")
        word = self._password.word
        return said.replace(word, b"(the password)") if word else said

    async def _give_unless_refused(self, talk: Talk) -> None:
        password = self._password
        if self._host in password.refused_at:
            self.withheld = (
                "sudo got the password before and did not take it, and is not given it again"
            )
        elif password.refused_at and self._host not in password.taken_at:
            self.withheld = "sudo was not given the password, since another node's did not take it"
        else:
            await self._give(talk)
            return
        talk.say(b"no\n")

    async def _give(self, talk: Talk) -> None:
        """Whatever comes of it, also nothing at all: the host counts as one that did not take it until it has."""
        password = self._password
        talk.say(b"yes\n")
        await self._hears(talk, lambda _, err: self._asked(err) > 0)
        if not self._asked(talk.err):
            return  # it has ended instead, or says nothing
        password.refused_at.add(self._host)
        talk.say(password.word + b"\n")
        # It asks again if it was the wrong one.
        if not await self._hears(
            talk, lambda out, err: _line(self._ready, out) or self._asked(err) > 1
        ):
            self.why = "sudo got the password and gave no answer"
        elif _line(self._ready, talk.out):
            password.taken_at.add(self._host)
            password.refused_at.remove(self._host)
        elif self._asked(talk.err) > 1 or _WRONG.search(talk.err):
            self.why = "sudo has refused the password"
        else:  # it was the right one, of somebody who may not become root there
            password.refused_at.remove(self._host)

    async def _hears(self, talk: Talk, holds: Callable[[bytes, bytes], bool]) -> bool:
        """Whether it held, or the process has ended, within the time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ANSWERS_WITHIN):
                await talk.heard(holds)
                return True
        return False

    def _asked(self, err: bytes) -> int:
        return err.count(self._prompt.encode())


def _line(mark: str, out: bytes) -> bool:
    return f"{mark}\n".encode() in out
