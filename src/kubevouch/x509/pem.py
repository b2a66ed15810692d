"""PEM, read and written byte for byte like Go.

PEM readers disagree about files with text around the blocks, indented lines or headers. Kubelets,
API servers and metrics-server use Go's reader, so we follow it.

Source: Decode and Encode in Go's encoding/pem/pem.go.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

_BEGIN = b"-----BEGIN "
_END = b"\n-----END "
_DASHES = b"-----"
_WHOLE_END = re.compile(rb"-----END [^\n]*-----")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")


@dataclass(frozen=True, slots=True, repr=False)
class PemBlock:
    """A PEM block: its label, its decoded bytes, whether it has headers, and its byte offsets in the file."""

    label: str
    body: bytes
    has_headers: bool
    start: int
    end: int

    def __repr__(self) -> str:
        return f"<Block {self.label!r}, {len(self.body)} bytes>"


def blocks(data: bytes) -> Iterator[PemBlock]:
    """Every block that Go finds, in order."""
    at = 0
    while (block := _next(data, at)) is not None:
        yield block
        at = block.end


def encode_block(label: str, body: bytes) -> bytes:
    """Encodes a block as Go does: 64 characters a line, one newline at the end."""
    text = base64.b64encode(body)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return b"\n".join((_BEGIN + label.encode() + _DASHES, *lines, b"")) + (
        _END[1:] + label.encode() + _DASHES + b"\n"
    )


def unread_begin(data: bytes, found: list[PemBlock]) -> int:
    """The number (from 1) of the line with the first BEGIN that Go skips; 0 if Go skips none."""
    at = 0
    for start, end in [(block.start, block.end) for block in found] + [(len(data), len(data))]:
        begin = data.find(_BEGIN, at, start)
        if begin >= 0:
            return data.count(b"\n", 0, begin) + 1
        at = end
    return 0


def is_cut_off(data: bytes, line: int) -> bool:
    """Whether the file ends too early: no complete END line follows the BEGIN in this line.

    line: counted from 1.
    """
    return _WHOLE_END.search(data.split(b"\n", line - 1)[-1]) is None


def _line(data: bytes, at: int) -> tuple[bytes, int]:
    """The line at an offset, without line end and trailing blanks, and the offset of the next line."""
    newline = data.find(b"\n", at)
    if newline < 0:
        return data[at:].rstrip(b" \t"), len(data)
    return data[at:newline].removesuffix(b"\r").rstrip(b" \t"), newline + 1


def _next(data: bytes, start: int) -> PemBlock | None:
    """The next valid block. For each END, the last BEGIN before it is tried."""
    at = trailer = start
    while at <= trailer:
        at = trailer
        end = data.find(_END, at)
        if end < 0:
            return None
        trailer = end + len(_END)
        begin = data.rfind(_BEGIN, at, end)
        if begin < 0 or (begin > at and data[begin - 1 : begin] != b"\n"):
            continue
        line, at = _line(data, begin + len(_BEGIN))
        if not line.endswith(_DASHES):
            continue
        label = line.removesuffix(_DASHES)
        has_headers, at = _headers(data, at)
        if at >= len(data):
            return None
        if has_headers and end < at:
            continue
        closing = label + _DASHES
        if not data.startswith(closing, trailer) or _line(data, trailer + len(closing))[0]:
            continue
        body = _decoded(data[at:end])
        if body is not None:
            text = label.decode("utf-8", "backslashreplace")
            return PemBlock(text, body, has_headers, begin, _line(data, trailer)[1])
    return None


def _headers(data: bytes, at: int) -> tuple[bool, int]:
    """Whether header lines (with a colon) start at this offset, and the offset where they end."""
    start = at
    while at < len(data):
        line, following = _line(data, at)
        if b":" not in line:
            break
        at = following
    return at > start, at


def _decoded(text: bytes) -> bytes | None:
    """The decoded base64; None if it lacks padding, or contains anything but base64, blanks and line ends."""
    packed = text.translate(None, b" \t\r\n")
    if len(packed) % 4 or not _BASE64.fullmatch(packed):
        return None
    return binascii.a2b_base64(packed)
