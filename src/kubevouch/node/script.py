"""A script for a node, and the answer that it must print.

The unit of work on a node is one idempotent POSIX shell script that ends with one line of JSON. A transport
(ssh, a pod) does not know what the script does, and the script does not know how it came there.
"""

from typing import Generic, TypeVar

import msgspec

from kubevouch.node.errors import ScriptFailed

ANSWER_MARK = "kubevouch-answer: "
"""A line of standard output that begins with this carries the answer: login shells print lines of their own."""

ANSWER_LIMIT = 8 * 1024 * 1024

_LONGEST_TEXT = 2000
_LONGEST_COMPLAINT = 300
"""Characters of why an answer cannot be read, which may quote it."""

T = TypeVar("T")


class Script(msgspec.Struct, Generic[T], frozen=True):
    """POSIX shell text, and the shape of the JSON that it prints behind ANSWER_MARK."""

    name: str
    text: str
    answer: type[T]
    takes: float = 0.0
    """Seconds that it takes by itself where all is well; only beyond them is it waited for."""

    def sealed(self) -> bytes:
        """The bytes for a shell's standard input. A shell that gets only a part of them runs nothing.

        `sh` runs what it has read so far; inside a function nothing runs before the last line is there. Its
        commands get no standard input of their own, which would be the rest of the script.
        """
        return f"main() {{\n{self.text}\n}}\nmain </dev/null\n".encode()

    def __repr__(self) -> str:
        """Without the text: it may carry a key."""
        return f"<script {self.name}>"


class ScriptResult(msgspec.Struct, Generic[T], frozen=True):
    """A script's answer, and what the transport proved about the machine that gave it."""

    answer: T
    host_key: str | None = None
    """Fingerprint (`ssh-ed25519 SHA256:...`) of the ssh host key that answered; None where the transport shows none."""

    known_as: str | None = None
    """The name under which the operator's known_hosts has that key."""

    dialled: str | None = None
    """The address at which it answered, where the transport itself has connected to it."""


class DialAddress(msgspec.Struct, frozen=True):
    """An address to dial for a host instead of its own, and the name under which its key must be known."""

    address: str
    known_as: str


def node_text(text: bytes, most: int = _LONGEST_TEXT) -> str:
    """What a node says in an answer, for a person: its beginning, if it is longer than so many characters."""
    whole = text[: 4 * most + 4].decode(errors="replace").strip()
    return whole if len(whole) <= most else f"{whole[:most]}..."


def answer_in(stdout: bytes, script: Script[T], *, where: str, complaint: str) -> T:
    """The answer in what a script printed. Raises ScriptFailed, with the script's own complaint, if it gave no answer."""
    mark = ANSWER_MARK.encode()
    lines = [line for line in stdout.splitlines() if line.startswith(mark)]
    if not lines:
        raise ScriptFailed(
            where, f"the {script.name} script gave no answer", complaint or "it said nothing else"
        )
    try:
        return msgspec.json.decode(lines[-1][len(mark) :], type=script.answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = node_text(str(error).encode(errors="replace"), _LONGEST_COMPLAINT)
        raise ScriptFailed(
            where, f"the {script.name} script's answer cannot be read: {why}"
        ) from None
