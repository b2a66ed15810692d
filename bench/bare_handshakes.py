"""`python -m bench.bare_handshakes FILE`: TLS handshakes with port 10250 of each address in FILE, 500 at a time.

The least that anybody pays who looks at kubelets from Python: connect, handshake, close. Nothing is read or verified.
"""

import asyncio
import socket
import ssl
import sys
from pathlib import Path

_AT_ONCE = 500


async def _shake(context: ssl.SSLContext, host: str) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as connection:
        connection.setblocking(False)  # noqa: FBT003 - its only argument
        await loop.sock_connect(connection, (host, 10250))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                await loop.sock_sendall(connection, outgoing.read())
                incoming.write(await loop.sock_recv(connection, 1 << 14))
            else:
                return await loop.sock_sendall(connection, outgoing.read())


async def _all(hosts: list[str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(host: str) -> None:
        async with room:
            await _shake(context, host)

    await asyncio.gather(*map(one, hosts))


if __name__ == "__main__":
    lines = Path(sys.argv[1]).read_text().splitlines()
    asyncio.run(_all([each for each in lines if each[:1].isdigit()]))
