"""Parses an HTTP/1.1 response from bytes as they arrive (RFC 9112).

A kubelet's server (Go's net/http) sends a body with its length or in chunks. We reject other
forms, since a body that ends with the connection may be truncated. The body may be gzip, and is
decompressed only up to the caller's limit. A long body is decompressed in steps as it arrives, so
other tasks can run in between.
"""

import functools
import re
import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple

MOST_HEAD: Final = 64 * 1024
_USUAL_HEAD: Final = 1024
_MOST_CHUNK_LINE: Final = 256
_MOST_EXCESS: Final = 16 * 1024
_MOST_1XX: Final = 5
"""The maximum number of 1xx responses, such as 100 Continue, before the final response. Go's client
has the same limit (net/http/transport.go, max1xxResponses)."""
_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([^\r\n\x00]*))?")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\x00]*?)[ \t]*")
_CHUNK: Final = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n\x00]*)?\r?\n")
_GZIP_ONLY: Final = 16 + zlib.MAX_WBITS
_GZIP_STEP: Final = 32 * 1024
"""Bytes of gzip to decompress at once, enough for the pages of nearly all nodes. Small steps would
take longer: each call of zlib except the last copies zlib's window."""
_CODINGS: Final = {b"": False, b"identity": False, b"chunked": True}


class ResponseError(ValueError):
    """The bytes are not a valid response. If Go has a text for the error, our text is the same."""


class TooLong(ResponseError):
    """The response is longer than the caller allows."""


class ResponseReader:
    """Parses a response. Call `feed` until `done`.

    most: the limit of the body in bytes, both as sent and decompressed. most_packed: the limit of a
    gzip body as sent, which limits the time to decompress it; None means `most`.
    """

    def __init__(self, most: int, *, most_packed: int | None = None) -> None:
        self._most = most
        self._most_packed = most if most_packed is None else most_packed
        self._pending = bytearray()
        self._headed = False
        self._left = 0
        self._chunked = False
        self._trailer = False
        self._excess = 0
        self._informational = 0
        self._chunks = 1000 + most // 256
        """The number of further chunks to accept, since each costs time. Go's server sends chunks
        of 2 KiB."""
        self.status = 0
        self.reason = ""
        self.body: bytes | bytearray = bytearray()
        """The body so far. A compressed body stays empty until it is complete."""
        self._received = 0
        """Bytes of the body so far, before decompression."""
        self._gzip: _GzipReader | None = None
        self.begun = False
        self.done = False
        self.reusable = False
        """Whether the connection can carry another request."""

    @property
    def said(self) -> str:
        """The status, formatted like Go's Response.Status: `403 Forbidden`."""
        return f"{self.status:03} {self.reason}"

    @property
    def content(self) -> bytes:
        """The whole body. Valid once `done`."""
        return bytes(self.body)

    def feed(self, data: bytes) -> None:
        """Parses further bytes. Raises ResponseError."""
        self.begun = self.begun or bool(data)
        self._pending += data
        if not self._headed and not self._read_head():
            return
        if self._chunked:
            self._read_chunks()
        else:
            self._take()
            self.done = self._left == 0
        if self.done:
            self._end()

    def _end(self) -> None:
        if self._gzip is not None:
            self.body = self._gzip.all()
        if self._pending:
            # Bytes after the response would begin the next one.
            self.reusable = False

    def _read_head(self) -> bool:
        while True:
            end = self._pending.find(b"\r\n\r\n")
            if end > MOST_HEAD or (end < 0 and len(self._pending) > MOST_HEAD):
                raise TooLong(f"more than {MOST_HEAD} bytes of headers")
            if end < 0:
                return False
            text = bytes(self._pending[:end])
            del self._pending[: end + 4]
            # Cached: kubelets that are read in the same second send the same head.
            head = _usual_head(text) if end <= _USUAL_HEAD else _head(text)
            self.status = head.status
            if self.status >= 200:
                self._begin_body(head)
                return True
            self._informational += 1
            if self._informational > _MOST_1XX:
                raise ResponseError("too many 1xx informational responses")

    def _begin_body(self, head: "_Head") -> None:
        self.reason, self.reusable = head.reason, head.reusable
        self._chunked, self._left = head.chunked, head.length
        # An error's body is not read.
        self._gzip = _GzipReader(self._most) if head.gzip and head.status == 200 else None
        self._check(self._left)
        self._headed = True

    def _check(self, coming: int) -> None:
        total = self._received + coming
        if self._gzip is not None and total > self._most_packed:
            raise TooLong(f"a gzip body of more than {self._most_packed} bytes")
        if total > self._most:
            raise TooLong(f"a body of more than {self._most} bytes")

    def _take(self) -> None:
        taken = min(self._left, len(self._pending))
        with memoryview(self._pending) as view:
            self._keep(view[:taken])
        self._left -= taken
        del self._pending[:taken]

    def _keep(self, part: memoryview) -> None:
        self._received += len(part)
        if self._gzip is None:
            self.body += part
        else:
            self._gzip.take(part)

    def _read_chunks(self) -> None:
        """Parses chunks: a line with the length, then the chunk's bytes and a line end.

        `_left` counts the bytes that remain of a chunk, including the line end.
        """
        pending, at = self._pending, 0
        while not self.done:
            if self._left:
                at = self._consume_chunk(pending, at)
                if self._left:
                    break
            end = pending.find(b"\n", at) + 1
            if not end:
                if len(pending) - at > _MOST_CHUNK_LINE:
                    raise ResponseError("invalid chunk length")
                break
            if self._trailer:
                self._end_of_trailer(bytes(pending[at:end]))
            else:
                line = bytes(pending[at:end])
                self._begin_chunk(_chunk_length(line), len(line))
            at = end
        del pending[:at]

    def _begin_chunk(self, length: int, line: int) -> None:
        """Begins a chunk of `length` bytes. line: the length of the line with the chunk's length."""
        self._check(length)
        # Like Go's chunkedReader (net/http/internal/chunked.go), against many tiny chunks.
        self._excess = max(0, self._excess + line - 16 - 2 * length)
        self._chunks -= 1
        if self._excess > _MOST_EXCESS or self._chunks < 0:
            raise ResponseError("chunked encoding contains too much non-data")
        self._left = length + 2 if length else 0
        self._trailer = length == 0

    def _end_of_trailer(self, line: bytes) -> None:
        """Expects the empty line after the last chunk. Trailers are rejected, since we request none."""
        if line.strip(b"\r\n"):
            raise ResponseError("a trailer that we did not request")
        self.done = True

    def _consume_chunk(self, pending: bytearray, at: int) -> int:
        """Consumes the available bytes of a chunk and its line end. Returns the position after them."""
        if self._left > 2:
            end = min(len(pending), at + self._left - 2)
            with memoryview(pending) as view:
                self._keep(view[at:end])
            self._left -= end - at
            at = end
        if self._left <= 2 and len(pending) - at >= self._left:
            if pending[at : at + 2] != b"\r\n":
                raise ResponseError("malformed chunked encoding")
            at += 2
            self._left = 0
        return at


