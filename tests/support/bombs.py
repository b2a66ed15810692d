"""What is small to send and large to read, or takes long to read."""

import struct
import zlib

_PIECE = 1024 * 1024
_EIGHT_EMPTY_BLOCKS = bytes.fromhex(
    "04c081000000000090ff6a24000e040000000080fc57230170200000000000e4bf1a098003010000000020ffd548"
    "001c080000000000f9af4602e0400000000000c87f35120007020000000040feab910038100000000000f25f8d"
)
"""Of deflate (RFC 1951, 3.2.7), each with code tables of its own and nothing in them but its end."""

ALIASES = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
"""YAML: whoever follows the aliases of `*i` finds 43 million words."""


def gzip_bomb(size: int, filler: bytes = b"\0") -> bytes:
    """A valid gzip of so many MiB of one byte. One MiB of them is packed, and repeated: to pack all takes long."""
    piece = filler * _PIECE
    packing = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    # After a full flush nothing refers to what was before.
    packed = packing.compress(piece) + packing.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(size):
        checksum = zlib.crc32(piece, checksum)
    head = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    return head + packed * size + packing.flush() + struct.pack("<II", checksum, size * _PIECE)


def gzip_of_nothing(size: int) -> bytes:
    """A valid gzip of about so many bytes, of which nothing comes: to build the tables of its blocks is all there is to do."""
    blocks = _EIGHT_EMPTY_BLOCKS * (size // len(_EIGHT_EMPTY_BLOCKS))
    head = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    return head + blocks + b"\x03\x00" + bytes(8)
