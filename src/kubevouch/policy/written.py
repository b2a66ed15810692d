"""What is written down for nodes (inventory, pins, records), by value: for one CSR only what it asks for is looked up."""

from collections.abc import Iterator

from kubevouch.policy.claims import Address, AskedNames, Claim, compared
from kubevouch.x509 import unmapped

Value = str | Address
"""A name or an address, in the form in which they are compared."""

Owned = tuple[str, Claim]
"""The name of a node, and what is written down for it."""


class WrittenClaims:
    """Who has what by writing."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[Claim, ...]] = {}
        self._by_value: dict[Value, tuple[Owned, ...]] = {}

    def put(self, node: str, claims: tuple[Claim, ...]) -> set[Value]:
        """All that is written down for a node; () if nothing is any more. Returns what it had by writing, or has."""
        before = self._of.pop(node, ())
        for claim in before:
            value = compared(claim.value)
            kept = tuple(each for each in self._by_value.get(value, ()) if each[0] != node)
            if kept:
                self._by_value[value] = kept
            else:
                self._by_value.pop(value, None)
        # A claim may be written down twice: each value has the node once for each.
        if claims:
            self._of[node] = claims
        for claim in claims:
            value = compared(claim.value)
            self._by_value[value] = (*self._by_value.get(value, ()), (node, claim))
        return {compared(claim.value) for claim in (*before, *claims)}

    def among(self, asked: AskedNames) -> Iterator[Owned]:
        """What is written down of the values that are asked for."""
        for name in asked.names:
            yield from self._by_value.get(name.lower(), ())
        for address in asked.addresses:
            yield from self._by_value.get(unmapped(address), ())
