"""A script for a node, and the answer that it must print.

The unit of work on a node is one idempotent POSIX shell script that ends with one line of JSON. A
transport (ssh, a pod) does not know what the script does, and the script does not know its
transport.
"""

from typing import Generic, TypeVar

import msgspec

from kubevouch.node.errors import ScriptFailed

ANSWER_MARK = "kubevouch-answer: "
"""The start of the answer's line on standard output: login shells print other lines."""

ANSWER_LIMIT = 8 * 1024 * 1024

_LONGEST_TEXT = 2000
_LONGEST_COMPLAINT = 300
"""Characters of the reason for an unreadable answer, which may quote it."""

T = TypeVar("T")


class Script(msgspec.Struct, Generic[T], frozen=True):
    """POSIX shell text, and the type of the JSON that it prints after ANSWER_MARK."""

    name: str
    text: str
    answer: type[T]
    takes: float = 0.0
    """Seconds that it takes when all is well; time limits start after them."""

    def sealed(self) -> bytes:
        """The bytes for a shell's standard input. A shell that gets only part of them runs nothing.

        `sh` runs what it has read so far; in a function nothing runs before the last line arrives.
        Its commands get no standard input, which would be the rest of the script.
        """
        return f"main() {{\n{self.text}\n}}\nmain </dev/null\n".encode()

    def __repr__(self) -> str:
        """Hides the text, which may carry a key."""
        return f"<script {self.name}>"


class ScriptResult(msgspec.Struct, Generic[T], frozen=True):
    """A script's answer, and what the transport proved about the machine that gave it."""

    answer: T
    host_key: str | None = None
    """Fingerprint (`ssh-ed25519 SHA256:...`) of the answering ssh host key; None if the
    transport has none."""

    known_as: str | None = None
    """That key's name in the operator's known_hosts."""

    dialled: str | None = None
    """The address to which the transport itself connected."""


class DialAddress(msgspec.Struct, frozen=True):
    """An address to dial for a host instead of its own, and the name of its key."""

    address: str
    known_as: str


def node_text(text: bytes, most: int = _LONGEST_TEXT) -> str:
    """A node's text for a person, truncated to that many characters."""
    whole = text[: 4 * most + 4].decode(errors="replace").strip()
    return whole if len(whole) <= most else f"{whole[:most]}..."


def answer_in(stdout: bytes, script: Script[T], *, where: str, complaint: str) -> T:
    """The answer in a script's output.

    Raises ScriptFailed, with the script's own complaint, if there is none.
    """
    mark = ANSWER_MARK.encode()
    lines = [line for line in stdout.splitlines() if line.startswith(mark)]
    if not lines:
        raise ScriptFailed(
            where,
            f"the {script.name} script gave no answer",
            complaint or "it printed nothing else",
        )
    try:
        return msgspec.json.decode(lines[-1][len(mark) :], type=script.answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = node_text(str(error).encode(errors="replace"), _LONGEST_COMPLAINT)
        raise ScriptFailed(
            where, f"the {script.name} script's answer cannot be read: {why}"
        ) from None
