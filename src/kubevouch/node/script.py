"""A script for a node, and the answer that it must print.

The unit of work on a node is one idempotent POSIX shell script that prints one line of JSON at its
end. Any transport (ssh, a pod) can run any script.
"""

from collections.abc import Mapping
from shlex import quote
from typing import Generic, TypeVar

import msgspec

from kubevouch.node.errors import ScriptFailed

ANSWER_MARK = "kubevouch-answer: "
"""The start of the line with the answer on standard output. Login shells may print other lines."""

ANSWER_LIMIT = 8 * 1024 * 1024

_LONGEST_TEXT = 2000
_LONGEST_COMPLAINT = 300
"""The maximum length of a parse error's text, which may quote the answer."""

T = TypeVar("T")


class Script(msgspec.Struct, Generic[T], frozen=True):
    """POSIX shell text, and the type of the JSON that it prints after ANSWER_MARK."""

    name: str
    text: str
    answer: type[T]
    takes: float = 0.0
    """Seconds that the script normally takes. Only a longer wait is shown as progress."""

    def sealed(self) -> bytes:
        """The script for a shell's standard input. A shell that gets only part of it runs nothing.

        `sh` runs each command as it arrives, so the whole script is one function. The function's
        standard input is empty: otherwise its commands would read the rest of the script.
        """
        return f"main() {{\n{self.text}\n}}\nmain </dev/null\n".encode()

    def __repr__(self) -> str:
        """Hides the text, which may contain a key."""
        return f"<script {self.name}>"


class ScriptResult(msgspec.Struct, Generic[T], frozen=True):
    """A script's answer, and what the transport proved about the machine that ran it."""

    answer: T
    host_key: str = ""
    """The fingerprint of the host's ssh key (`ssh-ed25519 SHA256:...`); empty if unknown, or if the
    transport has no keys."""

    known_as: str = ""
    """The host's name in the operator's known_hosts."""

    dialled: str = ""
    """The address to which the transport connected; empty if unknown."""


class DialAddress(msgspec.Struct, frozen=True):
    """An address to dial instead of the host's own, and the host's name in known_hosts."""

    address: str
    known_as: str


def assigned(words: Mapping[str, object]) -> str:
    """Lines of shell that assign values to variables."""
    return "".join(f"{name}={quote(str(value))}\n" for name, value in words.items())


def node_text(text: bytes, most: int = _LONGEST_TEXT) -> str:
    """Decodes text from a node for display, and truncates it to `most` characters."""
    whole = text[: 4 * most + 4].decode(errors="replace").strip()
    return whole if len(whole) <= most else f"{whole[:most]}..."


def answer_in(stdout: bytes, script: Script[T], *, where: str, complaint: str) -> T:
    """Parses the answer in a script's output.

    Raises ScriptFailed if the answer is missing or unreadable. complaint: the script's other output.
    """
    mark = ANSWER_MARK.encode()
    lines = [line for line in stdout.splitlines() if line.startswith(mark)]
    if not lines:
        raise ScriptFailed(
            where,
            f"the {script.name} script printed no answer",
            complaint or "no other output",
        )
    try:
        return msgspec.json.decode(lines[-1][len(mark) :], type=script.answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = node_text(str(error).encode(errors="replace"), _LONGEST_COMPLAINT)
        raise ScriptFailed(
            where, f"the {script.name} script's answer cannot be read: {why}"
        ) from None
