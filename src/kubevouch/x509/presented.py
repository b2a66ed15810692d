"""How much is read of a chain that somebody presented: a handshake has room for more than reading takes a moment."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

MOST_CERTIFICATES: Final = 16
"""Certificates of a chain that are read. A kubelet presents one or two; Go's verifier stops at a hundred signatures."""
MOST_OF_A_CHAIN: Final = 16 * 1024
"""Bytes of them. A certificate has one or two thousand; to read a hundred thousand, of any stranger, would hold up all others."""


def looked_at(presented: Sequence[bytes]) -> tuple[bytes, ...]:
    """Those of the certificates that a peer has presented which are read: the leaf, and some of those behind it.

    Nothing if the leaf alone is too long.
    """
    long = list(accumulate(map(len, presented[:MOST_CERTIFICATES])))
    return tuple(presented[: bisect_right(long, MOST_OF_A_CHAIN)])


def leaf_too_long(presented: Sequence[bytes]) -> str:
    """Why a leaf is too long to be read; "" if it is short enough, or if none was presented."""
    if not presented or len(presented[0]) <= MOST_OF_A_CHAIN:
        return ""
    return f"{len(presented[0])} bytes; at most {MOST_OF_A_CHAIN} are read"
