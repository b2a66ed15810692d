"""One HTTP/1.1 response, read from bytes as they come (RFC 9112). No I/O; every byte is hostile and counted.

What a kubelet's server (Go's net/http) sends is a body with its length or in chunks, and nothing else is taken: a body
that ends with the connection could have been cut by anybody on the way.
"""

import re
from typing import Final

MOST_HEAD: Final = 64 * 1024
_MOST_CHUNK_LINE: Final = 256
_MOST_EXCESS: Final = 16 * 1024
_MOST_ANNOUNCED: Final = 5
"""Heads such as 100 Continue before the answer's own: as Go's client (net/http/transport.go, max1xxResponses)."""
_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([^\r\n\x00]*))?")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\x00]*?)[ \t]*")
_CHUNK: Final = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n\x00]*)?\r?\n")
_CODINGS: Final = {b"": False, b"identity": False, b"chunked": True}


class ResponseError(ValueError):
    """Bytes that make no response; the words are Go's where it has any."""


class TooLong(ResponseError):
    """A response longer than the caller allowed."""


class ResponseReader:
    """Feed it until `done`. most: bytes of a body."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pending = bytearray()
        self._headed = False
        self._left = 0
        self._chunked = False
        self._trailer = False
        self._excess = 0
        self._announced = 0
        self._chunks = 1000 + most // 256
        """So many more may come: each costs us, however small it is. Go's server writes 2 KiB at a time."""
        self.status = 0
        self.reason = ""
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.begun = False
        """A byte has come."""
        self.done = False
        self.reusable = False
        """Another request may go over the same connection."""

    @property
    def said(self) -> str:
        """`403 Forbidden`, as Go's Response.Status has it."""
        return f"{self.status:03} {self.reason}"

    def feed(self, data: bytes) -> None:
        """More bytes. Raises ResponseError."""
        self.begun = self.begun or bool(data)
        self._pending += data
        if not self._headed and not self._read_head():
            return
        if self._chunked:
            self._read_chunks()
        else:
            self._take()
            self.done = self._left == 0
        if self.done and self._pending:
            # What nobody asked for: the next answer would begin with it.
            self.reusable = False

    def _read_head(self) -> bool:
        while True:
            end = self._pending.find(b"\r\n\r\n")
            if end > MOST_HEAD or (end < 0 and len(self._pending) > MOST_HEAD):
                raise TooLong(f"more than {MOST_HEAD} bytes of headers")
            if end < 0:
                return False
            lines = bytes(self._pending[:end]).split(b"\r\n")
            del self._pending[: end + 4]
            if self._read_lines(lines):
                self._headed = True
                return True

    def _read_lines(self, lines: list[bytes]) -> bool:
        """A head; False for one that announces another (100 Continue)."""
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
                raise ResponseError("the length of the body is told twice")
            headers[name] = found[2]
        self.status = int(status[2])
        if self.status < 200:
            self._announced += 1
            if self._announced > _MOST_ANNOUNCED:
                raise ResponseError("too many 1xx informational responses")
            return False
        self.reason = (status[3] or b"").decode(errors="replace")
        self.headers = {
            name.decode(): value.decode("utf-8", errors="replace")
            for name, value in headers.items()
        }
        closing = b"close" in headers.get(b"connection", b"").lower()
        self.reusable = status[1] == b"1" and not closing
        self._frame(headers)
        return True

    def _frame(self, headers: dict[bytes, bytes]) -> None:
        coding = headers.get(b"transfer-encoding", b"").lower()
        if coding not in _CODINGS:
            raise ResponseError("unsupported transfer encoding")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise ResponseError("a compressed body, which was not asked for")
        length = headers.get(b"content-length")
        if _CODINGS[coding]:
            if length is not None:
                raise ResponseError("the length of the body is told twice")
            self._chunked = True
        elif self.status in (204, 304):
            self._left = 0
        elif length is None or not length.isdigit() or len(length) > 18:
            raise ResponseError("a body without a length")
        else:
            self._left = int(length)
            self._check(self._left)

    def _check(self, coming: int) -> None:
        if len(self.body) + coming > self._most:
            raise TooLong(f"a body of more than {self._most} bytes")

    def _take(self) -> None:
        taken = self._pending[: self._left]
        self.body += taken
        self._left -= len(taken)
        del self._pending[: len(taken)]

    def _read_chunks(self) -> None:
        """Each chunk is a line with its length, so many bytes, and the end of a line. `_left` counts that end, too."""
        pending, at = self._pending, 0
        while not self.done:
            if self._left:
                at = self._within(pending, at)
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
                self._begin_chunk(pending[at:end])
            at = end
        del pending[:at]

    def _begin_chunk(self, line: bytearray) -> None:
        found = _CHUNK.fullmatch(line)
        if found is None:
            raise ResponseError("invalid chunk length")
        length = int(found[1], 16)
        self._check(length)
        # As Go's chunkedReader (net/http/internal/chunked.go): many small chunks would cost much for little.
        self._excess = max(0, self._excess + len(line) - 16 - 2 * length)
        self._chunks -= 1
        if self._excess > _MOST_EXCESS or self._chunks < 0:
            raise ResponseError("chunked encoding contains too much non-data")
        self._left = length + 2 if length else 0
        self._trailer = length == 0

    def _end_of_trailer(self, line: bytes) -> None:
        """After the last chunk: an empty line. Trailers are not asked for, and not taken."""
        if line.strip(b"\r\n"):
            raise ResponseError("a trailer, which was not asked for")
        self.done = True

    def _within(self, pending: bytearray, at: int) -> int:
        """Takes what there is of a chunk and of its end; where it ends."""
        if self._left > 2:
            end = min(len(pending), at + self._left - 2)
            with memoryview(pending) as view:
                self.body += view[at:end]
            self._left -= end - at
            at = end
        if self._left <= 2 and len(pending) - at >= self._left:
            if pending[at : at + 2] != b"\r\n":
                raise ResponseError("malformed chunked encoding")
            at += 2
            self._left = 0
        return at
