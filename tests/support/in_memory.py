"""TLS without a socket."""

import ssl


def handshake(
    client: ssl.SSLContext, server: ssl.SSLContext, *, name: str = "127.0.0.1"
) -> ssl.SSLObject:
    """Client and server meet in memory; raises what the client raises."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(10):
        try:
            ours.do_handshake()
        except ssl.SSLWantReadError:
            pass
        else:
            return ours
        try:
            theirs.do_handshake()
        except ssl.SSLError:
            # Its alert, or its wish for more, is in the pipe: the client has the word.
            continue
    raise AssertionError("no end of the handshake")
