"""Long bodies: sent piece by piece while they are made, and as gzip where the client accepts it.

What apiserver's responsewriters do (deferredResponseWriter in writers.go): a body of more than 128 KiB is compressed
at the level that costs least, a shorter one never is. A piece is all that is ever held: the listener waits until the
client has taken enough before the next one is made.
"""

import contextlib
import zlib
from collections.abc import AsyncGenerator
from typing import Final

from kubevouch.serve.messages import HttpRequest, HttpResponse, Pieces

LONG: Final = 128 * 1024
"""Bytes: defaultGzipThresholdBytes."""
_LEVEL: Final = 1
_GZIP: Final = 16 + zlib.MAX_WBITS


async def response_in_pieces(
    request: HttpRequest,
    pieces: Pieces,
    content_type: str = "application/json",
    *,
    compress_from: int = LONG,
) -> HttpResponse:
    """A response of these pieces: whole up to LONG bytes, else with a rest. gzip if longer than compress_from bytes."""
    begun: list[bytes] = []
    size = 0
    async for piece in pieces:
        begun.append(piece)
        size += len(piece)
        if size > LONG:
            break
    body = b"".join(begun)
    if size <= compress_from or not accepts_gzip(request):
        return HttpResponse(200, body, content_type, rest=pieces if size > LONG else None)
    own = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    body = compressor.compress(body)
    if size <= LONG:
        return HttpResponse(200, body + compressor.flush(), content_type, own)
    return HttpResponse(200, body, content_type, own, _compressed(pieces, compressor))


def accepts_gzip(request: HttpRequest) -> bool:
    """Whether the client names gzip (negotiateContentEncoding, which knows no qualities)."""
    return "gzip" in (part.strip() for part in request.header("accept-encoding").split(","))


async def _compressed(pieces: Pieces, compressor: "zlib._Compress") -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            yield compressor.compress(piece)
    yield compressor.flush()