class _GzipReader:
    """Decompresses gzip as it arrives. most: the limit of the result in bytes."""

    def __init__(self, most: int) -> None:
        self._inflating = zlib.decompressobj(_GZIP_ONLY)
        self._most = self._left = most
        self._waiting = bytearray()
        self._found: list[bytes] = []

    def take(self, part: memoryview) -> None:
        """Adds compressed data. Raises ResponseError."""
        self._waiting += part
        if len(self._waiting) >= _GZIP_STEP:
            self._inflate()

    def all(self) -> bytes:
        """The whole decompressed data. Raises ResponseError if the gzip is incomplete."""
        self._inflate()
        if not self._inflating.eof:
            raise ResponseError("unexpected EOF")
        return self._found[0] if len(self._found) == 1 else b"".join(self._found)

    def _inflate(self) -> None:
        if not self._waiting:
            return
        if self._inflating.eof:
            raise ResponseError("a body with data after the gzip stream")
        try:
            found = self._inflating.decompress(self._waiting, self._left + 1)
        except zlib.error:
            raise ResponseError("a gzip body that cannot be decompressed") from None
        self._waiting.clear()
        self._left -= len(found)
        if self._left < 0:
            raise TooLong(f"a body of more than {self._most} bytes after decompression")
        if self._inflating.unused_data:
            raise ResponseError("a body with data after the gzip stream")
        self._found.append(found)


class _Head(NamedTuple):
    """The status line and headers of a response. length: bytes of a body that is not chunked."""

    status: int
    reason: str = ""
    reusable: bool = False
    gzip: bool = False
    chunked: bool = False
    length: int = 0


def _head(text: bytes) -> _Head:
    """Parses a response's head without its final empty line. Raises ResponseError."""
    lines = text.split(b"\r\n")
    status = _STATUS.fullmatch(lines[0])
    if status is None:
        raise ResponseError("malformed HTTP response")
    headers: dict[bytes, bytes] = {}
    for line in lines[1:]:
        found = _HEADER.fullmatch(line)
        if found is None:
            raise ResponseError("malformed MIME header line")
        name = found[1].lower()
        if name in (b"content-length", b"transfer-encoding") and name in headers:
            raise ResponseError("two lengths for one body")
        headers[name] = found[2]
    code = int(status[2])
    if code < 200:
        return _Head(code)
    closing = b"close" in headers.get(b"connection", b"").lower()
    packed, chunked, length = _framing(code, headers)
    return _Head(
        code,
        (status[3] or b"").decode(errors="replace"),
        status[1] == b"1" and not closing,
        packed,
        chunked,
        length,
    )


def _framing(status: int, headers: Mapping[bytes, bytes]) -> tuple[bool, bool, int]:
    """Whether the body is gzip, whether it is chunked, and the body's length (0 if chunked)."""
    coding = headers.get(b"transfer-encoding", b"").lower()
    if coding not in _CODINGS:
        raise ResponseError("unsupported transfer encoding")
    compressed = headers.get(b"content-encoding", b"identity").lower()
    if compressed not in (b"identity", b"gzip"):
        raise ResponseError("a body with a compression that we did not request")
    packed = compressed == b"gzip"
    length = headers.get(b"content-length")
    if _CODINGS[coding]:
        if length is not None:
            raise ResponseError("two lengths for one body")
        return packed, True, 0
    if status in (204, 304):
        return packed, False, 0
    if length is None or not length.isdigit() or len(length) > 18:
        raise ResponseError("a body without a length")
    return packed, False, int(length)


_usual_head = functools.lru_cache(maxsize=16)(_head)


@functools.lru_cache(maxsize=64)
def _chunk_length(line: bytes) -> int:
    """The length in the first line of a chunk. Raises ResponseError.

    Cached, since Go's server sends few different lengths.
    """
    found = _CHUNK.fullmatch(line)
    if found is None:
        raise ResponseError("invalid chunk length")
    return int(found[1], 16)
