"""A socket that listens at an address, for servers that accept by themselves."""

import socket


def listening_socket(address: str, port: int, backlog: int) -> socket.socket:
    """It does not block. port: 0 takes a free one. backlog: connections that may wait. Raises OSError."""
    listening = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(backlog)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)  # noqa: FBT003 - its only argument
    return listening
