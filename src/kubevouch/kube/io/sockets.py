"""TCP sockets that notice when their peer is gone.

Whoever waits for a watch sends nothing, so nothing is ever missing an answer: when a machine is switched off or a network
drops packets, such a connection looks alive until somebody gives it up. The kernel asks the peer instead, and hears at once
from a machine that has come back and knows nothing of the connection. client-go's HTTP/2 pings (golang.org/x/net/http2,
ReadIdleTimeout) serve the same end.
"""

import socket
from typing import Final

from aiohttp import AddrInfoType

_IDLE: Final = 5
"""Seconds without a byte before the peer is asked."""

_BETWEEN: Final = 3
_QUESTIONS: Final = 3
_UNANSWERED: Final = _IDLE + _BETWEEN * _QUESTIONS
"""Seconds after which the connection has ended, also if what was sent is not acknowledged."""

_OPTIONS: Final = (
    ("TCP_KEEPIDLE", _IDLE),
    ("TCP_KEEPALIVE", _IDLE),  # macOS's name of it
    ("TCP_KEEPINTVL", _BETWEEN),
    ("TCP_KEEPCNT", _QUESTIONS),
    ("TCP_USER_TIMEOUT", 1000 * _UNANSWERED),
)


def watchful_socket(address: AddrInfoType) -> socket.socket:
    """A socket for this address, not connected yet. An option that the system does not have is left out."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS:
        if (option := getattr(socket, name, None)) is not None:
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made
