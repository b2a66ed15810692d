"""The peer of `bench.approver`: approves every CSR that waits, unchecked, as fast as so many connections allow.

    python -m bench.straight HOST PORT CA PAIR CONNECTIONS [read]

One list, then a PUT of each whole object to /approval, over bare asyncio streams: no retry, no typed values, no limits.
It has nothing to do but these writes, so no approver that reads anything first can be faster. With `read` it reads the
requestor's Node before each, and looks at nothing in it: what two calls cost without any decision.
"""

import asyncio
import json
import ssl
import sys

_CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
_SIGNER = "fieldSelector=spec.signerName%3Dkubernetes.io%2Fkubelet-serving"
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_CONDITION = {"type": "Approved", "status": "True", "reason": "Straight", "message": "unchecked"}


async def main(host: str, port: int, ca: str, pair: str, connections: int, *, read: bool) -> None:
    """Approves what waits, once."""
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(pair)
    streams = [await asyncio.open_connection(host, port, ssl=context) for _ in range(connections)]
    listed = json.loads(await _ask(streams[0], f"GET {_CSRS}?{_SIGNER}"))
    waiting = [each for each in listed["items"] if not each["status"].get("conditions")]

    async def work(stream: Stream) -> None:
        while waiting:
            csr = waiting.pop()
            if read:
                node = csr["spec"]["username"].removeprefix("system:node:")
                await _ask(stream, f"GET /api/v1/nodes/{node}")
            csr |= {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
            csr["status"]["conditions"] = [_CONDITION]
            path = f"{_CSRS}/{csr['metadata']['name']}/approval"
            await _ask(stream, f"PUT {path}", json.dumps(csr).encode())

    await asyncio.gather(*(work(each) for each in streams))


async def _ask(stream: Stream, request: str, body: bytes = b"") -> bytes:
    """request: method and path. Returns the body of a 200."""
    reader, writer = stream
    head = (
        f"{request} HTTP/1.1\r\nHost: api\r\nAccept: application/json\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    said = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    assert said.startswith("http/1.1 200"), said
    _, length, rest = said.partition("content-length: ")
    if length:
        return await reader.readexactly(int(rest.split("\r\n", 1)[0]))
    whole = b""
    while size := int(await reader.readline(), 16):
        whole += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return whole


if __name__ == "__main__":
    host_, port_, ca_, pair_, connections_, *words = sys.argv[1:]
    asyncio.run(main(host_, int(port_), ca_, pair_, int(connections_), read="read" in words))
