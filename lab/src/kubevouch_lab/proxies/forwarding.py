"""A request handed on as it is, and its answer handed back as it comes."""

import ssl
from collections.abc import Mapping

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from kubevouch_lab.disconnect import disconnect

# RFC 9110, 7.6.1: these are between two neighbours; and a client's credential is for the API server alone.
_NOT_HANDED_ON = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
        "content-length",
        "authorization",
    }
)


async def forward(
    client: aiohttp.ClientSession,
    request: web.Request,
    url: str,
    context: ssl.SSLContext | None,
    *,
    headers: Mapping[str, str] | None = None,
    server_name: str | None = None,
    without: tuple[str, ...] = (),
) -> web.StreamResponse:
    """Sends the request to `url`. Errors before the answer begins are the client's; see go_words.

    headers: added (a multidict may hold one several times). without: prefixes (lower case) of headers that are not
    handed on. server_name: what is asked for by SNI.
    """
    sent: CIMultiDict[str] = CIMultiDict(
        (key, value)
        for key, value in request.headers.items()
        if key.lower() not in _NOT_HANDED_ON and not key.lower().startswith(without or ("\0",))
    )
    sent.extend(headers or {})
    body = await request.read() if request.can_read_body else None
    response = await client.request(
        request.method,
        URL(url, encoded=True),
        headers=sent,
        data=body,
        ssl=context if context is not None else True,
        allow_redirects=False,
        server_hostname=server_name,
    )
    async with response:
        answer = web.StreamResponse(status=response.status, reason=response.reason)
        for key, value in response.headers.items():
            if key.lower() not in _NOT_HANDED_ON or key.lower() == "content-length":
                answer.headers.add(key, value)
        return await streamed(request, response, answer)


async def streamed(
    request: web.Request, response: aiohttp.ClientResponse, answer: web.StreamResponse
) -> web.StreamResponse:
    """Hands the body on as it comes. If it breaks off, so does ours: nobody may take a part for the whole."""
    await answer.prepare(request)
    try:
        async for chunk in response.content.iter_any():
            await answer.write(chunk)
    except (TimeoutError, aiohttp.ClientError, OSError):
        disconnect(request.transport)
        return answer
    await answer.write_eof()
    return answer
