"""How a pod on a node gets its script and returns the script's answer.

The script is in an environment variable, and the answer in termination messages. A kubelet copies
up to 4,096 bytes of a container's termination message into the pod's status. For all containers of
a pod it copies at most 12 KiB, in equal shares (pkg/kubelet/container/runtime.go,
status_manager.go). So we compress an answer, and split it over the messages of up to three
containers. We limit the compressed and the decompressed size, since a kubelet can post any bytes.
"""

import re
import zlib
from base64 import b64decode, b64encode, b85decode, b85encode
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec

from kubevouch.node.errors import ScriptFailed
from kubevouch.node.script import ANSWER_MARK

MESSAGE_LIMIT: Final = 4096
MOST_MESSAGES: Final = 3

SCRIPT_VARIABLE: Final = "KUBEVOUCH_SCRIPT"
SCRIPT_LIMIT: Final = 96 * 1024
"""The maximum length of a compressed script in base64. Linux accepts 128 KiB in one environment
variable (MAX_ARG_STRLEN)."""

NOT_ENTERED: Final = 125
"""The exit status if no shell could start in the host's namespaces. The script did not run."""

_HEAD: Final = len("1/3 ")
_ROOM: Final = MESSAGE_LIMIT - _HEAD
_MESSAGE: Final = re.compile(r"([1-3])/([1-3]) ([!-~]+)")
_MOST_UNPACKED: Final = 1024 * 1024
_MOST_COMPLAINT: Final = 1024
_SHORTEST_PACKED: Final = 8


class PodAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of a script in a pod.

    status: the shell's exit status; None after a timeout. answer: the JSON after ANSWER_MARK, with
    base64 strings as bytes. complaint: the end of standard error. too_long: the compressed length
    of the result, if three messages cannot hold it.
    """

    status: int | None = None
    answer: Any = None
    complaint: Annotated[str, msgspec.Meta(max_length=_MOST_COMPLAINT)] = ""
    too_long: int = 0

    @property
    def stdout(self) -> bytes:
        """The answer as a line of JSON after ANSWER_MARK; empty if the script printed no answer."""
        if self.answer is None:
            return b""
        return ANSWER_MARK.encode() + msgspec.json.encode(self.answer) + b"\n"


def packed_script(text: bytes) -> str:
    """Compresses a script, and encodes it in base64 for an environment variable.

    In a plain script, Kubernetes would expand $(NAME).
    """
    return b64encode(zlib.compress(text, 9)).decode()


def unpacked_script(packed: str) -> bytes:
    """Decompresses a script of any size: only administrators can set the pod's environment."""
    return zlib.decompress(b64decode(packed))


def answer_of(status: int | None, stdout: bytes, stderr: bytes) -> PodAnswer:
    """The result of a shell that has ended, from its exit status and its output."""
    mark = ANSWER_MARK.encode()
    lines = [line for line in stdout.splitlines() if line.startswith(mark)]
    answer: Any = None
    complaint = stderr.decode(errors="replace").strip()
    if lines:
        try:
            answer = _without_base64(msgspec.json.decode(lines[-1][len(mark) :]))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            complaint = f"{complaint}\nthe answer cannot be read: {error}".strip()
    return PodAnswer(status, answer, complaint[-_MOST_COMPLAINT:])


def messages_of(said: PodAnswer) -> tuple[str, ...]:
    """Splits a result into termination messages, one for each container.

    Drops an answer that is too long.
    """
    body = b85encode(zlib.compress(msgspec.msgpack.encode(said), 9)).decode()
    if len(body) > MOST_MESSAGES * _ROOM:
        return messages_of(PodAnswer(said.status, complaint=said.complaint, too_long=len(body)))
    parts = [body[at : at + _ROOM] for at in range(0, len(body), _ROOM)]
    return tuple(f"{number}/{len(parts)} {part}" for number, part in enumerate(parts, 1))


def count_in(message: str) -> int:
    """The number of messages of a result, according to its first message. 0 for other messages."""
    found = _MESSAGE.fullmatch(message)
    return int(found[2]) if found and found[1] == "1" else 0


def answer_from(messages: Sequence[str], *, where: str) -> PodAnswer:
    """Joins and parses all termination messages of a result.

    Raises ScriptFailed if the messages are unreadable or too long.
    """
    bodies = []
    for number, message in enumerate(messages, 1):
        found = _MESSAGE.fullmatch(message) if len(message) <= MESSAGE_LIMIT else None
        if found is None or (found[1], found[2]) != (str(number), str(len(messages))):
            raise ScriptFailed(where, f"message {number} of the pod is not from kubevouch")
        bodies.append(found[3])
    try:
        opened = zlib.decompressobj()
        data = opened.decompress(b85decode("".join(bodies)), _MOST_UNPACKED)
        if not opened.eof:
            raise ScriptFailed(where, "the pod's answer is truncated or too long")
        said = msgspec.msgpack.decode(data, type=PodAnswer)
        msgspec.json.encode(said.answer)  # TypeError for values that no script can print as JSON
    except (ValueError, TypeError, zlib.error, msgspec.DecodeError, RecursionError) as error:
        raise ScriptFailed(where, f"the pod's answer cannot be read: {error}") from None
    return said


def _without_base64(found: Any) -> Any:  # noqa: ANN401 - JSON
    """Decodes each string in canonical base64, unless it is very short.

    The bytes, when compressed, are about a third shorter than the compressed base64.
    """
    if isinstance(found, dict):
        return {key: _without_base64(value) for key, value in found.items()}
    if isinstance(found, list):
        return [_without_base64(each) for each in found]
    if not isinstance(found, str) or len(found) < _SHORTEST_PACKED:
        return found
    try:
        data = b64decode(found, validate=True)
    except ValueError:
        return found
    return data if b64encode(data).decode() == found else found
