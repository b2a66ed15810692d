"""What is random in a lab, from one source of bytes that is passed in."""

from collections.abc import Callable
from uuid import UUID

Entropy = Callable[[int], bytes]
"""So many random bytes."""


def serials(entropy: Entropy) -> Callable[[], int]:
    """Serial numbers as client-go draws them: positive, 63 bits."""
    return lambda: int.from_bytes(entropy(8)) >> 1 or 1


def uids(entropy: Entropy) -> Callable[[], str]:
    """UIDs as Kubernetes makes them: random UUIDs."""
    return lambda: str(UUID(bytes=entropy(16), version=4))
